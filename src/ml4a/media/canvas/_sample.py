"""Looking up a picture at given places: one interpolation, whatever led there."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from ml4a._core.errors import TooLarge, UnknownName

from ._points import Array
from ._rows import Places, in_blocks

Results: TypeAlias = list[tuple[int, Array]]
"""Results, each with OpenCV's number of the interpolation."""
Look: TypeAlias = Callable[[Array, Results, int], None]
"""Looks up a picture into all results, by OpenCV's number of a border."""

BORDERS = ("mirror", "wrap", "clamp", "transparent")
INTERPOLATIONS = ("bilinear", "bicubic")

_LARGEST_SIDE = 32766
"""Pixels that OpenCV's sampling can count."""
_FAINT = 1e-9
"""Alpha below which a pixel has no colour."""
_FAR = 4
"""Pictures away from the middle beyond which places are folded back in double precision."""
_OUTSIDE = 0.8
"""Pictures away from the middle, at the root of the mean square, beyond which OpenCV takes longer to fold places."""


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


def below(matrix: Array, row: int) -> Array:
    """An affine map of pixels, 2×3, as one from those of a block that begins with this row."""
    return matrix @ np.array([[1, 0, 0], [0, 1, row], [0, 0, 1]])


def at_rest(picture: Array, border: str) -> Array:
    """The picture as it is: a new array, with alpha if the border is transparent."""
    return _with_alpha(picture) if border == "transparent" and picture.shape[2] in (1, 3) else picture.copy()


def at_places(picture: Array, places: Places, size: tuple[int, int], border: str, interpolation: str) -> Array:
    """The picture as pixels of (width, height) see it that look at these places: H×W×C float32.

    Args:
        picture: H×W×C float32.
        places: Of some rows of the result: columns and rows of the picture.
        size: Of the result.
        border: As in `canvas.apply`.
        interpolation: As in `canvas.apply`.
    """
    import cv2

    def look(layer: Array, results: Results, mode: int) -> None:
        def look_up(rows: slice) -> None:
            x, y = (_brought_near(*each, border) for each in zip(places(rows), layer.shape[1::-1], strict=True))
            for how, result in results:
                cv2.remap(layer, x, y, how, dst=result[rows], borderMode=mode)

        in_blocks(look_up, size)

    return _looked(picture, look, size, border, interpolation)


def through_matrix(picture: Array, matrix: Array, size: tuple[int, int], border: str, interpolation: str) -> Array:
    """The picture as pixels of (width, height) see it that look through the affine map 2×3: H×W×C float32."""
    import cv2

    height, width = picture.shape[:2]
    corners = matrix @ np.array([[0, size[0], 0, size[0]], [0, 0, size[1], size[1]], [1, 1, 1, 1]])
    if np.abs(corners / [[width], [height]]).max() > _FAR:
        columns, lines = np.arange(size[0])[None, :], np.arange(size[1])[:, None]

        def places(rows: slice) -> tuple[Array, Array]:
            x, y = (row[0] * columns + row[1] * lines[rows] + row[2] for row in matrix)
            return _folded(x, width, border), _folded(y, height, border)

        return at_places(picture, places, size, border, interpolation)

    def look(layer: Array, results: Results, mode: int) -> None:
        for how, result in results:
            cv2.warpAffine(layer, matrix, size, result, how | cv2.WARP_INVERSE_MAP, mode)

    return _looked(picture, look, size, border, interpolation)


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


def _looked(picture: Array, look: Look, size: tuple[int, int], border: str, interpolation: str) -> Array:
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
    shape = size[1], size[0], layer.shape[2]
    result = np.empty(shape, np.float32)
    if interpolation == "bicubic":
        # OpenCV's cubic makes the finest detail stronger by up to 3 %, which grows to rings where it is done again and
        # again. With a third of linear it makes none stronger, and keeps as much as Catmull and Rom's.
        cubic = np.empty(shape, np.float32)
        look(layer, [(cv2.INTER_LINEAR, result), (cv2.INTER_CUBIC, cubic)], mode)
        cv2.addWeighted(cubic, 2 / 3, result, 1 / 3, 0, dst=result)
    else:
        look(layer, [(cv2.INTER_LINEAR, result)], mode)
    result = result[:, :, :channels]
    if weighted:
        result[:, :, :-1] /= np.maximum(result[:, :, -1:], _FAINT)
    if weighted or interpolation == "bicubic":
        np.clip(result, 0, 1, out=result)
    return np.ascontiguousarray(result)


def _with_alpha(picture: Array) -> Array:
    return np.dstack([picture, np.ones(picture.shape[:2], np.float32)])


def _brought_near(places: Array, length: int, border: str) -> Array:
    """Places that see the same, as float32: folded if many of them are outside, which OpenCV is slow at."""
    import cv2

    flat = places.ravel()
    middle = length / 2
    # The mean square distance from the middle.
    spread = float(np.dot(flat, flat)) / flat.size - 2 * middle * cv2.mean(places)[0] + middle**2
    if spread < (_OUTSIDE * max(length, 16)) ** 2:  # also false for NaN
        return places
    return _folded(places, length, border)


def _folded(places: Array, length: int, border: str) -> Array:
    """Places that see the same, none of them far outside."""
    if not np.isfinite(places).all():
        places = np.nan_to_num(places, nan=0.0, posinf=1e9, neginf=-1e9)
    if border == "wrap":
        return np.mod(places, length).astype(np.float32)
    if border == "mirror":
        inside = places + places.dtype.type(0.5)
        times = inside * places.dtype.type(0.5 / length)
        np.floor(times, out=times)
        times *= 2 * length
        inside -= times
        np.subtract(length, inside, out=inside)
        np.abs(inside, out=inside)
        np.subtract(length - 0.5, inside, out=inside)
        return inside.clip(-0.5, length - 0.5, out=inside).astype(np.float32, copy=False)
    return places.clip(-3, length + 2).astype(np.float32)
