"""`ml4a demo`: a page of works by every model, each beside the line that made it."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
