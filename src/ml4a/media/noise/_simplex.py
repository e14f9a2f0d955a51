"""Simplex noise in 2, 3 and 4 dimensions: K. Perlin, Noise Hardware (2001); S. Gustavson, Simplex Noise Demystified.

Space is cut into simplices – triangles, tetrahedra – by a lattice that is a skewed cubic one. Each corner of the
simplex around a point adds its gradient's slope, under a bell that has died away where the corner's simplices end.

In more than two dimensions the lattice is turned against the axes. Otherwise a plane would pass all of its corners at
the same few distances, and noise in a plane over time would pulse: strong near corners, weak between them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from ._lattice import PERIOD, Array, Lattice, total

_REACH = np.float32(0.5)
"""Radius of a corner's bell, squared: the distance to the far side of its simplices, so that there is no step."""
_GAIN = {2: 70.0, 3: 76.5, 4: 62.0}
"""By dimensions: what lets the sum of the corners reach from almost -1 to almost 1."""


def add(values: Array, slopes: Sequence[Array], point: Sequence[Array], lattice: Lattice, weight: float) -> None:
    """Add `weight` times noise to `values`, and its derivatives along the first axes to `slopes`.

    All are flat float32 arrays of one length; `slopes` may be empty.
    """
    dimensions = len(point)
    if dimensions > 2:
        turn = turned(dimensions)
        parts = [np.zeros_like(values) for _ in range(dimensions if slopes else 0)]
        _add(values, parts, [_product(row, point) for row in turn], lattice, weight)
        for axis, out in enumerate(slopes):
            out += _product(turn[:, axis], parts)
    else:
        _add(values, slopes, point, lattice, weight)


@functools.cache
def turned(dimensions: int) -> Array:
    """The lattice's axes, D×D float32: turned in the planes of all pairs, by angles that have nothing in common."""
    axes = np.eye(dimensions)
    for number, (a, b) in enumerate(itertools.combinations(range(dimensions), 2), start=1):
        plane = np.eye(dimensions)
        cosine, sine = math.cos(number**0.5), math.sin(number**0.5)
        plane[[a, a, b, b], [a, b, a, b]] = cosine, -sine, sine, cosine
        axes = axes @ plane
    return axes.astype(np.float32)


def _product(weights: Array, arrays: Sequence[Array]) -> Array:
    return total([weight * array for weight, array in zip(weights, arrays, strict=True)])


def _add(values: Array, slopes: Sequence[Array], point: Sequence[Array], lattice: Lattice, weight: float) -> None:
    """The same in the lattice's own axes."""
    dimensions = len(point)
    gain = np.float32(_GAIN[dimensions] * weight)
    cell, within = _cell(point)
    order = _order(within)
    for number in range(dimensions + 1):
        steps = _steps(order, number)
        back = number * _unskew(dimensions)
        offsets = [_offset(way, step, back) for way, step in zip(within, steps, strict=True)]
        gradient = lattice.gradients([base + step for base, step in zip(cell, steps, strict=True)])
        bell = _bell(offsets)
        slope = total([along * offset for along, offset in zip(gradient, offsets, strict=True)])
        slope *= gain
        power = np.square(bell)
        if slopes:
            bell *= power
            bell *= slope
            bell *= np.float32(-8)
        np.square(power, out=power)
        slope *= power
        values += slope
        for out, along, offset in zip(slopes, gradient, offsets, strict=False):
            offset *= bell
            out += offset
            out += along * (power * gain)


def _cell(point: Sequence[Array]) -> tuple[list[Array], list[Array]]:
    """The lowest corner of each point's skewed cell, modulo the lattice's period, and the way from there."""
    skew = total([*point])
    skew *= np.float32(((len(point) + 1) ** 0.5 - 1) / len(point))
    floors = [place + skew for place in point]
    for floor in floors:
        np.floor(floor, out=floor)
    cell = [floor.astype(np.int32) for floor in floors]
    for corner in cell:
        corner &= PERIOD - 1
    back = total([*floors])
    back *= np.float32(_unskew(len(point)))
    for place, floor in zip(point, floors, strict=True):
        floor -= back
        np.subtract(place, floor, out=floor)
    return cell, floors


def _order(within: list[Array]) -> list[Array]:
    """Of each way, how many others are longer."""
    places = [np.zeros(way.shape, np.int8) for way in within]
    for b in range(len(within)):
        for a in range(b):
            longer = within[a] > within[b]
            places[b] += longer
            places[a] += ~longer
    return places


def _steps(order: list[Array], number: int) -> list[Array] | list[np.int8]:
    """How far each axis has been gone to a cell's corner: from its lowest to its highest, the longest way first."""
    if number in (0, len(order)):
        return [np.int8(number > 0)] * len(order)
    return [(place < number).view(np.int8) for place in order]


def _offset(way: Array, step: Array | np.int8, back: float) -> Array:
    if step.ndim == 0:
        return way + np.float32(back - int(step))
    offset = way - step.astype(np.float32)
    offset += np.float32(back)
    return offset


def _bell(offsets: list[Array]) -> Array:
    import cv2

    bell = total([np.square(offset) for offset in offsets])
    np.subtract(_REACH, bell, out=bell)
    cv2.threshold(bell, 0, 0, cv2.THRESH_TOZERO, bell)  # three times as fast as NumPy's maximum
    return bell


def _unskew(dimensions: int) -> float:
    return (1 - (dimensions + 1) ** -0.5) / dimensions
