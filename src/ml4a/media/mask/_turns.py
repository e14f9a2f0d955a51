"""Masks whose channels take turns, in space and time: rings, bands, stripes, rays, and the whole picture at once.

Everywhere the channels follow each other 0, 1, 2 … as time passes, and at every place and time they sum to one (in
`rects`, within the strip). Without a period they stand still.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.params import Doc, Range
from ml4a.media._value import Number, Point, at

from . import _planes
from ._planes import Array, Grid, inside
from ._shapes import Angle, Center, Shape

Count = Annotated[int, Range(1, 64), Doc("How many channels take turns.")]
Period = Annotated[float | None, Range(0.001), Doc("Seconds from one channel's turn to the next; None stands still.")]
Blend = Annotated[Number, Range(0, 1), Doc("How much of a turn one channel takes to fade into the next.")]
Phase = Annotated[Number, Doc("How many turns ahead of time it is.")]
Reverse = Annotated[bool, Doc("Whether the channels follow each other the other way round.")]


class _Turns(Shape):
    """What all of them share."""

    n: int
    period: float | None
    blend: Number
    phase: Number
    reverse: bool

    @property
    def channels(self) -> int:
        return self.n

    @property
    def moving(self) -> bool:
        return self.period is not None or super().moving

    def _take_turns(self, progress: Array, time: float, pixel: float | Array, out: Array) -> None:
        """From each pixel's progress at time 0; the least blend is the progress from one pixel to the next."""
        passed = at(self, "phase", time) + (0 if self.period is None else time / self.period)
        progress += passed % self.n
        blend = np.clip(np.asarray(pixel, np.float32), at(self, "blend", time), 1)
        for number, share in enumerate(_planes.turns(progress, self.n, blend)):
            out[:, :, self.n - 1 - number if self.reverse else number] = share


@dataclass(frozen=True, repr=False)
class Interpolation(_Turns, kind="interpolation"):
    """The whole picture fades from channel to channel.

        mask.interpolation(3, period=4, blend=0.5)((2, 2), time=3)[0, 0]      # half channel 0, half channel 1

    Gives `n` channels.
    """

    n: Count = 2
    period: Period = 1.0
    blend: Annotated[Number, Range(0, 1), Doc("The last part of each turn, in which it fades into the next.")] = 1.0
    phase: Phase = 0.0
    reverse: Reverse = False

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        jump = 1e-6
        half = max(at(self, "blend", time), jump) / 2
        shares = np.empty((1, 1, self.n), np.float32)
        self._take_turns(np.full((1, 1), half, np.float32), time, jump, shares)
        for number in range(self.n):
            out[:, :, number] = shares[0, 0, number]


@dataclass(frozen=True, repr=False)
class Arcs(_Turns, kind="arcs"):
    """Rings that run outwards, or inwards: by one ring in a period.

        mask.arcs(3, radius=0.2, period=2, blend=0.25)

    Gives `n` channels.
    """

    n: Count = 3
    radius: Annotated[Number, Range(0.001, 10), Doc("Width of a ring, in canvas units.")] = 0.2
    period: Period = None
    blend: Blend = 0.0
    center: Center = (0.0, 0.0)
    inwards: Annotated[bool, Doc("Whether they run inwards.")] = False
    phase: Phase = 0.0
    reverse: Reverse = False

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        radius = at(self, "radius", time)
        progress = grid.seen_from(at(self, "center", time)).distance()
        progress *= (1 if self.inwards else -1) / radius
        if not self.inwards:
            progress += 1  # so that the innermost ring begins with channel 0 as well
        self._take_turns(progress, time, grid.pixel / radius, out)


@dataclass(frozen=True, repr=False)
class Rects(_Turns, kind="rects"):
    """Bands that run along a line, one for each channel, in a strip around it; outside the strip all channels are 0.

        mask.rects(3, start=(-0.4, 0.3), end=(0.4, -0.3), width=0.5, period=2)

    Gives `n` channels.

    Raises:
        BadValue: start and end are the same point.
    """

    n: Count = 3
    start: Annotated[Point, Doc("Where the bands come from, (x, y) in canvas units.")] = (-0.5, 0.0)
    end: Annotated[Point, Doc("Where they go to, (x, y) in canvas units.")] = (0.5, 0.0)
    width: Annotated[Number, Range(0, 20), Doc("Of the strip, in canvas units.")] = 1.0
    period: Period = None
    blend: Blend = 0.0
    phase: Phase = 0.0
    reverse: Reverse = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start == self.end:
            raise BadValue(f"bands run from one point to another; start and end are both {self.start}")

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        start, end = at(self, "start", time), at(self, "end", time)
        seen = grid.seen_from(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        length = max(math.dist(start, end), grid.pixel)  # signals may bring the points together
        angle = math.atan2(start[1] - end[1], end[0] - start[0])
        along = seen.along(angle)
        within = inside(np.abs(along) - length / 2, grid.pixel)
        within *= inside(np.abs(seen.along(angle + math.pi / 2)) - at(self, "width", time) / 2, grid.pixel)
        along *= -self.n / length
        along -= self.n / 2  # from the start, not from the middle
        self._take_turns(along, time, grid.pixel * self.n / length, out)
        for number in range(self.n):
            out[:, :, number] *= within


@dataclass(frozen=True, repr=False)
class Stripes(_Turns, kind="stripes"):
    """Stripes all over the picture, moving in the direction of `angle`.

        mask.stripes(2, width=0.1, angle=math.pi / 4, period=0.5)

    Gives `n` channels.
    """

    n: Count = 2
    width: Annotated[Number, Range(0.001, 10), Doc("Of a stripe, in canvas units.")] = 0.1
    angle: Angle = 0.0
    period: Period = None
    blend: Blend = 0.0
    center: Center = (0.0, 0.0)
    phase: Phase = 0.0
    reverse: Reverse = False

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        width = at(self, "width", time)
        progress = grid.seen_from(at(self, "center", time)).along(at(self, "angle", time))
        progress *= -1 / width
        self._take_turns(progress, time, grid.pixel / width, out)


@dataclass(frozen=True, repr=False)
class Rays(_Turns, kind="rays"):
    """Sectors around a point, which turn counter-clockwise by one sector in a period.

        mask.rays(2, count=6, period=1)

    Gives `n` channels.
    """

    n: Count = 2
    count: Annotated[int, Range(1, 1000), Doc("How many sectors each channel has.")] = 6
    period: Period = None
    blend: Blend = 0.0
    center: Center = (0.0, 0.0)
    phase: Phase = 0.0
    reverse: Reverse = False

    def shade(self, grid: Grid, time: float, out: Array) -> None:
        import cv2

        seen = grid.seen_from(at(self, "center", time))
        sectors_per_radian = self.count * self.n / (2 * math.pi)
        # y is down, so that this is clockwise. It is exact to 0.0002, a tenth of a pixel at the border of 720p.
        x, y = (np.broadcast_to(side, out.shape[:2]).copy() for side in (seen.x, seen.y))
        progress = cv2.phase(x, y).reshape(out.shape[:2])
        progress *= sectors_per_radian
        pixel = seen.distance()
        np.maximum(pixel, grid.pixel / 2, out=pixel)
        np.divide(sectors_per_radian * grid.pixel, pixel, out=pixel)
        self._take_turns(progress, time, pixel, out)
