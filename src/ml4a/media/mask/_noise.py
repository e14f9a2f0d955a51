"""Clouds, islands and other chance shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ml4a._core.params import Doc, Range
from ml4a.media import noise
from ml4a.media._value import Number, at

from ._mask import Mask
from ._planes import Array, inside

_STEEPNESS = 2.5
"""How fast simplex noise changes where it is steep, in its values per hill."""
_ERROR = 0.002
"""How far values may be off, for most of the pixels to be interpolated."""


@dataclass(frozen=True, repr=False)
class Noise(Mask, kind="noise"):
    """Noise: clouds, or with `soft=0` islands. 1 where the noise is above `level`.

        clouds = mask.noise(0.5, octaves=4, seed=3)
        lava = mask.noise(0.3, octaves=1, soft=0.1, period=8)

    Gives one channel.
    """

    scale: Annotated[Number, Range(0.005, 10), Doc("Width of a hill, in canvas units.")] = 0.25
    octaves: Annotated[int, Range(1, 16), Doc("Noises laid upon each other, each half as wide and half as high.")] = 3
    level: Annotated[Number, Range(-1, 1), Doc("Where it is one half; noise is between -1 and 1, 0 on average.")] = 0.0
    soft: Annotated[Number, Range(0, 2), Doc("Width of the slope from 0 to 1, in the noise's values.")] = 1.0
    seed: Annotated[int | None, Range(0), Doc("Which noise; None is always the same one as well.")] = None
    period: Annotated[float | None, Range(0.001), Doc("Seconds until it is the same again; None stands still.")] = None
    speed: Annotated[float, Range(0, 100), Doc("How many times a second hills come and go, with a period.")] = 0.5

    @property
    def moving(self) -> bool:
        """Whether it may change with time."""
        return self._loop is not None or super().moving

    @property
    def _loop(self) -> float | None:
        """The way that noise goes in a period, if it goes."""
        return self.period * self.speed if self.period and self.speed else None

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        scale, level = at(self, "scale", time), at(self, "level", time)
        softness = max(at(self, "soft", time), _STEEPNESS / (scale * min(size)))
        field = noise.field(
            size,
            scale=scale,
            octaves=self.octaves,
            seed=self.seed,
            time=None if self._loop is None else time * self.speed,
            period=self._loop,
            error=_ERROR * softness,
        )
        field *= -1
        field += level
        out[:, :, 0] = inside(field, softness)
