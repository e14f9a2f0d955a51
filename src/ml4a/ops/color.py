"""Colour."""

from __future__ import annotations

from torch import Tensor


def luma(x: Tensor) -> Tensor:
    """Light and dark: Rec. 601 luma of N×3×H×W, as N×1×H×W."""
    return 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]
