"""Looking up a picture at given places: one interpolation, whatever led there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ml4a._core.errors import TooLarge, UnknownName

from ._points import Array

Look: TypeAlias = Callable[[Array, Array, int, int], None]
"""Looks up a picture into a result, by OpenCV's numbers of an interpolation and a border."""

BORDERS = ("mirror", "wrap", "clamp", "transparent")
INTERPOLATIONS = ("bilinear", "bicubic")

_LARGEST_SIDE = 32766
"""Pixels that OpenCV's sampling can count."""
_FAINT = 1e-9
"""Alpha below which a pixel has no colour."""
_FAR = 4
"""Pictures away from the middle beyond which places are folded back before OpenCV does it step by step."""


def pixel_places(arrays: tuple[Array, Array], size: tuple[int, int]) -> tuple[Array, Array]:
    """Canvas units → columns and rows of a picture of (width, height); 0 is the centre of the first."""
    unit = np.float32(min(size))
    # A sum of this size has its last bit at about 1/4000 of a pixel of a 720p picture: what is a whole pixel but for
    # rounding becomes one, and is then looked up exactly, however often a film does so.
    coarse = np.float32(1.5 * 2 ** math.ceil(math.log2(2 * max(size))))
    places = []
    for along, length in zip(arrays, size, strict=True):
        place = along * unit
        place += np.float32(length / 2 - 0.5) + coarse
        place -= coarse
        places.append(place)
    return places[0], places[1]


def to_pixels(size: tuple[int, int]) -> Array:
    """The map of canvas units to columns and rows, 3×3."""
    unit = min(size)
    return np.array([[unit, 0, size[0] / 2 - 0.5], [0, unit, size[1] / 2 - 0.5], [0, 0, 1]])


def pixel_matrix(matrix: Array, size: tuple[int, int], source: tuple[int, int]) -> Array:
    """A map of canvas units as one from pixels of a picture of `size` to those of one of `source`; 2×3."""
    return (to_pixels(source) @ matrix @ np.linalg.inv(to_pixels(size)))[:2]


def at_rest(picture: Array, border: str) -> Array:
    """The picture as it is: a new array, with alpha if the border is transparent."""
    return _with_alpha(picture) if border == "transparent" and picture.shape[2] in (1, 3) else picture.copy()


def at_places(picture: Array, x: Array, y: Array, border: str, interpolation: str) -> Array:
    """The picture at columns x and rows y: H×W×C float32.

    Args:
        picture: H×W×C float32.
        x: H×W float32, of the size of the result.
        y: Another.
        border: As in `canvas.apply`.
        interpolation: As in `canvas.apply`.
    """
    import cv2

    height, width = picture.shape[:2]
    if not _near(x, width) or not _near(y, height):
        x, y = _folded(x, width, border), _folded(y, height, border)

    def look(layer: Array, result: Array, how: int, mode: int) -> None:
        cv2.remap(layer, x, y, how, dst=result, borderMode=mode)

    return _looked(picture, look, x.shape, border, interpolation)


def through_matrix(picture: Array, matrix: Array, size: tuple[int, int], border: str, interpolation: str) -> Array:
    """The picture as pixels of (width, height) see it that look through the affine map 2×3: H×W×C float32."""
    import cv2

    height, width = picture.shape[:2]
    corners = matrix @ np.array([[0, size[0], 0, size[0]], [0, 0, size[1], size[1]], [1, 1, 1, 1]])
    if np.abs(corners / [[width], [height]]).max() > _FAR:
        columns, rows = np.arange(size[0])[None, :], np.arange(size[1])[:, None]
        x, y = (row[0] * columns + row[1] * rows + row[2] for row in matrix)
        return at_places(picture, _folded(x, width, border), _folded(y, height, border), border, interpolation)

    def look(layer: Array, result: Array, how: int, mode: int) -> None:
        cv2.warpAffine(layer, matrix, size, result, how | cv2.WARP_INVERSE_MAP, mode)

    return _looked(picture, look, (size[1], size[0]), border, interpolation)


def check(border: str, interpolation: str) -> None:
    """Hold the names of a border and an interpolation to those that there are.

    Raises:
        UnknownName: there is no such name.
    """
    for what, name, known in (("border", border, BORDERS), ("interpolation", interpolation, INTERPOLATIONS)):
        if name not in known:
            raise UnknownName(what, str(name), known)


def check_sides(size: tuple[int, int]) -> None:
    """Refuse pictures that are too long to be sampled.

    Raises:
        TooLarge: a side is longer than OpenCV can count.
    """
    if max(size) > _LARGEST_SIDE:
        raise TooLarge(f"a picture on the canvas has sides up to {_LARGEST_SIDE} pixels, not {size[0]}x{size[1]}")


def _looked(picture: Array, look: Look, shape: tuple[int, ...], border: str, interpolation: str) -> Array:
    import cv2

    modes = {"mirror": cv2.BORDER_REFLECT, "wrap": cv2.BORDER_WRAP, "clamp": cv2.BORDER_REPLICATE}
    mode = modes.get(border, cv2.BORDER_CONSTANT)
    layer = at_rest(picture, border) if border == "transparent" else np.ascontiguousarray(picture)
    weighted = layer.shape[2] in (2, 4) and (border == "transparent" or layer[:, :, -1].min() < 1)
    if weighted:
        # By alpha, so that the colours of transparent pixels do not bleed into the others.
        layer = np.dstack([layer[:, :, :-1] * layer[:, :, -1:], layer[:, :, -1:]])
    channels = layer.shape[2]
    if channels == 2:  # OpenCV is exact with 1, 3 and 4
        layer = np.dstack([layer, layer[:, :, 1]])
    result = np.empty((*shape, layer.shape[2]), np.float32)
    look(layer, result, cv2.INTER_LINEAR, mode)
    if interpolation == "bicubic":
        # OpenCV's cubic makes the finest detail stronger by up to 3 %, which grows to rings where it is done again and
        # again. With a third of linear it makes none stronger, and keeps as much as Catmull and Rom's.
        cubic = np.empty_like(result)
        look(layer, cubic, cv2.INTER_CUBIC, mode)
        cv2.addWeighted(cubic, 2 / 3, result, 1 / 3, 0, dst=result)
    result = result[:, :, :channels]
    if weighted:
        result[:, :, :-1] /= np.maximum(result[:, :, -1:], _FAINT)
    if weighted or interpolation == "bicubic":
        np.clip(result, 0, 1, out=result)
    return np.ascontiguousarray(result)


def _with_alpha(picture: Array) -> Array:
    return np.dstack([picture, np.ones(picture.shape[:2], np.float32)])


def _near(places: Array, length: int) -> bool:
    """Whether places are finite and, as a rule, not far outside."""
    flat = places.ravel()
    return float(np.dot(flat, flat)) < flat.size * (_FAR * max(length, 16)) ** 2  # also false for NaN


def _folded(places: Array, length: int, border: str) -> Array:
    """Places that see the same, none of them far outside."""
    places = np.nan_to_num(places, nan=0.0, posinf=1e9, neginf=-1e9)
    if border == "wrap":
        return np.mod(places, length).astype(np.float32)
    if border == "mirror":
        inside = np.mod(places + 0.5, 2 * length)
        return (np.minimum(inside, 2 * length - inside) - 0.5).astype(np.float32)
    return places.clip(-3, length + 2).astype(np.float32)
