"""A picture as the waves that it is the sum of: a step changes large shapes as readily as small ones.

Olah et al., Feature Visualization, Distill 2017, in the form of Mayukhdeb's torch-dreams and in that of Lucid.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self, TypeAlias

import torch

from .decorrelated import Bounds, DecorrelatedColors
from .parameterisation import Parameterisation

Scaling: TypeAlias = Literal["torch_dreams", "lucid"]
"""How much longer waves weigh: torch-dreams' 1/f^1.5, or Lucid's 1/f."""

_SPACING = 0.5**0.5
"""torch-dreams' distance of pixels."""
_LUCID_SHARE = 0.25


class Fourier(Parameterisation):
    """Amplitudes of waves in decorrelated colours, divided by what waves of their length have in photographs.

    Args:
        picture: N×3×H×W RGB in [0, 1], to begin with.
        scaling: What they are divided by.
        bounds: How values become colours; see `DecorrelatedColors`.
        shortest: Whether there are waves of two pixels' width, without which a picture of even width is not quite
            what was given.
    """

    def __init__(
        self,
        picture: torch.Tensor,
        *,
        scaling: Scaling = "torch_dreams",
        bounds: Bounds = "clamp",
        shortest: bool = True,
    ) -> None:
        self._scale_of, self._shortest = _SCALES[scaling], shortest
        self._colors = DecorrelatedColors(bounds, picture)
        self.assign(picture)

    @classmethod
    def noise(
        cls,
        size: tuple[int, int],
        generator: torch.Generator,
        *,
        count: int = 1,
        deviation: float = 0.01,
        scaling: Scaling = "torch_dreams",
        device: torch.device | str = "cpu",
    ) -> Self:
        """Faint waves of all lengths, kept in bounds by a sigmoid.

        Args:
            size: Width and height.
            generator: Of the noise.
            count: How many pictures; all begin alike.
            deviation: Of the parameters.
            scaling: As above.
            device: Where to compute.
        """
        width, height = size
        grey = torch.full((count, 3, height, width), 0.5, device=device)
        image = cls(grey, scaling=scaling, bounds="sigmoid", shortest=False)
        (waves,) = image.parameters
        with torch.no_grad():
            waves.copy_(deviation * torch.randn(waves.shape[1:], generator=generator))
        return image

    def picture(self) -> torch.Tensor:
        """The sum of the waves, as colours."""
        (waves,) = self.parameters
        spectrum = torch.view_as_complex(waves) * self.scale
        return self._colors.rgb(torch.fft.irfft2(spectrum, self._shape, norm="ortho"))

    def assign(self, picture: torch.Tensor) -> None:
        """Take a picture apart."""
        height, width = picture.shape[-2:]
        spectrum = torch.fft.rfft2(self._colors.coordinates(picture.detach()), norm="ortho")
        self._take((width, height), spectrum[..., : self._columns(width)])

    def resize(self, size: tuple[int, int]) -> None:
        """Go on with the same waves in another size; those that it has no room for are left out."""
        if size == self.size:
            return
        spectrum = torch.view_as_complex(self.parameters[0].detach()) * self.scale
        (width, height), (old_height, old_width) = size, self._shape
        # The longest common waves are the first columns, and the first and last rows.
        columns = (min(width, old_width) + 1) // 2
        half = (min(height, old_height) - 1) // 2
        grown = spectrum.new_zeros(*spectrum.shape[:2], height, self._columns(width))
        for rows in (slice(0, half + 1), slice(-half, None) if half else slice(0, 0)):
            grown[..., rows, :columns] = spectrum[..., rows, :columns]
        self._take(size, grown * (width * height / (old_width * old_height)) ** 0.5)

    @property
    def size(self) -> tuple[int, int]:
        """The picture's width and height."""
        return self._shape[1], self._shape[0]

    def _columns(self, width: int) -> int:
        return width // 2 + 1 if self._shortest else (width + 1) // 2

    def _take(self, size: tuple[int, int], spectrum: torch.Tensor) -> None:
        """Make N×3×H×columns complex amplitudes the parameters."""
        self._shape = size[::-1]
        self.scale = self._scale_of(size)[:, : self._columns(size[0])].to(spectrum.real)
        """H×columns: what parameters are multiplied by."""
        self.parameters = [torch.view_as_real(spectrum / self.scale).contiguous().requires_grad_()]


def torch_dreams_scale(size: tuple[int, int]) -> torch.Tensor:
    """H×(W//2 + 1) for a width and height, as torch-dreams has it."""
    floor = 1 / (max(size) * _SPACING)
    return 1 / _frequencies(size, _SPACING).pow(1.5).clamp(min=floor)


def lucid_scale(size: tuple[int, int]) -> torch.Tensor:
    """The same as Lucid has it, where the transform keeps the sum of squares."""
    return _LUCID_SHARE / _frequencies(size, 1).clamp(min=1 / max(size))


_SCALES: dict[str, Callable[[tuple[int, int]], torch.Tensor]] = {
    "torch_dreams": torch_dreams_scale,
    "lucid": lucid_scale,
}


def _frequencies(size: tuple[int, int], spacing: float) -> torch.Tensor:
    """H×(W//2 + 1): waves in a distance of 1 where pixels are `spacing` apart."""
    width, height = size
    down = torch.fft.fftfreq(height, spacing, dtype=torch.float64)[:, None]
    across = torch.fft.rfftfreq(width, spacing, dtype=torch.float64)
    return torch.hypot(down, across)
