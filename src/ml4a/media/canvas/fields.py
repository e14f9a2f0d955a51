"""Warps that move each place by what a field says: noise, currents, a picture, the motion of a film."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range
from ml4a.media import motion, noise

from ._points import AT_REST, Array, Held, Points, Stage
from ._rows import shared
from ._sample import below, to_pixels
from ._warp import Number, Warp, plain, scalar

Moves: TypeAlias = tuple[Array, Array]
"""How far to look along x and y: each H×W float32."""

_ERROR = 0.06
"""Pixels that a displacement may be off for being interpolated between nodes."""
_BETWEEN = 0.6
"""The share of this error that comes from interpolating; the rest is the nodes' own."""
_FINEST, _WORTH, _WIDEST = 0.5, 1.25, 16
"""Pixels between nodes: at least; those that make looking between them worth it; at most."""
_RIM = 2
"""Nodes beyond the extent on each side."""
_BEND, _CURL_BEND = 80.0, 600.0
"""The largest second derivatives of one octave of noise and of its currents, along x and y together."""
_CURL_SPEED = 1.7
"""Of one octave of currents, on average."""


class Field(Warp):
    """A warp that moves places by noise."""

    amount: Number
    scale: Number
    octaves: int
    seed: int | None
    speed: float
    period: float | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed is None:
            object.__setattr__(self, "seed", int(np.random.default_rng().integers(1 << 32)))

    @abstractmethod
    def over(self, size: tuple[int, int], **options: Any) -> Moves:
        """The field over a picture, as `noise.field` has it: x and y, at amount 1."""

    @abstractmethod
    def at_places(self, *coordinates: Any) -> Moves:
        """The field anywhere, as `noise.simplex` has it: x and y, at amount 1."""

    @property
    def moving(self) -> bool:
        """Whether it may change with time."""
        return self.speed != 0 or super().moving

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        if self.idle:
            return points
        x, y = points.arrays
        amount = scalar(self.amount)
        moves = self._moves(points)
        return points.moved_to(*(place + amount * move for place, move in zip((x, y), moves, strict=True)))

    @property
    @abstractmethod
    def bend(self) -> float:
        """The largest second derivative of the field, along x and y together, by coordinates as in `at_places`."""

    def _moves(self, points: Points) -> Moves:
        """At amount 1: exact, or interpolated where that is exact enough."""
        stage, matrix = points.stage, points.matrix
        if matrix is not None:
            seen = stage.once((self, matrix.tobytes()), lambda: self._seen_through(matrix, stage))
            if seen is not None:
                nodes, through = seen
                return _rows_of(nodes, through, points)
        x, y = points.arrays
        nodes, unit = self._nodes_around(stage, float(np.abs(x).max()), float(np.abs(y).max()))
        if nodes is not None:
            return _looked_up(nodes, x, y, unit, unit)
        return self.at_places(x / scalar(self.scale), y / scalar(self.scale), *self._further(stage.time))

    def _seen_through(self, matrix: Array, stage: Stage) -> tuple[Moves, Array | None] | None:
        """The moves at nodes, and which nodes the pixels of a stage see through a matrix: 2×3, None if each its own.

        Nothing if they look too far out.
        """
        if np.array_equal(matrix, AT_REST) and self._step(stage) < _WORTH:
            return self._moves_every(1, _ERROR / self._pixels(stage), stage, stage.size), None
        width, height = stage.extent
        corners = np.abs(matrix @ [[width, width, -width, -width], [height, -height, height, -height], [2] * 4]) / 2
        nodes, unit = self._nodes_around(stage, *corners.max(axis=1)[:2])
        if nodes is None:
            return None
        height, width = nodes[0].shape
        to_nodes = np.array([[unit, 0, width / 2 - 0.5], [0, unit, height / 2 - 0.5], [0, 0, 1]])
        return nodes, (to_nodes @ matrix @ np.linalg.inv(to_pixels(stage.size)))[:2]

    def _nodes_around(self, stage: Stage, x: float, y: float) -> tuple[Moves | None, float]:
        """The moves at nodes around the middle of the canvas, as far as x and y, and how many nodes make a unit."""
        step, around = self._step(stage), math.hypot(*stage.extent)
        # Over the canvas, over all that it may be turned to, or twice that.
        for extent in (stage.extent, (around, around), (2 * around, 2 * around)):
            if step > _FINEST and x <= extent[0] / 2 and y <= extent[1] / 2:
                width, height = (math.ceil(side * stage.unit / step) + 2 * _RIM for side in extent)
                error = (1 - _BETWEEN) * _ERROR / self._pixels(stage)
                make = functools.partial(self._moves_every, step, error, stage, (width, height))
                return stage.once((self, extent), make), stage.unit / step
        return None, 0.0

    def _moves_every(self, step: float, error: float, stage: Stage, size: tuple[int, int]) -> Moves:
        """The moves at (width, height) nodes that are `step` pixels apart, around the middle of the canvas."""
        scale = plain(self.scale) * stage.unit / step / min(size)
        if self.speed == 0:
            named: Any = self
            return _unmoving(replace(named, amount=1.0), size, scale, error, step != 1)
        period = None if self.period is None else self.period * abs(self.speed)
        moves = self.over(size, scale=scale, error=error, time=stage.time * self.speed, period=period)
        return moves if step == 1 else _balanced(moves)

    def _pixels(self, stage: Stage) -> float:
        """The amount in pixels: up to a power of two, so that nodes serve many amounts."""
        return 2.0 ** math.ceil(math.log2(abs(plain(self.amount)))) * stage.unit

    def _step(self, stage: Stage) -> float:
        """Pixels from node to node for which the error between them is small enough."""
        bend = self._pixels(stage) * self.bend / (plain(self.scale) * stage.unit) ** 2
        return min(_WIDEST, math.sqrt(_BETWEEN * _ERROR / bend * 16))

    def _further(self, time: float) -> list[float]:
        """The noise's coordinates beyond the plane."""
        if self.speed == 0:
            return []
        if self.period is None:
            return [time * self.speed]
        radius, angle = self.period * abs(self.speed) / math.tau, math.tau * time / self.period
        return [radius * math.cos(angle), math.copysign(radius, self.speed) * math.sin(angle)]


