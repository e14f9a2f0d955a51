"""What is optimised, and the picture that it stands for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch.nn import functional as F


class Parameterisation(ABC):
    """Numbers that stand for a picture: what an optimiser changes."""

    parameters: list[torch.Tensor]
    """Leaves that require gradients."""

    @abstractmethod
    def picture(self) -> torch.Tensor:
        """The picture as it is now, differentiable: 1×3×H×W RGB, of which [0, 1] can be shown."""

    @abstractmethod
    def assign(self, picture: torch.Tensor) -> None:
        """Make 1×3×H×W RGB the picture, in its size; there may be new `parameters` then."""

    def resize(self, size: tuple[int, int]) -> None:
        """Go on at another width and height."""
        self.assign(enlarged(self.picture().detach(), size))

    def constrain(self) -> None:  # noqa: B027  # most need not
        """After each step: bring the parameters back to where they stand for pictures."""

    @property
    def size(self) -> tuple[int, int]:
        """The picture's width and height."""
        height, width = self.picture().shape[-2:]
        return width, height


class Pixels(Parameterisation):
    """The pixels themselves.

    Args:
        picture: 1×3×H×W RGB.
        white: What stands for white: steps of a given length go farther where it is 1 than where it is 255.
        clamp: Whether each step ends within black and white.
        corners: Whether pixels in the corners stay there when the picture is resized, or borders at the borders.
    """

    def __init__(self, picture: torch.Tensor, *, white: float = 1.0, clamp: bool = True, corners: bool = False) -> None:
        self.white, self._clamp, self._corners = white, clamp, corners
        self.assign(picture)

    def picture(self) -> torch.Tensor:
        """The parameters, as they are."""
        (values,) = self.parameters
        return values if self.white == 1 else values / self.white

    def assign(self, picture: torch.Tensor) -> None:
        """Take over the picture's pixels."""
        self.parameters = [(picture.detach().float() * self.white).contiguous().requires_grad_()]

    def resize(self, size: tuple[int, int]) -> None:
        """Interpolate, by cubic curves."""
        picture = enlarged(self.picture().detach(), size, corners=self._corners)
        self.assign(picture.clamp(0, 1) if self._clamp else picture)

    def constrain(self) -> None:
        """Clamp, if that is wanted."""
        if self._clamp:
            with torch.no_grad():
                self.parameters[0].clamp_(0, self.white)


def enlarged(
    x: torch.Tensor, size: tuple[int, int], how: Literal["bicubic", "bilinear"] = "bicubic", *, corners: bool = False
) -> torch.Tensor:
    """1×C×H×W at another width and height, interpolated."""
    if (x.shape[3], x.shape[2]) == size:
        return x
    return F.interpolate(x, size[::-1], mode=how, align_corners=corners)
