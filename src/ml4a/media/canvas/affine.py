"""Warps that keep straight lines straight and parallel; however many follow each other, they are one matrix."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ml4a._core.params import Doc, Range

from ._points import AT_REST, Array, Points
from ._warp import Center, Number, Warp, plain, point


class Affine(Warp):
    """A warp that is a matrix."""

    @abstractmethod
    def matrix(self) -> Array:
        """3×3: from a place of the result to where it looks."""

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        return points if self.idle else points.through(self.matrix())


@dataclass(frozen=True, repr=False)
class Identity(Affine, kind="identity"):
    """Leaves the picture as it is."""

    @property
    def idle(self) -> bool:
        """It always is."""
        return True

    def matrix(self) -> Array:
        """3×3."""
        return AT_REST


@dataclass(frozen=True, repr=False)
class Shift(Affine, kind="shift"):
    """Moves the picture."""

    x: Annotated[Number, Doc("How far to the right, in canvas units.")] = 0.0
    y: Annotated[Number, Doc("How far down, in canvas units.")] = 0.0

    neutral: ClassVar[dict[str, float]] = {"x": 0, "y": 0}

    def matrix(self) -> Array:
        """3×3."""
        return np.array([[1, 0, -self.x], [0, 1, -self.y], [0, 0, 1]])


@dataclass(frozen=True, repr=False)
class Stretch(Affine, kind="stretch"):
    """Enlarges the picture by different factors along x and y."""

    x: Annotated[Number, Range(0.001, 1000), Doc("Factor along x; 1 leaves it, 2 doubles the width.")] = 1.0
    y: Annotated[Number, Range(0.001, 1000), Doc("Factor along y; 1 leaves it, 2 doubles the height.")] = 1.0
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"x": 1, "y": 1}

    def matrix(self) -> Array:
        """3×3."""
        return around(self.center, np.array([[1 / self.x, 0, 0], [0, 1 / self.y, 0], [0, 0, 1]]))


@dataclass(frozen=True, repr=False)
class Zoom(Affine, kind="zoom"):
    """Enlarges the picture, or makes it smaller."""

    factor: Annotated[Number, Range(0.001, 1000), Doc("1 leaves it, 2 doubles it, 0.5 halves it.")]
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"factor": 1}

    def matrix(self) -> Array:
        """3×3."""
        return around(self.center, np.diag([1 / self.factor, 1 / self.factor, 1]))


@dataclass(frozen=True, repr=False)
class Rotate(Affine, kind="rotate"):
    """Turns the picture."""

    angle: Annotated[Number, Doc("Radians, counter-clockwise.")]
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"angle": 0}

    def matrix(self) -> Array:
        """3×3."""
        angle = plain(self.angle)
        cos, sin = math.cos(angle), math.sin(angle)
        return around(self.center, np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]))


@dataclass(frozen=True, repr=False)
class Shear(Affine, kind="shear"):
    """Slants the picture."""

    x: Annotated[Number, Range(-10, 10), Doc("How far to the right a point moves for each unit that it is lower.")] = (
        0.0
    )
    y: Annotated[Number, Range(-10, 10), Doc("How far down a point moves for each unit that it is further right.")] = (
        0.0
    )
    center: Center = (0.0, 0.0)

    neutral: ClassVar[dict[str, float]] = {"x": 0, "y": 0}

    def matrix(self) -> Array:
        """3×3."""
        return around(self.center, np.array([[1, -self.x, 0], [-self.y, 1, 0], [0, 0, 1]]))


def around(center: Center, matrix: Array) -> Array:
    """`matrix` with the origin moved to `center`."""
    x, y = point(center)
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = (-x, -y), (x, y)
    return back @ matrix @ there