@dataclass(frozen=True, repr=False)
class Noise(Field, kind="noise"):
    """Moves places by smooth noise: the picture is seen as through uneven glass, or melts.

    noise(0.05, 0.3, octaves=3, speed=0.5, period=8)            # moves, and is the same again every eight seconds
    """

    amount: Annotated[Number, Range(-100, 100), Doc("How far at most, in canvas units.")]
    scale: Annotated[Number, Range(0.001, 1000), Doc("Width of a hill of the noise, in canvas units.")] = 0.5
    octaves: Annotated[int, Range(1, 16), Doc("Noises laid upon each other, each half as wide and strong.")] = 1
    seed: Annotated[int | None, Range(0), Doc("Which noise; None draws one.")] = 0
    speed: Annotated[float, Range(-1000, 1000), Doc("How often a second hills turn to hollows; 0 is still.")] = 0.0
    period: Annotated[float | None, Range(0.001, 1e6), Doc("Seconds after which it is the same again.")] = None

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    @property
    def bend(self) -> float:
        """The largest second derivative."""
        return _BEND * _rougher(4, self.octaves)

    def over(self, size: tuple[int, int], **options: Any) -> Moves:
        """The field over a picture."""
        found: dict[int, Array] = {}

        def make(axis: int) -> None:
            found[axis] = noise.field(size, octaves=self.octaves, seed=(self.seed or 0, axis), **options)

        shared(make, range(2))
        return found[0], found[1]

    def at_places(self, *coordinates: Any) -> Moves:
        """The field anywhere."""
        x, y = (noise.simplex(*coordinates, octaves=self.octaves, seed=(self.seed or 0, axis)) for axis in range(2))
        return x, y


@dataclass(frozen=True, repr=False)
class Curl(Field, kind="curl"):
    """Moves places along the currents of noise, which stir and never gather: like ink in water, frame after frame."""

    amount: Annotated[Number, Range(-100, 100), Doc("How far on average, in canvas units.")]
    scale: Annotated[Number, Range(0.001, 1000), Doc("Width of an eddy, in canvas units.")] = 0.5
    octaves: Annotated[int, Range(1, 16), Doc("Currents laid upon each other, each with eddies half as wide.")] = 1
    seed: Annotated[int | None, Range(0), Doc("Which noise; None draws one.")] = 0
    speed: Annotated[float, Range(-1000, 1000), Doc("How often a second eddies turn round; 0 is still.")] = 0.0
    period: Annotated[float | None, Range(0.001, 1e6), Doc("Seconds after which it is the same again.")] = None

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    @property
    def bend(self) -> float:
        """The largest second derivative."""
        return _CURL_BEND / _CURL_SPEED * _rougher(8, self.octaves)

    def over(self, size: tuple[int, int], **options: Any) -> Moves:
        """The field over a picture."""
        return _slowed(noise.curl_field(size, octaves=self.octaves, seed=self.seed, **options))

    def at_places(self, *coordinates: Any) -> Moves:
        """The field anywhere."""
        return _slowed(noise.curl(*coordinates, octaves=self.octaves, seed=self.seed))


