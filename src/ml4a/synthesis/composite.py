"""A picture of which only a region changes."""

from __future__ import annotations

import torch

from .parameterisation import Parameterisation, enlarged


class Composite(Parameterisation):
    """One picture inside of a region, and another around it, which stays as it is.

    Unlike the mask of an objective, it holds for whatever is optimised: a wave reaches everywhere.

    Args:
        inside: What is optimised.
        around: N×3×H×W RGB in [0, 1].
        region: N×1×H×W in [0, 1]: 1 is inside.
    """

    def __init__(self, inside: Parameterisation, around: torch.Tensor, region: torch.Tensor) -> None:
        self._inside, self._whole = inside, (around, region)
        self._around, self._region = around, region
        self.parameters = inside.parameters

    def picture(self) -> torch.Tensor:
        """Both in one."""
        return self._around + self._region * (self._inside.picture() - self._around)

    def assign(self, picture: torch.Tensor) -> None:
        """Take over what is inside."""
        self._inside.assign(picture)
        self._fit((picture.shape[3], picture.shape[2]))

    def resize(self, size: tuple[int, int]) -> None:
        """Resize the inside in its own way, and take the rest from what was given first."""
        self._inside.resize(size)
        self._fit(size)

    def constrain(self) -> None:
        """As the inside is."""
        self._inside.constrain()

    @property
    def size(self) -> tuple[int, int]:
        """The picture's width and height."""
        return self._inside.size

    def _fit(self, size: tuple[int, int]) -> None:
        self._around, self._region = (enlarged(each, size, "bilinear") for each in self._whole)
        self.parameters = self._inside.parameters
