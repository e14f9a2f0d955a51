"""The outline of a face, as well as it is known: by mesh, by landmarks, by five points, by the box alone."""

from __future__ import annotations

import math

import numpy as np

from ._face import Face
from ._layout import GROUPS, OVAL, Array

_CORNERS = 48
"""Of an ellipse."""
_ACROSS, _UP_AND_DOWN, _BELOW_EYES = 1.05, 1.2, 0.43
"""Half axes and middle of a face's ellipse, by the distance of the eyes, or of eyes and mouth, whichever is more."""
_SURE = 1.15
"""How much larger a cover is than the outline: what is found is some pixels off, and ears are faces, too."""


def outline(face: Face) -> Array:
    """A convex polygon around a face: from mesh or five points with the forehead, from 68 landmarks up to the brows.

    Returns:
        N×2 float32, (x, y) in pixels; a box alone gives the ellipse within.
    """
    if face.mesh is not None:
        return _hull(face.mesh[list(OVAL), :2])
    if face.landmarks is not None:
        rim = (*GROUPS["chin"], *reversed(GROUPS["right_eyebrow"]), *reversed(GROUPS["left_eyebrow"]))
        return _hull(face.landmarks[list(rim)])
    return _hull(_box_ellipse(face, 1.0) if face.points is None else _features_ellipse(face))


def cover(face: Face) -> Array:
    """A convex polygon that leaves nothing of a face out: forehead, chin, ears and all of the box.

    Returns:
        N×2 float32, (x, y) in pixels.
    """
    parts = [_box_ellipse(face, math.sqrt(2))]
    if face.features is not None or face.points is not None:
        parts += [_larger(outline(face)), _larger(_features_ellipse(face))]
    return _hull(np.concatenate(parts))


def extent(polygon: Array) -> float:
    """The side of the square of the same area, in pixels."""
    x, y = polygon.astype(np.float64).T
    return math.sqrt(abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2)


def reach(polygon: Array, margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a polygon with so much around, in whole pixels of a picture (width, height)."""
    low = np.floor(polygon.min(axis=0) - margin).clip(0, size)
    high = np.ceil(polygon.max(axis=0) + margin).clip(0, size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _box_ellipse(face: Face, factor: float) -> Array:
    """The one within the box; by √2 larger it goes through its corners."""
    width, height = face.size
    return np.array(face.center) + _circle() * (width / 2 * factor, height / 2 * factor)


def _features_ellipse(face: Face) -> Array:
    """One around eyes and mouth, turned as they are."""
    eyes, mouth = face.eyes.astype(np.float64), face.mouth.astype(np.float64)
    across, down = eyes[1] - eyes[0], mouth.mean(axis=0) - eyes.mean(axis=0)
    unit = max(np.hypot(*across), np.hypot(*down))
    upright = across + np.array([down[1], -down[0]])
    length = np.hypot(*upright)
    x = upright * (unit / length) if length > 0 else np.array([unit, 0.0])
    y = np.array([-x[1], x[0]])
    circle = _circle()
    return eyes.mean(axis=0) + _BELOW_EYES * y + _ACROSS * circle[:, :1] * x + _UP_AND_DOWN * circle[:, 1:] * y


def _circle() -> Array:
    angles = np.arange(_CORNERS) * (2 * np.pi / _CORNERS)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _larger(polygon: Array) -> Array:
    middle = polygon.mean(axis=0)
    return middle + (polygon - middle) * _SURE


def _hull(places: Array) -> Array:
    import cv2

    return cv2.convexHull(np.ascontiguousarray(places, np.float32)).reshape(-1, 2)
