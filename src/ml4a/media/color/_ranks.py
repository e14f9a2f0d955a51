"""Values dealt out by rank: the smallest of the due values to the darkest pixel, and so on, exactly."""

from __future__ import annotations

import numpy as np

from ._colors import Array
from ._histogram import count_levels

_BLOCK = 1 << 14
"""Pixels that are searched for one of them."""


def deal_levels(plane: Array, counts: Array) -> Array:
    """Give the first `counts[0]` pixels by rank the level 0, the next `counts[1]` the level 1 … Ties: in raster order.

    Nothing is sorted. The rank where one level ends and the next begins falls on a certain pixel of a certain value;
    between any two such pixels in raster order, what is dealt depends on the value alone: a look-up table.

    Args:
        plane: N uint8.
        counts: 256 whole numbers that sum to N.

    Returns:
        N uint8.
    """
    import cv2

    blocks = [plane[start : start + _BLOCK] for start in range(0, plane.size, _BLOCK)]
    seen = np.zeros((len(blocks) + 1, 256), np.int64)
    for number, block in enumerate(blocks, start=1):
        seen[number] = seen[number - 1] + count_levels(block)
    first = np.concatenate([[0], seen[-1].cumsum()])  # the rank of each value's first pixel
    ends = counts.cumsum()
    table = np.searchsorted(ends, first[:-1], side="right").clip(0, 255).astype(np.uint8)

    # A level that ends within the pixels of one value: at which of them?
    ends = ends[:-1][ends[:-1] < plane.size]
    value = np.searchsorted(first, ends, side="right") - 1
    which = ends - first[value]
    within = which > 0
    turns = []
    for v, k in zip(value[within].tolist(), which[within].tolist(), strict=True):
        number = int(np.searchsorted(seen[:, v], k, side="right")) - 1
        turns.append((number * _BLOCK + int(np.flatnonzero(blocks[number] == v)[k - seen[number, v]]), v))

    dealt = np.empty_like(plane)
    done = 0
    for position, v in [*sorted(turns), (plane.size, 0)]:
        if position > done:
            cv2.LUT(plane[None, done:position], table, dealt[None, done:position])
            done = position
        table[v] += position < plane.size
    return dealt


def deal_values(plane: Array, due: Array) -> Array:
    """Give the k-th smallest of `due` to the pixel of rank k. Ties: in raster order.

    Args:
        plane: N float32, none negative.
        due: N float32, ascending.

    Returns:
        N float32.
    """
    # The bits of positive floats are in the order of their values: one sort of whole numbers ranks pixels and ties.
    keys = np.empty((plane.size, 2), "<u4")
    keys[:, 0] = np.arange(plane.size, dtype=np.uint32)
    keys[:, 1] = (plane + np.float32(0)).view(np.uint32)  # -0.0 becomes 0.0
    pairs = keys.view("<u8")[:, 0]
    pairs.sort()
    dealt = np.empty_like(plane)
    dealt[keys[:, 0]] = due
    return dealt
