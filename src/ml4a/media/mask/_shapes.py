"""Shapes of one channel: circles, rectangles, polygons, gradients, checkers."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.params import Doc, Range
from ml4a.media._value import Number, Point, at

from . import _planes
from ._mask import Mask
from ._planes import Array, Grid, inside

Center = Annotated[Point, Doc("The middle, (x, y) in canvas units.")]
Angle = Annotated[Number, Doc("Turned by so many radians, counter-clockwise.")]
Soft = Annotated[Number, Range(0, 10), Doc("Width of the edge's slope, in canvas units; at least a pixel.")]

_LINES = 8
"""Lines in a row of pixels on which a polygon's cover is measured."""


class Shape(Mask):
    """A mask of which each pixel is computed by itself."""

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        grid = Grid.of(size)
        for rows in _planes.blocks(size):
            self.shade(grid.rows(rows), time, out[rows])

    @abstractmethod
    def shade(self, grid: Grid, time: float, out: Array) -> None:
        """Write the values of some rows to `out`."""


@dataclass(frozen=True, repr=False)
class Solid(Mask, kind="solid"):
    """The same everywhere.

        mask.solid()((4, 3)).min()                           # 1.0

    Gives `n` channels.
    """

    value: Annotated[Number, Range(0, 1), Doc("What it is.")] = 1.0
    n: Annotated[int, Range(1, 64), Doc("How many channels.")] = 1

    @property
    def channels(self) -> int:
        return self.n

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        out[:] = at(self, "value", time)


@dataclass(frozen=True, repr=False)
class Circle(Shape, kind="circle"):
    """A disc: 1 inside.

        mask.circle(0.3, center=(-0.2, 0), soft=0.05)

    Gives one channel.
    """

    radius: Annotated[Number, Range(0, 10), Doc("In canvas units: 0.5 touches the nearer borders.")] = 0.5
    center: Center = (0.0, 0.0)
    soft: Soft = 0.0

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        distance = grid.seen_from(at(self, "center", time)).distance()
        distance -= at(self, "radius", time)
        out[:, :, 0] = inside(distance, max(at(self, "soft", time), grid.pixel))


@dataclass(frozen=True, repr=False)
class Rectangle(Shape, kind="rectangle"):
    """A rectangle, upright or turned, with square or round corners: 1 inside.

        mask.rectangle(0.8, 0.3, angle=0.2, corner=0.05)

    Gives one channel.
    """

    width: Annotated[Number, Range(0, 20), Doc("In canvas units.")] = 1.0
    height: Annotated[Number, Range(0, 20), Doc("In canvas units.")] = 1.0
    center: Center = (0.0, 0.0)
    angle: Angle = 0.0
    corner: Annotated[Number, Range(0, 10), Doc("Radius of its corners, in canvas units.")] = 0.0
    soft: Soft = 0.0

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        seen = grid.seen_from(at(self, "center", time))
        angle, half_sides = at(self, "angle", time), (at(self, "width", time) / 2, at(self, "height", time) / 2)
        corner = min(at(self, "corner", time), *half_sides)
        # The distance from a smaller rectangle, whose outline at `corner` has round corners.
        beyond = []
        for turn, half in zip((0, math.pi / 2), half_sides, strict=True):
            place = seen.along(angle + turn)
            np.abs(place, out=place)
            place -= half - corner
            beyond.append(place)
        within = np.minimum(np.maximum(*beyond), 0)
        distance, down = (np.square(np.maximum(place, 0, out=place), out=place) for place in beyond)
        distance += down
        np.sqrt(distance, out=distance)
        distance += within
        distance -= corner
        out[:, :, 0] = inside(distance, max(at(self, "soft", time), grid.pixel))


@dataclass(frozen=True, repr=False)
class Polygon(Mask, kind="polygon"):
    """The area within a closed line through points; where the line crosses itself, what is enclosed twice is outside.

        star = mask.polygon([(math.sin(2.4 * math.pi * k) / 2, -math.cos(2.4 * math.pi * k) / 2) for k in range(5)])

    Gives one channel.

    Raises:
        BadValue: fewer than three points.
    """

    points: Annotated[tuple[Point, ...], Doc("The corners, (x, y) in canvas units.")]

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.points) < 3:
            raise BadValue(f"a polygon has three points or more, not {len(self.points)}")

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        corners = np.array(at(self, "points", time), np.float64)
        corners = corners * min(size) + np.array(size) / 2
        for rows in _planes.blocks(size):
            out[rows, :, 0] = _cover(corners - (0, rows.start), (size[0], rows.stop - rows.start))


