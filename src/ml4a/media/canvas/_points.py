"""Where the pixels of a picture look: the state that warps move."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Place: TypeAlias = tuple[float, float]

AT_REST = np.eye(3)
"""The matrix that moves nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The picture to be made: its size in pixels and its time in seconds."""

    width: int
    height: int
    time: float = 0.0
    _made: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def unit(self) -> int:
        """Pixels in a canvas unit: the shorter side."""
        return min(self.width, self.height)

    @property
    def extent(self) -> tuple[float, float]:
        """(width, height) in canvas units."""
        return self.width / self.unit, self.height / self.unit

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What all rows need, such as a mask, made when the first asks for it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


class Points:
    """The places, in canvas units, at which the pixels of some rows of a stage look.

    As long as only affine warps have moved them, they are a matrix and no arrays. Never written to.

    Args:
        stage: What the pixels are those of.
        rows: Which of its rows.
        matrix: 3×3, from a pixel's own place to where it looks; None if only arrays can say.
        arrays: x and y, rows×W float32, where there is no matrix.
    """

    def __init__(
        self, stage: Stage, rows: slice, matrix: Array | None = None, arrays: tuple[Array, Array] | None = None
    ) -> None:
        self.stage = stage
        self.rows = rows
        self.matrix = AT_REST if matrix is None and arrays is None else matrix
        self._arrays = arrays

    @property
    def at_rest(self) -> bool:
        """Whether each pixel looks at its own place."""
        return self.matrix is not None and np.array_equal(self.matrix, AT_REST)

    @property
    def arrays(self) -> tuple[Array, Array]:
        """The x and y of the places: rows×W float32."""
        if self._arrays is None:
            if self.at_rest:
                x, y = own_places(*self.stage.size)
                self._arrays = x[self.rows], y[self.rows]
            else:
                x, y = columns_and_rows(*self.stage.size)
                self._arrays = transformed(self.matrix, x, y[self.rows])
        return self._arrays

    def through(self, matrix: Array) -> Points:
        """Moved by an affine map: 3×3."""
        if self.matrix is not None:
            return Points(self.stage, self.rows, matrix @ self.matrix)
        return Points(self.stage, self.rows, arrays=transformed(matrix, *self.arrays))

    def moved_to(self, x: Array, y: Array) -> Points:
        """At other places."""
        return Points(self.stage, self.rows, arrays=(x, y))


class Held:
    """An array as part of a warp: never written to, compared by its contents, kept out of text."""

    def __init__(self, array: Array) -> None:
        self.array = array.copy()
        self.array.flags.writeable = False
        self._hash = hash((self.array.shape, self.array.tobytes()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and self._hash == other._hash and np.array_equal(self.array, other.array)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<array {'x'.join(map(str, self.array.shape))}>"


@functools.lru_cache(maxsize=16)
def columns_and_rows(width: int, height: int) -> tuple[Array, Array]:
    """The x of columns (1×W) and the y of rows (H×1) in canvas units, float32. Shared: not to be written to."""
    unit = min(width, height)
    columns = (np.arange(width) + 0.5 - width / 2) / unit
    rows = (np.arange(height) + 0.5 - height / 2) / unit
    return columns.astype(np.float32)[None, :], rows.astype(np.float32)[:, None]


@functools.lru_cache(maxsize=4)
def own_places(width: int, height: int) -> tuple[Array, Array]:
    """The x and y of pixels in canvas units, H×W float32. Shared: not to be written to."""
    x, y = (np.ascontiguousarray(each) for each in np.broadcast_arrays(*columns_and_rows(width, height)))
    return x, y


def transformed(matrix: Any, x: Array, y: Array) -> tuple[Array, Array]:
    """Places through the affine map 3×3: two new arrays of the shape to which x and y broadcast."""
    return _row(matrix[0], x, y), _row(matrix[1], x, y)


def _row(weights: Array, x: Array, y: Array) -> Array:
    by_x, by_y, offset = (np.float32(weight) for weight in weights)
    result = np.empty(np.broadcast_shapes(x.shape, y.shape), np.float32)
    # What has one column or row is scaled before it is spread.
    if x.size <= y.size:
        np.add(x * by_x + offset, y * by_y, out=result)
    else:
        np.add(x * by_x, y * by_y + offset, out=result)
    return result
