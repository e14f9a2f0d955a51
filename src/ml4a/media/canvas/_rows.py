"""Places are worked out for some rows at a time, so that their arrays stay in the processor's caches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ._points import Array

Places: TypeAlias = Callable[[slice], tuple[Array, Array]]
"""Some rows of a picture → the places, x and y, at which their pixels look: rows×W float32."""

_PIXELS = 30_000
"""In a block of rows: floats of 120 kB, small enough that memory is used again instead of being asked for anew."""


_LOCAL = threading.local()


def assembled(places: Places, size: tuple[int, int], passing: bool = False) -> tuple[Array, Array]:
    """The places of all rows of a picture of (width, height): H×W float32.

    Args:
        places: Gives them for some rows.
        size: Of the picture.
        passing: They are done with before the next are asked for, and may lie where the last lay: for a large picture
            fresh memory takes as long as what is written there.
    """
    width, height = size
    x, y = _reused((height, width)) if passing else _fresh((height, width))
    step = max(1, _PIXELS // width)
    for start in range(0, height, step):
        rows = slice(start, min(start + step, height))
        x[rows], y[rows] = places(rows)
    return x, y


def _fresh(shape: tuple[int, int]) -> tuple[Array, Array]:
    return np.empty(shape, np.float32), np.empty(shape, np.float32)


def _reused(shape: tuple[int, int]) -> tuple[Array, Array]:
    """This thread's, if they are of the right shape."""
    kept = getattr(_LOCAL, "arrays", None)
    if kept is None or kept[0].shape != shape:
        kept = _LOCAL.arrays = _fresh(shape)
    return kept
