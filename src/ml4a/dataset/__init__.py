"""Data sets to train with, from folders of pictures and films: cut, varied, processed, split and packed."""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
