"""One face in another's place."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .. import color, image
from .._checked import checked
from ..canvas import _sample
from ..image import _kinds, _resample
from ..mask import _planes
from ._cover import mask
from ._face import Face, one
from ._layout import FOREHEAD, Array
from ._outline import extent, outline, reach

_NODES = 96
"""Of the grid along the longer side, between which the way is interpolated: it is smooth."""
_STIFFNESS = 1e-4
"""How little the surface bends to reach a point exactly; what detectors find is a little off."""

_LEAST_EXTENT = 1e-6
"""Pixels: of points that are all one, too, there is a scale."""


@checked
def swapped(
    picture: Picture,
    face: Face,
    other_picture: Picture,
    other_face: Face,
    *,
    match: Annotated[float, Range(0, 1), Doc("How far the other's colours are matched to the picture's.")] = 1.0,
    feather: Annotated[float, Range(0, 0.5), Doc("Softness of the rim, as a share of the face's size.")] = 0.12,
) -> Any:
    """A picture with another face in the place of one: eyes on eyes, mouth on mouth, in the picture's light.

    The other face is bent by a thin-plate spline through what both faces know: the mesh, 68 landmarks or five points
    (Bookstein, PAMI 1989). It turns no head: both should look about the same way. Whose face it is should agree to it.

    Args:
        picture: Where the face goes.
        face: The face there that is covered.
        other_picture: Where it comes from.
        other_face: The face there.
        match: How far mean and spread of the other's colours are brought to those of what they cover.
        feather: How soft the rim is. It lies within the outline, so that hair and background stay.

    Returns:
        A picture of the kind of `picture`, its alpha kept.

    Raises:
        BadValue: the two faces have neither mesh nor landmarks nor points in common, or the first is outside `picture`.
        TooLarge: the other picture has a side of more than 32766 pixels, as it will be shown.
    """
    array, other = image.to_array(picture).copy(), image.to_array(other_picture)
    here, there, polygon = _in_common(face, other_face)
    left, top, right, bottom = reach(polygon, 1, (array.shape[1], array.shape[0]))
    if left >= right or top >= bottom:
        raise BadValue("the face is outside the picture; was it found in another one?")
    other, there = _reduced(other, here, there)
    corner, size = np.array([left, top]), (right - left, bottom - top)
    layer = _bent(other, here - corner, there, size)
    part = array[top:bottom, left:right, :3]
    share = _within(face, corner, size, feather * extent(polygon))
    if layer.shape[2] == 4:
        share, layer = share * layer[:, :, 3:], layer[:, :, :3]
    seen = (share > 0.5).astype(np.float32)
    if match and seen.any():
        layer = color.reinhard(np.dstack([layer, seen]), np.dstack([part, seen]), match)[:, :, :3]
    part += share * (layer - part)
    return _kinds.as_kind(array, _kinds.kind_of(picture))


def _in_common(face: Face, other: Face) -> tuple[Array, Array, Array]:
    """Places that both faces know, N×2 of each, and the outline of the first."""
    face, other = one(face), one(other)
    first, second = face.features, other.features
    if first is not None and second is not None:
        if face.mesh is not None and other.mesh is not None:
            first = np.concatenate([first, face.mesh[list(FOREHEAD), :2]])
            second = np.concatenate([second, other.mesh[list(FOREHEAD), :2]])
    elif face.points is not None and other.points is not None:
        first, second = face.points, other.points
    else:
        raise BadValue("the two faces must both have a mesh, or landmarks, or five points, to be laid on each other")
    return first.astype(np.float64), second.astype(np.float64), outline(face)


def _reduced(other: Array, here: Array, there: Array) -> tuple[Array, Array]:
    """The other picture, no finer than it will be shown, and the places in it."""
    factor = float(np.ptp(here, axis=0).max() / max(np.ptp(there, axis=0).max(), _LEAST_EXTENT))
    if factor >= 1:
        return other, there
    now = other.shape[1], other.shape[0]
    size = max(1, round(now[0] * factor)), max(1, round(now[1] * factor))
    return _resample.resample(other, size, "lanczos"), there * np.divide(size, now)


def _bent(other: Array, here: Array, there: Array, size: tuple[int, int]) -> Array:
    """(width, height) pixels that show `other` so that its places `there` come to lie `here`."""
    import cv2

    _sample.check_sides((other.shape[1], other.shape[0]))
    step = max(1.0, max(size) / _NODES)
    nodes = [max(2, round(side / step)) for side in size]
    x, y = ((np.arange(n) + 0.5) * (side / n) for n, side in zip(nodes, size, strict=True))
    grid = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    found = _spline(here, there, grid).reshape(nodes[1], nodes[0], 2).astype(np.float32) - np.float32(0.5)
    places = cv2.resize(found, size, interpolation=cv2.INTER_CUBIC)
    return _sample.at_places(other, lambda rows: (places[rows, :, 0], places[rows, :, 1]), size, "clamp", "bicubic")


def _spline(here: Array, there: Array, at: Array) -> Array:
    """Where a thin-plate spline that leads from `here` to `there` leads from `at`; all N×2."""
    middle, unit = here.mean(axis=0), max(np.ptp(here, axis=0).max(), _LEAST_EXTENT)
    here, at = (here - middle) / unit, (at - middle) / unit
    n = len(here)
    flat = np.column_stack([np.ones(n), here])
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _bending(here, here) + _STIFFNESS * np.eye(n)
    system[:n, n:], system[n:, :n] = flat, flat.T
    weights = np.linalg.lstsq(system, np.concatenate([there, np.zeros((3, 2))]), rcond=None)[0]
    return _bending(at, here) @ weights[:n] + np.column_stack([np.ones(len(at)), at]) @ weights[n:]


def _bending(a: Array, b: Array) -> Array:
    squares = np.square(a[:, None] - b[None]).sum(axis=2)
    return 0.5 * squares * np.log(np.maximum(squares, 1e-20))


def _within(face: Face, corner: Array, size: tuple[int, int], rim: float) -> Array:
    """H×W×1: 1 well within the face's outline, 0 from there outwards."""
    values = mask(face.moved(*-corner), size, feather=0)(size)
    shrunk = _planes.grown(values[:, :, 0], -rim / 2)[:, :, None]
    return _planes.blurred(shrunk, rim / 4) * values
