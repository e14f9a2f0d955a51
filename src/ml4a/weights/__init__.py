"""Pretrained weights: found by name, fetched, verified, cached and safely read.

paths = weights.fetch("hed/bsds")                       # {"network": PosixPath('…/hed_bsds500.weights.h5')}
tensors = weights.formats.read(paths["network"], "keras")
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