@dataclass(frozen=True, repr=False)
class Displace(Warp, kind="displace"):
    """Moves places by the colours of a picture: where it is red to the right, where green down; mid-grey stays.

    The picture is stretched over the canvas. A grey one moves places along the diagonal.
    """

    picture: Any
    amount: Annotated[Number, Range(-100, 100), Doc("How far full colour moves, in canvas units.")] = 0.1

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.picture, Held):
            object.__setattr__(self, "picture", Held(_moves_of(self.picture)))

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        if self.idle:
            return points
        x, y = points.arrays
        across, down = _stretched(self.picture.array, points)
        return points.moved_to(x - scalar(self.amount) * across, y - scalar(self.amount) * down)


@dataclass(frozen=True, repr=False)
class Flow(Warp, kind="flow"):
    """Follows the motion between two pictures, such as `motion.dis` finds: looks where each pixel was in the second."""

    motion: Any
    amount: Annotated[Number, Range(-100, 100), Doc("How much of the way; below 0 the other way.")] = 1.0

    neutral: ClassVar[dict[str, float]] = {"amount": 0}

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.motion, Held):
            return
        if not isinstance(self.motion, motion.Flow):
            raise BadValue(f"flow: motion must be a motion.Flow, not {type(self.motion).__name__}")
        vectors = np.asarray(self.motion.vectors, np.float32)
        if vectors.ndim != 3 or vectors.shape[2] != 2 or vectors.size == 0 or not np.isfinite(vectors).all():
            raise BadValue("flow: the vectors of the motion must be H×W×2 finite numbers")
        object.__setattr__(self, "motion", Held(vectors / np.float32(min(vectors.shape[:2]))))

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        if self.idle:
            return points
        x, y = points.arrays
        across, down = _stretched(self.motion.array, points)
        return points.moved_to(x + scalar(self.amount) * across, y + scalar(self.amount) * down)


def _moves_of(picture: Picture) -> Array:
    """H×W×2 in [-1, 1]: red and green, from mid-grey."""
    from .apply import loaded

    array = loaded(picture)[1]
    planes = array[:, :, None] if array.ndim == 2 else array
    return planes[:, :, [0, 0] if planes.shape[2] < 3 else [0, 1]] * 2 - 1


def _stretched(field: Array, points: Points) -> Moves:
    """A field that covers the canvas, H×W×2, at the points; beyond the border it is as at the border."""
    height, width = field.shape[:2]
    across, down = points.stage.extent
    planes = points.stage.once(id(field), lambda: tuple(np.ascontiguousarray(field[:, :, axis]) for axis in range(2)))
    return _looked_up(planes, *points.arrays, width / across, height / down)


@functools.lru_cache(maxsize=8)
def _unmoving(field: Field, size: tuple[int, int], scale: float, error: float, between: bool) -> Moves:
    moves = field.over(size, scale=scale, error=error)
    return _balanced(moves) if between else moves


def _balanced(nodes: Moves) -> Moves:
    """Nodes that are off by as much as what lies between them will be, the other way: that halves the error."""
    import cv2

    x, y = (plane - cv2.Laplacian(plane, cv2.CV_32F, scale=1 / 16) for plane in nodes)
    return x, y


def _looked_up(nodes: Moves, x: Array, y: Array, across: float, down: float) -> Moves:
    """What lies around the middle of the canvas, with so many nodes to a canvas unit, at x and y."""
    import cv2

    height, width = nodes[0].shape
    columns = x * np.float32(across) + np.float32(width / 2 - 0.5)
    rows = y * np.float32(down) + np.float32(height / 2 - 0.5)
    # Plane by plane: OpenCV is twice as fast with one channel each time as with two at once.
    found = [cv2.remap(plane, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in nodes]
    return found[0], found[1]


def _rows_of(nodes: Moves, through: Array | None, points: Points) -> Moves:
    """The moves of some rows of a stage that see the nodes through a matrix 2×3; None: each pixel its own node."""
    import cv2

    rows = points.rows
    if through is None:
        return nodes[0][rows], nodes[1][rows]
    size, flags = (points.stage.width, rows.stop - rows.start), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    x, y = (cv2.warpAffine(plane, below(through, rows.start), size, flags=flags) for plane in nodes)
    return x, y


def _rougher(growth: float, octaves: int) -> float:
    """How many times as large a derivative is with so many octaves, if it grows so much from one to the next."""
    weights = [0.5**octave for octave in range(octaves)]
    return sum(weight * growth**octave for octave, weight in enumerate(weights)) / sum(weights)


def _slowed(current: Moves) -> Moves:
    return current[0] / np.float32(_CURL_SPEED), current[1] / np.float32(_CURL_SPEED)
