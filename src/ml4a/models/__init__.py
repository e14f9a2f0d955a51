"""The models: what a user calls. Each is a class with `from_pretrained` and a `__call__`."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
