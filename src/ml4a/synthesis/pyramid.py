"""A picture as a sum of pictures of all sizes: coarse ones for large shapes, fine ones for details.

Lucid's Laplacian pyramid: like waves it lets large shapes change as readily as small ones, but what changes stays where
it is.
"""

from __future__ import annotations

from typing import Self

import torch

from .decorrelated import Bounds, DecorrelatedColors
from .parameterisation import Parameterisation, enlarged


class Pyramid(Parameterisation):
    """Levels, each half the size of the one before it, enlarged and added up in decorrelated colours.

    Args:
        picture: N×3×H×W RGB in [0, 1], to begin with.
        levels: How many at most; none is smaller than a pixel.
        bounds: How values become colours; see `DecorrelatedColors`.
    """

    def __init__(self, picture: torch.Tensor, *, levels: int = 5, bounds: Bounds = "clamp") -> None:
        self._levels = levels
        self._colors = DecorrelatedColors(bounds, picture)
        self.assign(picture)

    @classmethod
    def noise(
        cls,
        size: tuple[int, int],
        generator: torch.Generator,
        *,
        count: int = 1,
        deviation: float = 0.1,
        levels: int = 5,
        device: torch.device | str = "cpu",
    ) -> Self:
        """Faint noise on all levels, kept in bounds by a sigmoid.

        Args:
            size: Width and height.
            generator: Of the noise.
            count: How many pictures; all begin alike.
            deviation: Of each level.
            levels: As above.
            device: Where to compute.
        """
        width, height = size
        image = cls(torch.full((count, 3, height, width), 0.5, device=device), levels=levels, bounds="sigmoid")
        with torch.no_grad():
            for level in image.parameters:
                level.copy_(deviation * torch.randn(level.shape[1:], generator=generator))
        return image

    def picture(self) -> torch.Tensor:
        """The sum of the levels, as colours."""
        *finer, total = self.parameters
        for level in reversed(finer):  # the coarser ones are enlarged together
            total = level + _enlarged(total, level)
        return self._colors.rgb(total)

    def assign(self, picture: torch.Tensor) -> None:
        """Take a picture apart: each level is what the coarser ones together lack."""
        rest = self._colors.coordinates(picture.detach())
        found: list[torch.Tensor] = []
        while len(found) < self._levels - 1 and min(rest.shape[-2:]) > 1:
            height, width = rest.shape[-2:]
            coarser = torch.nn.functional.interpolate(rest, (-(-height // 2), -(-width // 2)), mode="area")
            found.append(rest - _enlarged(coarser, rest))
            rest = coarser
        self.parameters = [level.contiguous().requires_grad_() for level in (*found, rest)]

    @property
    def size(self) -> tuple[int, int]:
        """The picture's width and height."""
        height, width = self.parameters[0].shape[-2:]
        return width, height


def _enlarged(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return enlarged(x, (like.shape[3], like.shape[2]), "bilinear")
