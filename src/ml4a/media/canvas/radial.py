"""Warps around a point that change how far from it to look, or turn by how far it is."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ml4a._core.params import Doc, Range

from ._points import Array, Points
from ._polar import directions, distance, to_polar
from ._warp import Center, Number, Warp, plain, point, scalar

_TURN = 2 * math.pi


class Radial(Warp):
    """A warp that looks in the same direction from its center, at another distance."""

    center: Center

    @abstractmethod
    def scale(self, x: Array, y: Array) -> Array:
        """By what to multiply the way (x, y) from the center: a new array of their shape."""

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        if self.idle:
            return points
        x, y = from_center(points, self.center)
        scale = self.scale(x, y)
        return to_center(points, self.center, x * scale, y * scale)


class Turning(Warp):
    """A warp that looks at the same distance from its center, in another direction."""

    center: Center

    @abstractmethod
    def turn(self, x: Array, y: Array) -> Array:
        """By how many radians the picture turns, counter-clockwise, at (x, y) from the center: a new array."""

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        if self.idle:
            return points
        x, y = from_center(points, self.center)
        cos, sin = directions(self.turn(x, y))
        turned = x * cos
        turned -= y * sin
        sin *= x
        cos *= y
        sin += cos
        return to_center(points, self.center, turned, sin)


@dataclass(frozen=True, repr=False)
class Expand(Radial, kind="expand"):
    """Pushes the picture away from a point, or pulls it in, by the same distance everywhere."""

    amount: Annotated[Number, Range(-100, 100), Doc("How far outwards, in canvas units; below 0 inwards.")]
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    def scale(self, x: Array, y: Array) -> Array:
        """By what to multiply the way (x, y) from the center."""
        scale = scalar(self.amount) / distance(x, y)
        np.subtract(1, scale, out=scale)
        return np.maximum(scale, 0, out=scale)


@dataclass(frozen=True, repr=False)
class Spiral(Radial, kind="spiral"):
    """Gives circles lobes; again and again, with a turn between, the lobes wind up to a spiral."""

    margin: Annotated[Number, Range(-10, 10), Doc("Height of the lobes as a share of the distance.")]
    periods: Annotated[int, Range(1, 1000), Doc("Number of lobes.")] = 4
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"margin": 0}

    def scale(self, x: Array, y: Array) -> Array:
        """By what to multiply the way (x, y) from the center."""
        _, angle = to_polar(x, y)
        angle *= self.periods
        _, scale = directions(angle)
        scale *= scalar(self.margin)
        scale += 1
        return scale


@dataclass(frozen=True, repr=False)
class Ripple(Radial, kind="ripple"):
    """Waves that run outwards in circles.

    ripple(0.01, 0.1, phase=wave(2, shape="saw"))               # one wavelength every two seconds
    """

    amount: Annotated[Number, Range(-10, 10), Doc("How far the waves move the picture, in canvas units.")]
    wavelength: Annotated[Number, Range(0.001, 1000), Doc("From one wave to the next, in canvas units.")] = 0.2
    phase: Annotated[Number, Doc("How many wavelengths the waves have run outwards.")] = 0.0
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    def scale(self, x: Array, y: Array) -> Array:
        """By what to multiply the way (x, y) from the center."""
        length = distance(x, y)
        angle = length * scalar(_TURN / self.wavelength)
        angle -= np.float32(_TURN * (plain(self.phase) % 1))
        _, scale = directions(angle)
        scale *= scalar(-self.amount)
        scale /= length
        scale += 1
        return scale


@dataclass(frozen=True, repr=False)
class Lens(Radial, kind="lens"):
    """A round glass that makes the picture bulge, or pinches it; around it nothing changes."""

    strength: Annotated[Number, Range(-0.9, 10), Doc("Above 0 it bulges, below 0 it pinches.")]
    radius: Annotated[Number, Range(0.001, 1000), Doc("Of the glass, in canvas units.")] = 0.4
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"strength": 0}

    def scale(self, x: Array, y: Array) -> Array:
        """By what to multiply the way (x, y) from the center."""
        import cv2

        scale = distance(x, y)
        scale /= scalar(self.radius)
        np.clip(scale, 1e-6, 1, out=scale)
        return cv2.pow(scale, plain(self.strength)).reshape(x.shape)


@dataclass(frozen=True, repr=False)
class Swirl(Turning, kind="swirl"):
    """Turns the picture the more, the further from a point."""

    amount: Annotated[Number, Range(-1000, 1000), Doc("Radians for each canvas unit of distance, counter-clockwise.")]
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    def turn(self, x: Array, y: Array) -> Array:
        """By how many radians the picture turns at (x, y) from the center."""
        turn = distance(x, y)
        turn *= scalar(self.amount)
        return turn


@dataclass(frozen=True, repr=False)
class Twirl(Turning, kind="twirl"):
    """Turns the picture in a circle, most in the middle; around it nothing changes."""

    angle: Annotated[Number, Range(-1000, 1000), Doc("Radians in the middle, counter-clockwise.")]
    radius: Annotated[Number, Range(0.001, 1000), Doc("Of the circle, in canvas units.")] = 0.5
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"angle": 0}

    def turn(self, x: Array, y: Array) -> Array:
        """By how many radians the picture turns at (x, y) from the center."""
        turn = distance(x, y)
        turn *= scalar(-1 / self.radius)
        turn += 1
        np.maximum(turn, 0, out=turn)
        turn *= turn
        turn *= scalar(self.angle)
        return turn


@dataclass(frozen=True, repr=False)
class Fan(Turning, kind="fan"):
    """Turns the picture the more, the more it is turned already: it opens or closes like a fan.

    The fan's two ends meet to the left of its center.
    """

    amount: Annotated[Number, Range(-1000, 1000), Doc("Radians for each radian away from the right.")]
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    def turn(self, x: Array, y: Array) -> Array:
        """By how many radians the picture turns at (x, y) from the center."""
        _, turn = to_polar(x, y)
        turn *= scalar(self.amount)
        return turn


def from_center(points: Points, center: Center) -> tuple[Array, Array]:
    """The ways from a center to the points."""
    x, y = points.arrays
    center_x, center_y = point(center)
    return (x - np.float32(center_x) if center_x else x), (y - np.float32(center_y) if center_y else y)


def to_center(points: Points, center: Center, x: Array, y: Array) -> Points:
    """The points that are these ways, new arrays, from a center."""
    center_x, center_y = point(center)
    if center_x:
        x += np.float32(center_x)
    if center_y:
        y += np.float32(center_y)
    return points.moved_to(x, y)
