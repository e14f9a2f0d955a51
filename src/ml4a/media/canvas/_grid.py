"""A score compiled: nothing, a matrix, or the places at which each pixel looks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from ml4a._core.errors import BadValue

from ._points import Array, Points, Stage
from ._rows import Places, assembled
from ._sample import pixel_places
from ._warp import Warp

_KEPT_BYTES = 256 << 20
"""Of the places of scores that do not move: those of thirty at 720p, of three at 4K."""


def matrix_of(warp: Warp, stage: Stage) -> Array | None:
    """The matrix that a score comes to, 3×3 in canvas units; None if it needs a place for each pixel."""
    # A single row tells, and makes what all rows share before threads ask for it.
    points = _followed(warp, Points(stage, slice(0, 1)))
    return points.matrix


def places_of(warp: Warp, stage: Stage, source: tuple[int, int], keep: bool) -> Places:
    """Where the pixels of some rows of a stage look in a picture: its columns and rows.

    Args:
        warp: The score, its signals replaced by numbers.
        stage: What is to be made.
        source: (width, height) of the picture.
        keep: Whether they will be the same at any time, and are worth keeping.
    """

    def places(rows: slice) -> tuple[Array, Array]:
        return pixel_places(_followed(warp, Points(stage, rows)).arrays, source)

    if not keep:
        return places
    key = warp, stage.size, source
    x, y = _KEPT.get(key) or _KEPT.put(key, assembled(places, stage.size))
    return lambda rows: (x[rows], y[rows])


def canvas_places(warp: Warp, stage: Stage) -> tuple[Array, Array]:
    """Where the pixels of a stage look, in canvas units: x and y, H×W float32."""
    return assembled(lambda rows: _followed(warp, Points(stage, rows)).arrays, stage.size)


def at(warp: Warp, time: float) -> Warp:
    """The score at a time.

    Raises:
        BadValue: it is no score.
    """
    if not isinstance(warp, Warp):
        raise BadValue(f"a warp such as zoom(1.02) is needed, not {type(warp).__name__}")
    return warp.at(time)


def _followed(warp: Warp, points: Points) -> Points:
    return points if warp.idle else warp.follow(points)


class _Kept:
    """The arrays that were asked for last, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._arrays: OrderedDict[Hashable, tuple[Array, Array]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> tuple[Array, Array] | None:
        """What is kept under `key`."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def put(self, key: Hashable, arrays: tuple[Array, Array]) -> tuple[Array, Array]:
        """Keep arrays, and give them back; what was not asked for the longest makes room."""
        with self._lock:
            self._arrays[key] = arrays
            while len(self._arrays) > 1 and self._bytes > self._limit:
                self._arrays.popitem(last=False)
        return arrays

    @property
    def _bytes(self) -> int:
        return sum(x.nbytes + y.nbytes for x, y in self._arrays.values())


_KEPT = _Kept(_KEPT_BYTES)
