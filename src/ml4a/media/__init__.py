"""Pictures, films and motion, without torch. Inside, a picture is an H×W×C float32 array in [0, 1]."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
