"""dlib's shape predictors: cascades of regression trees that move points over a picture (shape_predictor.h).

The file has a few million numbers in tables within tables, all of which a trained predictor has of one size. So one
level of the cascade is read as one array, and its columns that say sizes are compared with what they have to be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._core.errors import BadWeights
from .archive import Tensor
from .dlib_stream import Stream, as_floats

_LARGEST = 1 << 20
"""Points, levels, trees, splits or pixels: far more than any predictor has, few enough to be multiplied."""


@dataclass(frozen=True)
class _Sizes:
    points: int
    levels: int
    trees: int
    splits: int

    @property
    def leaf(self) -> int:
        """Whole numbers that a leaf takes: its two sizes, and twice as many as coordinates."""
        return 2 + 2 * 2 * self.points

    @property
    def tree(self) -> int:
        """Whole numbers that a tree takes."""
        return 1 + 4 * self.splits + 1 + (self.splits + 1) * self.leaf


def read(stream: Stream) -> dict[str, Tensor]:
    """Read a shape predictor behind its version number; `dlib.read` says which tensors.

    Raises:
        BadWeights: it is cut short or broken, or its levels or trees are not of one size.
    """
    shape = _coordinates(stream)
    sizes, levels = _forests(stream, len(shape))
    splits, thresholds, leaves = (np.stack(part) for part in zip(*levels, strict=True))
    anchors = _table(stream, sizes.levels, 1).astype(np.int64)[..., 0]
    deltas = as_floats(_table(stream, sizes.levels, 4).reshape(*anchors.shape, 2, 2), np.float32)
    _check(splits, anchors.shape[1], "pixel")
    _check(anchors, len(shape), "point")
    arrays = {
        "initial_shape": shape,
        "splits": splits.astype(np.int32),
        "thresholds": thresholds,
        "leaves": leaves,
        "anchors": anchors.astype(np.int32),
        "deltas": deltas,
    }
    return {name: Tensor.from_numpy(array) for name, array in arrays.items()}


def _coordinates(stream: Stream) -> np.ndarray:
    """The mean shape, a matrix of one column: P×2."""
    rows, columns = -stream.integer(), -stream.integer()  # the sign tells a matrix from older things
    if not 2 <= rows <= _LARGEST or rows % 2 or columns != 1:
        raise BadWeights(f"its mean shape is {rows}×{columns}, which are no points; the file is broken")
    return as_floats(stream.integers(2 * rows).reshape(rows // 2, 2, 2), np.float32)


def _forests(stream: Stream, points: int) -> tuple[_Sizes, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Of each level: T×S×2 pixels that are compared, T×S thresholds, and T×(S+1)×P×2 leaves."""
    levels = _bounded(stream.size(), "levels")
    trees = _bounded(stream.size(), "trees")
    splits = _bounded(stream.peek(), "splits")
    if splits & (splits + 1):
        raise BadWeights(f"its trees have {splits} splits, which do not fill all their levels")
    sizes = _Sizes(points, levels, trees, splits)
    forests = []
    for level in range(levels):
        if level and stream.size() != trees:
            raise BadWeights(f"level {level} of the cascade has another number of trees, which is not supported")
        forests.append(_forest(stream.integers(trees * sizes.tree).reshape(trees, sizes.tree), sizes))
    return sizes, forests


def _forest(numbers: np.ndarray, sizes: _Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    trees, splits, points = sizes.trees, sizes.splits, sizes.points
    nodes = numbers[:, 1 : 1 + 4 * splits].reshape(trees, splits, 4)
    leaves = numbers[:, 2 + 4 * splits :].reshape(trees, splits + 1, sizes.leaf)
    regular = (
        np.all(numbers[:, 0] == splits)
        and np.all(numbers[:, 1 + 4 * splits] == splits + 1)
        and np.all(leaves[..., 0] == -2 * points)
        and np.all(leaves[..., 1] == -1)
    )
    if not regular:
        raise BadWeights("its trees are not all of one size, which is not supported, or the file is broken")
    moves = leaves[..., 2:].reshape(trees, splits + 1, points, 2, 2)
    return nodes[..., :2], as_floats(nodes[..., 2:], np.float32), as_floats(moves, np.float32)


def _table(stream: Stream, levels: int, width: int) -> np.ndarray:
    """A list for each level, of one length, whose elements take `width` whole numbers: levels×length×width."""
    if stream.size() != levels:
        raise BadWeights("its tables of pixels are not one for each level; the file is broken")
    length = _bounded(stream.peek(), "pixels")
    rows = stream.integers(levels * (1 + length * width)).reshape(levels, 1 + length * width)
    if np.any(rows[:, 0] != length):
        raise BadWeights("its levels look at different numbers of pixels, which is not supported")
    return rows[:, 1:].reshape(levels, length, width)


def _bounded(value: int, what: str) -> int:
    if not 1 <= value <= _LARGEST:
        raise BadWeights(f"it claims to have {value} {what}; the file is broken")
    return value


def _check(indices: np.ndarray, end: int, what: str) -> None:
    """What points into a table must not point beside it."""
    if indices.min() < 0 or indices.max() >= end:
        raise BadWeights(f"it names a {what} that there is not; the file is broken")
