"""Colours whose three coordinates vary by themselves, as red, green and blue in photographs do not.

Olah et al., Feature Visualization, Distill 2017: a step then changes light, warmth and hue, instead of one light
three times over. The matrix is the root of the covariance of colours in ImageNet, as Lucid has it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch.nn import functional as F

Bounds: TypeAlias = Literal["sigmoid", "clamp"]

_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
_DARKEST = 1 / 256
"""What stands for black where a sigmoid would need an infinite number."""


class DecorrelatedColors:
    """From coordinates to colours and back.

    Args:
        bounds: What keeps colours in [0, 1]: a sigmoid, whose slope is nowhere 0, or clamping, which leaves a picture
            that is given as it is.
        like: Whose device and dtype are taken.
    """

    def __init__(self, bounds: Bounds, like: torch.Tensor) -> None:
        self.bounds = bounds
        root = torch.tensor(_ROOT, dtype=torch.float64)
        matrix = root / root.norm(dim=0).max()
        self.matrix, self._inverse = (
            each.to(like)[:, :, None, None].contiguous() for each in (matrix, torch.linalg.inv(matrix))
        )

    def rgb(self, coordinates: torch.Tensor) -> torch.Tensor:
        """N×3×H×W RGB in [0, 1] of N×3×H×W coordinates."""
        x = F.conv2d(coordinates, self.matrix)
        return x.sigmoid() if self.bounds == "sigmoid" else x.clamp(0, 1)

    def coordinates(self, picture: torch.Tensor) -> torch.Tensor:
        """The coordinates of N×3×H×W RGB in [0, 1]."""
        x = picture.logit(_DARKEST) if self.bounds == "sigmoid" else picture
        return F.conv2d(x, self._inverse)
