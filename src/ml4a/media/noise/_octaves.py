"""Octaves: noise upon noise, each finer and weaker than the one before. At any points, or on the pixels of a grid."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

from ._lattice import Array, Lattice, lattice

Seed: TypeAlias = "int | tuple[int, ...] | None"

_BLOCK = 1 << 13
"""Points that are worked on together: what a processor's own caches hold."""
_MOST = 16
"""Octaves."""
_FARTHEST = 2**23
"""Cells from the origin beyond which float32 knows no place within a cell."""
_NODES = 6
"""Evaluated points that a pixel between them is interpolated from, along each axis."""
_NOISE_ERROR, _SLOPE_ERROR = 48.0, 95.0
"""Of interpolating between points that are one cell apart. It falls with the fourth power of the distance, since fourth
derivatives have steps, and for slopes with the third."""


class Kernel(Protocol):
    """Adds one octave of a noise, and of its derivatives, at flat arrays of points."""

    def __call__(
        self, values: Array, slopes: Sequence[Array], point: Sequence[Array], lattice: Lattice, weight: float, /
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Octaves:
    """How many octaves of a noise there are and how they go together.

    Raises:
        BadValue: a number is out of bounds.
    """

    count: int
    persistence: float
    lacunarity: float
    seed: Seed

    def __post_init__(self) -> None:
        if isinstance(self.count, bool) or not isinstance(self.count, int) or not 1 <= self.count <= _MOST:
            raise BadValue(f"octaves must be a whole number between 1 and {_MOST}, not {self.count!r}")
        for name, value, low, high in (("persistence", self.persistence, 0, 1), ("lacunarity", self.lacunarity, 1, 8)):
            if not (isinstance(value, int | float) and low <= value <= high):  # also false for NaN
                raise BadValue(f"{name} must be between {low} and {high}, not {value!r}")
        seeds = self.seed if isinstance(self.seed, tuple) else (self.seed,)
        if self.seed is not None and not all(isinstance(seed, int | np.integer) and seed >= 0 for seed in seeds):
            raise BadValue(f"a seed is a whole number from 0 up, or a tuple of such, not {self.seed!r}")

    @property
    def layers(self) -> list[tuple[float, float]]:
        """Frequency and weight of each octave that has a weight; these add up to 1."""
        weights = [self.persistence**number for number in range(self.count)]
        return [(self.lacunarity**number, weight / sum(weights)) for number, weight in enumerate(weights) if weight]

    def check(self, farthest: float) -> None:
        """Refuse coordinates where the finest octave would be no noise any more, and NaN.

        Raises:
            BadValue: `farthest` is too large, or no number.
        """
        limit = _FARTHEST / self.layers[-1][0]
        if not farthest <= limit:
            raise BadValue(f"coordinates of noise must be numbers between -{limit:g} and {limit:g}, not {farthest:g}")


def at_points(kernel: Kernel, point: Sequence[Any], octaves: Octaves, slopes: int = 0) -> list[Array]:
    """The noise at coordinates that broadcast with each other, and its derivatives along the first `slopes` axes.

    Raises:
        BadValue: coordinates that are no numbers, too far out, or of shapes that do not go together.
    """
    places = [np.asarray(place) for place in point]
    if any(place.dtype.kind not in "fiu" for place in places):
        raise BadValue(f"coordinates of noise are numbers, not {', '.join(str(place.dtype) for place in places)}")
    octaves.check(max(float(np.abs(place).max(initial=0)) for place in places))
    try:
        shape = np.broadcast_shapes(*(place.shape for place in places))
    except ValueError:
        shapes = ", ".join(str(place.shape) for place in places)
        raise BadValue(f"coordinates of noise are numbers or arrays of one shape, not of {shapes}") from None
    flat = [np.broadcast_to(place.astype(np.float32), shape).reshape(-1) for place in places]
    results = [np.zeros(flat[0].size, np.float32) for _ in range(1 + slopes)]
    for frequency, weight in octaves.layers:
        _add(kernel, results, flat, lattice(len(flat), octaves.seed), frequency, weight)
    return [result.reshape(shape) for result in results]


def on_grid(
    kernel: Kernel, x: Array, y: Array, rest: Sequence[float], octaves: Octaves, error: float, slopes: int = 0
) -> list[Array]:
    """The noise on the pixels of a grid, or its derivatives along x and y, if `slopes` is 2: H×W each.

    Noise is smooth, so where pixels lie close together for an octave, only some are evaluated, and those between them
    interpolated, by polynomials of the fifth degree.

    Args:
        kernel: The noise.
        x: W numbers at even distances: one for each column.
        y: H numbers at even distances: one for each row.
        rest: The grid's further coordinates.
        octaves: Of the noise.
        error: How far noise, which is between -1 and 1, or each derivative may be off for that. 0: not at all.
        slopes: How many derivatives.

    Raises:
        BadValue: coordinates that are no numbers, or too far out.
    """
    octaves.check(max(float(np.abs(place).max()) for place in (x, y, np.array([0.0, *rest]))))
    results = [np.zeros((len(y), len(x)), np.float32) for _ in range(slopes or 1)]
    distances = _distances(octaves.layers, error, min(_spacing(x), _spacing(y)), slopes > 0)
    for (frequency, weight), distance in zip(octaves.layers, distances, strict=True):
        (columns, step_x), (rows, step_y) = (_nodes(axis, distance) for axis in (x, y))
        places = np.broadcast_arrays(columns[None, :], rows[:, None], *map(np.float64, rest))
        flat = [place.astype(np.float32).reshape(-1) for place in places]
        known = [np.zeros(flat[0].size, np.float32) for _ in range(1 + slopes)]
        _add(kernel, known, flat, lattice(len(flat), octaves.seed), frequency, weight)
        for result, values in zip(results, known[1:] or known, strict=True):
            values = values.reshape(len(rows), len(columns))
            result += _refined(_refined(values.T, step_x, len(x)).T, step_y, len(y))
    return results


def _distances(layers: list[tuple[float, float]], error: float, spacing: float, slopes: bool) -> list[float]:
    """How far apart the points to evaluate may be for each octave; 0 where they would not be two pixels apart.

    The error is shared by those that are interpolated, such that the fewest points have to be evaluated; an octave has
    them by its frequency squared.
    """
    distances = [0.0] * len(layers)
    between = list(range(len(layers)))
    while between:
        costs = {number: layers[number][0] ** (4 / 3) * layers[number][1] ** (1 / 3) for number in between}
        for number, cost in costs.items():
            frequency, weight = layers[number]
            share = error * cost / sum(costs.values()) / weight
            if slopes:
                distances[number] = (share / frequency / _SLOPE_ERROR) ** (1 / 3) / frequency
            else:
                distances[number] = (share / _NOISE_ERROR) ** (1 / 4) / frequency
        finest = min(between, key=distances.__getitem__)
        if distances[finest] >= 2 * spacing:
            break
        distances[finest] = 0.0
        between.remove(finest)
    return distances


def _add(
    kernel: Kernel, results: list[Array], point: list[Array], grid: Lattice, frequency: float, weight: float
) -> None:
    """Add one octave to the noise and its derivatives, block by block."""
    for start in range(0, results[0].size, _BLOCK):
        values, *slopes = (result[start : start + _BLOCK] for result in results)
        scaled = [place[start : start + _BLOCK] * np.float32(frequency) for place in point]
        parts = [np.zeros_like(slope) for slope in slopes]
        kernel(values, parts, scaled, grid, weight)
        for slope, part in zip(slopes, parts, strict=True):
            part *= np.float32(frequency)
            slope += part


def _nodes(axis: Array, distance: float) -> tuple[Array, int]:
    """The places to evaluate so that they are not more than `distance` apart, and how many pixels that is."""
    step = min(math.floor(distance / _spacing(axis)), len(axis))
    if step < 2:
        return axis, 1
    count = -(-len(axis) // step) + _NODES - 1
    return axis[0] + (axis[-1] - axis[0]) / (len(axis) - 1) * step * (np.arange(count) - (_NODES // 2 - 1)), step


def _spacing(axis: Array) -> float:
    return max(abs(float(axis[-1] - axis[0])) / max(1, len(axis) - 1), 1e-12)


def _refined(values: Array, step: int, count: int) -> Array:
    """Rows `step` apart → the first `count` of all rows."""
    if step == 1:
        return values
    values = np.ascontiguousarray(values)
    windows = np.lib.stride_tricks.sliding_window_view(values, _NODES, axis=0).swapaxes(1, 2)
    return (_between(step) @ windows).reshape(-1, values.shape[1])[:count]


@functools.lru_cache(maxsize=64)
def _between(step: int) -> Array:
    """step×6 weights of the nodes -2 … 3 for the pixels from node 0 on (Lagrange)."""
    nodes = np.arange(_NODES) - (_NODES // 2 - 1)
    places = np.arange(step)[:, None] / step
    weights = np.ones((step, _NODES))
    for column, node in enumerate(nodes):
        for other in nodes[nodes != node]:
            weights[:, column, None] *= (places - other) / (node - other)
    return weights.astype(np.float32)
