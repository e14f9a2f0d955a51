"""One function behind every verb, the studio and batches: `apply(model, source, target)`."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
