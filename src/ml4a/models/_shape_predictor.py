"""dlib's 68 points of a face, found by cascades of regression trees, all trees of a level at once.

Kazemi & Sullivan, One Millisecond Face Alignment with an Ensemble of Regression Trees, CVPR 2014.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue, BadWeights
from ml4a.media.face import Face

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_ARRAYS = ("initial_shape", "splits", "thresholds", "leaves", "anchors", "deltas")
_POINTS = 68
_EYES, _NOSE, _MOUTH = (slice(36, 42), slice(42, 48)), 30, (48, 54)


class ShapePredictor:
    """Moves the 68 points of a mean face, level by level, by what pixels beside them look like.

    Args:
        arrays: Of a predictor, as `weights.formats` reads it from dlib's file.

    Raises:
        BadWeights: they are not those of a predictor of 68 points.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise BadWeights(f"these weights are no shape predictor: they lack {', '.join(map(repr, missing))}")
        self.initial_shape, self._splits, self._thresholds, self._leaves, self._anchors, self._deltas = (
            arrays[name] for name in _ARRAYS
        )
        if self.initial_shape.shape != (_POINTS, 2):
            raise BadWeights(f"this shape predictor has {len(self.initial_shape)} points, where 68 are due")

    def __call__(self, picture: Array, face: Face) -> Face:
        """The same face with its 68 landmarks.

        dlib's predictor was trained on the boxes of dlib's own detector. Where the face's five points are known, it
        starts from where a mean face would lie over them, turned as they are, so that it does not depend on who drew
        the box; else it starts in the box.

        Args:
            picture: H×W×3 float32 in [0, 1].
            face: In pixels of the picture.
        """
        frame = box_frame(face.box) if face.points is None else self.points_frame(face.points)
        return face.replace(landmarks=self.landmarks(picture, frame))

    def landmarks(self, picture: Array, frame: Array) -> Array:
        """Where the points are: 68×2 float32, in pixels.

        Args:
            picture: H×W×3 float32 in [0, 1]; it is looked at in steps of 1/255, as dlib does.
            frame: 2×3, from the unit square of the mean face to pixels, whose middles are at half-integers.
        """
        gray = _gray(picture)
        shape = self.initial_shape
        # dlib counts pixels by their middles, which are at whole numbers.
        frame = np.asarray(frame, np.float64) - [[0, 0, 0.5], [0, 0, 0.5]]
        for level in range(len(self._splits)):
            seen = self._seen(gray, frame, shape, level)
            shape = np.add.reduce(np.concatenate((shape[None], self._moves(seen, level))), axis=0, dtype=np.float32)
        return (_through(frame, shape) + 0.5).astype(np.float32)

    def points_frame(self, points: Array) -> Array:
        """2×3: the frame in which the mean face lies best over five points: eyes, nose, corners of the mouth."""
        shape = self.initial_shape
        five = [*(shape[eye].mean(axis=0) for eye in _EYES), shape[_NOSE], *shape[list(_MOUTH)]]
        return similarity(np.array(five), points)

    def _seen(self, gray: Array, frame: Array, shape: Array, level: int) -> Array:
        """What the pixels of a level look like: N float32 from 0 to 255, 0 outside the picture."""
        turn = similarity(self.initial_shape, shape)[:, :2].astype(np.float32)
        places = self._deltas[level] @ turn.T + shape[self._anchors[level]]
        columns, rows = np.floor(_through(frame, places) + 0.5).T
        inside = (columns >= 0) & (rows >= 0) & (columns < gray.shape[1]) & (rows < gray.shape[0])
        seen = np.zeros(len(places), np.float32)
        seen[inside] = gray[rows[inside].astype(int), columns[inside].astype(int)]
        return seen

    def _moves(self, seen: Array, level: int) -> Array:
        """Where each tree of a level wants the points to go: T×68×2."""
        splits, thresholds, leaves = self._splits[level], self._thresholds[level], self._leaves[level]
        trees = np.arange(len(splits))
        node = np.zeros(len(splits), int)
        for _ in range(int(math.log2(leaves.shape[1]))):
            first, second = splits[trees, node].T
            node = 2 * node + np.where(seen[first] - seen[second] > thresholds[trees, node], 1, 2)
        return leaves[trees, node - splits.shape[1]]


def box_frame(box: tuple[float, float, float, float]) -> Array:
    """2×3: the frame of a box as dlib's detector draws it, from the first pixel's middle to the last one's."""
    x1, y1, x2, y2 = box
    return np.array([[x2 - x1 - 1, 0, x1 + 0.5], [0, y2 - y1 - 1, y1 + 0.5]], np.float64)


def similarity(source: Array, target: Array) -> Array:
    """2×3: what moves, turns and scales N×2 points to lie over N×2 others, by least squares (Umeyama, PAMI 1991).

    Raises:
        BadValue: the points to be moved are all one.
    """
    a, b = (np.asarray(points, np.float64) @ [1, 1j] for points in (source, target))
    away = a - a.mean()
    spread = np.vdot(away, away).real
    if not spread > 0:
        raise BadValue("points that all lie in one place have no size or direction")
    # In the plane turning and scaling is multiplying by a complex number, and this is a line through points.
    turn = np.vdot(away, b - b.mean()) / spread
    shift = b.mean() - turn * a.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _through(frame: Array, points: Array) -> Array:
    return points.astype(np.float64) @ frame[:, :2].T + frame[:, 2]


def _gray(picture: Array) -> Array:
    """H×W float32, whole numbers from 0 to 255: the mean of red, green and blue, rounded down."""
    steps = np.rint(np.clip(picture, 0, 1) * np.float32(255)).astype(np.uint16)
    return (steps.sum(axis=2, dtype=np.uint16) // 3).astype(np.float32)
