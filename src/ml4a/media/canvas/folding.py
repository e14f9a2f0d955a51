"""Warps that bend the picture into another shape: discs, mirrors, a plane in perspective."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ml4a._core.params import Doc, Range

from ._points import Points
from ._polar import at_polar, to_polar
from ._warp import Center, Number, Warp, scalar
from .radial import from_center, to_center

_TURN = 2 * math.pi
_DISC = 0.5
"""Radius of the disc that `polar` makes, in canvas units."""
_HORIZON = 0.05
"""A plane in perspective is seen up to this share of its nearness."""


@dataclass(frozen=True, repr=False)
class Polar(Warp, kind="polar"):
    """Rolls the picture up to a disc: its lower edge is the center, its upper one the rim, its sides meet below."""

    center: Center = (0.0, 0.0)

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        width, height = points.stage.extent
        x, y = from_center(points, self.center)
        down, across = to_polar(-y, x)  # from the top, clockwise
        across *= np.float32(width / _TURN)
        down *= np.float32(-height / _DISC)
        down += np.float32(height / 2)
        return points.moved_to(across, down)


@dataclass(frozen=True, repr=False)
class Unpolar(Warp, kind="unpolar"):
    """Unrolls a disc around a point to a picture: the inverse of `polar`."""

    center: Center = (0.0, 0.0)

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        width, height = points.stage.extent
        x, y = points.arrays
        up, right = at_polar(y * np.float32(-_DISC / height) + np.float32(_DISC / 2), x * np.float32(_TURN / width))
        return to_center(points, self.center, right, np.negative(up, out=up))


@dataclass(frozen=True, repr=False)
class Kaleidoscope(Warp, kind="kaleidoscope"):
    """Repeats a slice of the picture around a point, every second time mirrored."""

    n: Annotated[int, Range(1, 1000), Doc("Number of mirrored pairs.")] = 6
    angle: Annotated[Number, Doc("Radians by which the mirrors are turned, counter-clockwise.")] = 0.0
    center: Center = (0.0, 0.0)

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        x, y = from_center(points, self.center)
        length, turns = to_polar(x, y)
        turns += scalar(self.angle)
        turns *= scalar(self.n / _TURN)
        turns -= np.rint(turns)
        np.abs(turns, out=turns)
        turns *= scalar(_TURN / self.n)
        turns -= scalar(self.angle)
        return to_center(points, self.center, *at_polar(length, turns))


@dataclass(frozen=True, repr=False)
class Perspective(Warp, kind="perspective"):
    """Leans the picture back."""

    x: Annotated[Number, Range(-10, 10), Doc("Above 0 its left side is further away, below 0 its right side.")] = 0.0
    y: Annotated[Number, Range(-10, 10), Doc("Above 0 its upper side is further away, below 0 its lower side.")] = 0.0
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"x": 0, "y": 0}

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        if self.idle:
            return points
        x, y = from_center(points, self.center)
        near = x * scalar(self.x)
        near += y * scalar(self.y)
        near += 1
        np.maximum(near, _HORIZON, out=near)
        return to_center(points, self.center, x / near, y / near)