@dataclass(frozen=True, repr=False)
class Gradient(Shape, kind="gradient"):
    """From 0 to 1: along a line, or from a point outwards.

        sky = mask.gradient((0, 0.5), (0, -0.5))             # 0 at the lower border, 1 at the upper one
        vignette = ~mask.gradient((0, 0), (0, 0.7), shape="radial")

    Gives one channel.

    Raises:
        BadValue: start and end are the same point.
    """

    start: Annotated[Point, Doc("Where it is 0: a line through this point; of a radial one the centre.")] = (-0.5, 0.0)
    end: Annotated[Point, Doc("Where it is 1: a line through this point; of a radial one a circle.")] = (0.5, 0.0)
    shape: Annotated[Literal["linear", "radial"], Doc("Along the line, or outwards.")] = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start == self.end:
            raise BadValue(f"a gradient leads from one point to another; start and end are both {self.start}")

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        start, end = at(self, "start", time), at(self, "end", time)
        seen, length = grid.seen_from(start), math.dist(start, end)
        angle = math.atan2(start[1] - end[1], end[0] - start[0])
        place = seen.along(angle) if self.shape == "linear" else seen.distance()
        place /= max(length, grid.pixel)  # signals may bring the points together
        np.clip(place, 0, 1, out=out[:, :, 0])


@dataclass(frozen=True, repr=False)
class Checker(Shape, kind="checker"):
    """The squares of a chessboard, every other one 1.

        mask.checker(0.125)

    Gives one channel.
    """

    side: Annotated[Number, Range(0.001, 10), Doc("Of a square, in canvas units.")] = 0.125
    center: Annotated[Point, Doc("Where four squares meet, (x, y) in canvas units.")] = (0.0, 0.0)
    angle: Angle = 0.0

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        seen = grid.seen_from(at(self, "center", time))
        angle, side = at(self, "angle", time), at(self, "side", time)
        blend = min(1.0, grid.pixel / side)
        directions = (seen.along(angle + turn) / side for turn in (0, math.pi / 2))
        rows, columns = (next(_planes.turns(progress, 2, blend)) for progress in directions)
        either = rows + columns
        rows *= columns
        rows *= 2
        np.subtract(either, rows, out=out[:, :, 0])  # one or the other, not both


def _cover(corners: Array, size: tuple[int, int]) -> Array:
    """How much of each pixel a polygon covers: exact along x, on eight lines a pixel along y.

    Args:
        corners: K×2, in pixels from the upper left corner.
        size: (width, height).

    Returns:
        H×W float32.
    """
    width, height = size
    lines = (np.arange(height * _LINES) + 0.5) / _LINES
    (x1, y1), (x2, y2) = corners.T, np.roll(corners, -1, axis=0).T
    line, edge = _crossings(lines, np.minimum(y1, y2), np.maximum(y1, y2))
    x = x1[edge] + (x2 - x1)[edge] * (lines[line] - y1[edge]) / (y2 - y1)[edge]
    order = np.lexsort((x, line))
    line, x = line[order], x[order].clip(0, width)
    # Crossings come in pairs: between the first and the second of a line is inside.
    sign = np.where(np.arange(len(x)) % 2 == 0, 1.0, -1.0) / _LINES
    column = x.astype(np.int64)
    place = line // _LINES * (width + 2) + column
    share = sign * (column + 1 - x)
    steps = np.bincount(place, share, height * (width + 2)) + np.bincount(place + 1, sign - share, height * (width + 2))
    cover = np.cumsum(steps.reshape(height, width + 2), axis=1)[:, :width]
    return cover.clip(0, 1).astype(np.float32)


def _crossings(lines: Array, top: Array, bottom: Array) -> tuple[Array, Array]:
    """Which horizontal lines cross which edges, as pairs of indices."""
    first, last = np.searchsorted(lines, top), np.searchsorted(lines, bottom)
    counts = last - first
    edge = np.repeat(np.arange(len(top)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts) + within, edge
