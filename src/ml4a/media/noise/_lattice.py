"""The random gradients at the points of a lattice: a permutation hashes its coordinates into a table of gradients.

The tables are unrolled in advance, so that a component of a gradient is one look-up away in two dimensions, and one
more for each dimension beyond.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

PERIOD = 256
"""Gradients repeat after so many cells along each axis."""
_ROW = PERIOD + 1
"""A corner of a cell may lie one beyond it."""

_PERLIN = bytes.fromhex(
    "97a0895b5a0f830dc95f6035c2e907e18c24671e458e086325f0150a17be0694f778ea4b001ac53e5efcdbcb75230b20"
    "39b12158ed953857ae147d88aba844af4aa547868b301ba64d929ee7536fe57a3cd385e6dc695c29372ef528f4668f36"
    "41193fa101d85049d14c84bbd05912a9c8c4878274bc9f56a4646dc6adba034034d9e2fa7c7b05ca2693767eff5255d4"
    "cfce3be32f103a11b6bd1c2adfb7aad577f898022c9aa346dd99659ba72bac09811627fd13626c6e4f71e0e8b2b97068"
    "daf661e4fb22f2c1eed2900cbfb3a2f1513391ebf90eef6b31c0d61fb5c76a9db854ccb07379322d7f0496fe8aeccd5d"
    "de72431d1848f38d80c34e42d73d9cb4"
)
"""The permutation that Ken Perlin published (Improving Noise, SIGGRAPH 2002)."""


class Lattice:
    """Gradients at the whole-numbered points of a space of 2, 3 or 4 dimensions.

    Args:
        dimensions: Of the space.
        seed: Of the permutation; None for the published one.
    """

    def __init__(self, dimensions: int, seed: int | tuple[int, ...] | None) -> None:
        order = _permutation(seed)
        repeated = np.tile(order, 2)
        pairs = repeated[np.arange(_ROW)[:, None] + repeated[:_ROW]].ravel()
        self._repeated, self._pairs = repeated.astype(np.int32), pairs.astype(np.int32)
        directions = _directions(dimensions)
        last = pairs if dimensions == 2 else repeated
        self._components = [np.ascontiguousarray(component) for component in directions[last % len(directions)].T]

    def gradients(self, point: list[Array]) -> list[Array]:
        """The components of the gradients at `point`: int32 coordinates from 0 to `PERIOD`."""
        *outer, high, low = point
        index = high * np.int32(_ROW)
        index += low
        if outer:
            index = self._pairs.take(index, mode="clip")
            for axis in outer[:0:-1]:
                index += axis
                index = self._repeated.take(index, mode="clip")
            index += outer[0]
        return [component.take(index, mode="clip") for component in self._components]


@functools.lru_cache(maxsize=16)
def lattice(dimensions: int, seed: int | tuple[int, ...] | None) -> Lattice:
    """The one lattice of these dimensions and this seed."""
    return Lattice(dimensions, seed)


def total(arrays: list[Array]) -> Array:
    """The sum of some arrays, two or more."""
    first, second, *others = arrays
    result = first + second
    for array in others:
        result += array
    return result


def _permutation(seed: int | tuple[int, ...] | None) -> Array:
    if seed is None:
        return np.frombuffer(_PERLIN, np.uint8).astype(np.int64)
    return np.random.default_rng(seed).permutation(PERIOD)


def _directions(dimensions: int) -> Array:
    """K×D float32: the middles of a cube's 12 edges, in 2-D seen from above; in 4-D those of a tesseract's 32."""
    if dimensions == 4:
        signs = itertools.product((1, -1), repeat=4)
        rows = [[*row[:zero], 0, *row[zero + 1 :]] for row in signs for zero in range(4)]
        return np.unique(np.array(rows, np.float32), axis=0)
    planes = ((0, 1), (0, 2), (1, 2))
    rows = np.zeros((12, 3), np.float32)
    for place, (edge, (b, a)) in enumerate(itertools.product(planes, itertools.product((1, -1), repeat=2))):
        rows[place, list(edge)] = a, b
    return np.ascontiguousarray(rows[:, :dimensions])
