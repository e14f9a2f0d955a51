"""Lines of any width to lines one pixel wide, and what belongs to that: which pixels are lines at all."""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_AROUND = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
"""(y, x) of a pixel's eight neighbours, clockwise from the one above."""


def thinned(ink: Array) -> Array:
    """The middle of every line and shape, one pixel wide; what is connected stays connected, and holes stay holes.

    Source: Guo & Hall, Parallel thinning with two-subiteration algorithms, CACM 1989, algorithm A1.

    Args:
        ink: H×W, bool.

    Returns:
        The same shape, bool: a subset of `ink`.
    """
    width = ink.shape[1] + 2
    padded = np.pad(ink, 1).astype(np.uint8)  # with a border of paper
    steps = [y * width + x for y, x in _AROUND]
    looked_at = np.flatnonzero(padded > cv2.erode(padded, np.ones((3, 3), np.uint8)))  # what is amid ink can wait
    flat = padded.ravel()
    while looked_at.size:
        changed = []
        for deletable in _DELETABLE:
            gone = looked_at[deletable[_code(looked_at, steps, flat)]]
            flat[gone] = 0
            beside = np.unique(np.concatenate([gone + step for step in steps]))
            changed.append(beside[flat[beside] > 0])
            looked_at = np.union1d(looked_at[flat[looked_at] > 0], changed[-1])
        # What has had the same neighbours in both halves stays for good.
        looked_at = np.union1d(*changed)
        looked_at = looked_at[flat[looked_at] > 0]
    return padded[1:-1, 1:-1].astype(bool)


def skeleton(crests: Array, *, low: float = 0.1, high: float = 0.4, gap: int = 2, spur: int = 4) -> Array:
    """The lines of a soft drawing, one pixel wide, from its crests.

    Crests are interrupted where lines meet; those gaps are closed, and neither twigs nor specks are left.

    Args:
        crests: H×W in [0, 1]: how dark the crest of each line is, 0 beside it (`ml4a.ops.edges.crests` finds them).
        low: The least that can belong to a line.
        high: What each line must reach somewhere.
        gap: The widest gap, in pixels, that is closed.
        spur: The longest twig, in pixels, that is taken off.

    Returns:
        H×W, bool.
    """
    ink = strong(crests, low, high)
    square = np.ones((gap + 1, gap + 1), np.uint8)
    ink = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_CLOSE, square).astype(bool)
    return without_specks(thinned(without_spurs(thinned(ink), spur)), 2 * spur)


def strong(soft: Array, low: float, high: float) -> Array:
    """Where `soft` is at least `low`, if it is connected there to where it is at least `high` (Canny's hysteresis).

    Args:
        soft: H×W.
        low: The least that can belong to a line.
        high: What each line must reach somewhere.

    Returns:
        H×W, bool.
    """
    count, labels = cv2.connectedComponents((soft >= low).astype(np.uint8), connectivity=8)
    part = np.asarray(labels, np.int32)
    kept = np.zeros(count, bool)
    kept[part[soft >= high]] = True
    kept[0] = False  # the paper
    return kept[part]


def without_spurs(thin: Array, length: int) -> Array:
    """Thinned lines without twigs of at most so many pixels; lines that end keep their ends. H×W, bool."""
    left = thin.astype(np.uint8)
    for _ in range(length):
        left &= ~_ends(left)
    left = thinned(left.astype(bool)).astype(np.uint8)  # the pixel by which a twig was fixed to its line goes, too
    for _ in range(length):  # what has an end still is no twig, and grows back along its own pixels
        left |= cv2.dilate(_ends(left), np.ones((3, 3), np.uint8)) & thin
    return left.astype(bool)


def _ends(thin: Array) -> Array:
    """The pixels with at most one neighbour: uint8, 0 or 1."""
    around = cv2.filter2D(thin, -1, np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT)
    return thin & (around <= 2)  # itself counts


def without_specks(ink: Array, pixels: int) -> Array:
    """`ink` without what is connected to fewer than so many pixels: H×W, bool."""
    if pixels <= 1:
        return ink
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    part = np.asarray(labels, np.int32)
    kept = statistics[:, cv2.CC_STAT_AREA] >= pixels
    kept[0] = False
    return kept[part]


def are_lines(ink: Array) -> bool:
    """Whether there is ink, and hardly any of it is wider than a pixel."""
    square = ink[1:, 1:] & ink[1:, :-1] & ink[:-1, 1:] & ink[:-1, :-1]
    return bool(ink.any()) and int(square.sum()) <= _SQUARES * int(ink.sum())


_SQUARES = 0.02
"""How many 2×2 squares of ink a drawing of thin lines may have, for each pixel of ink."""


def _code(places: Array, steps: list[int], flat: Array) -> Array:
    """For each place, the number whose bits are its neighbours."""
    code = np.zeros(len(places), np.uint8)
    for bit, step in enumerate(steps):
        code |= flat[places + step] << bit
    return code


def _deletable(half: int) -> Array:
    """Whether the middle pixel may go, by the number whose bits are its neighbours."""
    code = np.arange(256)
    p2, p3, p4, p5, p6, p7, p8, p9 = ((code >> bit & 1).astype(bool) for bit in range(8))  # as in the paper
    parts = sum(
        (~side & (corner | following)).astype(int)
        for side, corner, following in ((p2, p3, p4), (p4, p5, p6), (p6, p7, p8), (p8, p9, p2))
    )
    first = sum((a | b).astype(int) for a, b in ((p9, p2), (p3, p4), (p5, p6), (p7, p8)))
    second = sum((a | b).astype(int) for a, b in ((p2, p3), (p4, p5), (p6, p7), (p8, p9)))
    neighbours = np.minimum(first, second)
    kept = (p2 | p3 | ~p5) & p4 if half == 0 else (p6 | p7 | ~p9) & p8
    return (parts == 1) & (neighbours >= 2) & (neighbours <= 3) & ~kept


_DELETABLE = (_deletable(0), _deletable(1))
