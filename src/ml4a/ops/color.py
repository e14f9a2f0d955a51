"""Colour."""

from __future__ import annotations

from torch import Tensor

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def luma(x: Tensor) -> Tensor:
    """Light and dark: Rec. 601 luma of N×3×H×W, as N×1×H×W."""
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]


def imagenet_normalised(x: Tensor) -> Tensor:
    """N×3×H×W RGB in [0, 1], less ImageNet's mean and divided by its deviation, as networks trained there expect."""
    mean, deviation = (x.new_tensor(values)[:, None, None] for values in (_IMAGENET_MEAN, _IMAGENET_DEVIATION))
    return (x - mean) / deviation
