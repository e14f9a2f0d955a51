"""Places are worked out and looked up for some rows at a time, so that their arrays stay in the processor's caches.

The processor's cores share the blocks of rows. NumPy and OpenCV let go of Python's lock meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

import numpy as np

from ._points import Array

Places: TypeAlias = Callable[[slice], tuple[Array, Array]]
"""Some rows of a picture → the places, x and y, at which their pixels look: rows×W float32."""
T = TypeVar("T")

_PIXELS = 120_000
"""In a block of rows: floats of half a megabyte, small enough that memory is used again instead of being asked for
anew, and large enough that OpenCV's threads do not spend their time waiting for the next call."""
_HELPERS = min(os.cpu_count() or 1, 8) - 1
"""Threads beside the one that asks."""

_POOL = ThreadPoolExecutor(max(_HELPERS, 1), thread_name_prefix="ml4a-canvas")


def assembled(places: Places, size: tuple[int, int]) -> tuple[Array, Array]:
    """The places of all rows of a picture of (width, height): H×W float32."""
    width, height = size
    x, y = np.empty((height, width), np.float32), np.empty((height, width), np.float32)

    def assemble(rows: slice) -> None:
        x[rows], y[rows] = places(rows)

    in_blocks(assemble, size)
    return x, y


def in_blocks(work: Callable[[slice], None], size: tuple[int, int]) -> None:
    """Do some work on all rows of a picture of (width, height), some rows at a time.

    The blocks are the same however many threads there are, and so is what comes out.
    """
    width, height = size
    step = max(1, _PIXELS // width)
    shared(work, [slice(start, min(start + step, height)) for start in range(0, height, step)])


def shared(work: Callable[[T], None], pieces: Iterable[T]) -> None:
    """Do some work on all pieces; this thread and others take one after the other.

    This thread waits for none that has not begun, so work may itself be shared.
    """
    waiting = list(pieces)
    helpers = min(_HELPERS, len(waiting) - 1)
    left = iter(waiting)

    def take() -> None:
        for piece in left:
            work(piece)

    helping = [_POOL.submit(take) for _ in range(helpers)]
    try:
        take()
    finally:
        for helper in helping:
            if not helper.cancel():
                helper.result()
