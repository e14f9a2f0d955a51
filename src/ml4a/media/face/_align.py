"""Faces brought to the same place: eyes level and so far apart; and put back where they were."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .. import image
from .._checked import checked
from ..color._colors import eight_bit
from ..image import _kinds, _resample
from ..mask import Mask
from ..mask._stored import as_mask
from ._face import Face, one
from ._layout import Array
from ._outline import reach
from ._sampling import Border, inverse, sampled

EYE = (0.371, 0.480)
"""Where the left eye goes, in shares of width and height: about where FFHQ has it, and so networks trained on it."""


def alignment(
    eyes: Array, size: int | tuple[int, int] = 256, eye: tuple[float, float] = EYE, *, classic: bool = False
) -> Array:
    """The matrix that brings two eyes to their places: moved, turned and scaled, not sheared.

    Args:
        eyes: 2×2: the left and the right eye, (x, y) in pixels, as `Face.eyes`.
        size: Of the aligned picture: the side of a square, or (width, height).
        eye: Where the left eye goes, in shares of width and height; the right one goes to its mirror image.
        classic: As imutils' FaceAligner does, which the library of 2021 used: the eyes' places cut off to whole pixels,
            their middle rounded down; and the matrix is for places counted from the first pixel's middle, as OpenCV
            counts them: half a pixel less than everywhere else.

    Returns:
        2×3 float64: where (x, y, 1) goes.

    Raises:
        BadValue: both eyes are at one place, the left one is to be right of the middle, or there is no such size.
    """
    (width, height), (share_x, share_y) = _resample.target_size((1, 1), size), _eye(eye)
    places = np.asarray(eyes, np.float64)
    if places.shape != (2, 2) or not np.isfinite(places).all():
        raise BadValue(f"eyes are 2×2 finite numbers, (x, y) of the left and of the right one, not {eyes!r}")
    if classic:
        places = np.trunc(places - 0.5)
    across = places[1] - places[0]
    distance = math.hypot(*across)
    if distance == 0:
        raise BadValue("both eyes are at the same place; there is no telling how the face is turned")
    middle = np.floor(places.mean(axis=0)) if classic else places.mean(axis=0)
    along, down = across * ((1 - 2 * share_x) * width / distance**2)
    turn = np.array([[along, down], [-down, along]])
    return np.column_stack([turn, np.array([width / 2, share_y * height]) - turn @ middle])


@checked
def aligned(
    picture: Picture,
    face: Face,
    size: Any = 256,
    *,
    eye: Any = EYE,
    border: Border = "black",
    classic: Annotated[bool, Doc("As the library of 2021 did it, to the grey level.")] = False,
) -> Any:
    """A face cut out of a picture, upright, its eyes at fixed places.

        portrait = face.aligned("group.jpg", found[0], 512, border="mirror")
        where = face.alignment(found[0].eyes, 512)           # the matrix that did it; `pasted` leads back

    One bicubic interpolation at the picture's own fineness; where the face becomes smaller, it is reduced by Lanczos'
    filter after that, so that nothing flickers.

    Args:
        picture: Any picture.
        face: A face in it that has eyes.
        size: The side of a square, or (width, height).
        eye: Where the left eye goes, in shares of width and height; the right one goes to its mirror image.
        border: What is beyond the picture: black, transparent, its last pixels ("clamp"), or the picture mirrored.
        classic: As imutils does it: eyes at whole pixels, OpenCV's cubic, no anti-aliasing, and black around.

    Returns:
        A picture of the same kind; with alpha if the picture has it, or the border is transparent.

    Raises:
        BadValue: the face has no eyes, or there is no such size.
    """
    face, loaded = one(face), image.loaded(picture)
    kind, size = _kinds.kind_of(loaded), _resample.target_size((1, 1), size)
    matrix = alignment(face.eyes, size, eye, classic=classic)
    if not classic:
        return _kinds.as_kind(sampled(image.to_array(loaded), matrix, size, border), kind)
    import cv2

    levels = eight_bit(loaded)
    array = image.to_array(loaded) if levels is None else levels
    return _of_kind(cv2.warpAffine(array, matrix, size, flags=cv2.INTER_CUBIC), kind)


def at_width(picture: Picture, width: int = 800) -> Any:
    """A picture at this width, as the library of 2021 had it before it looked for a face to align.

    OpenCV's area interpolation, and the height rounded down; `image.resize` is better for anything else.

    Returns:
        A picture of the same kind.

    Raises:
        BadValue: no such width.
    """
    import cv2

    loaded = image.loaded(picture)
    now = image.size(loaded)
    width, _ = _resample.target_size(now, (width, 1))
    size = _resample.target_size(now, (width, max(1, int(now[1] * (width / now[0])))))
    levels = eight_bit(loaded)
    array = image.to_array(loaded) if levels is None else levels
    return _of_kind(cv2.resize(array, size, interpolation=cv2.INTER_AREA), _kinds.kind_of(loaded))


@checked
def pasted(
    picture: Picture,
    patch: Picture,
    matrix: Any,
    mask: Any = None,
    *,
    feather: Annotated[
        float, Range(0, 0.5), Doc("Width of the soft rim, as a share of the patch's shorter side.")
    ] = 0.1,
) -> Any:
    """A face that was aligned and changed, put back where it was.

        where = face.alignment(found.eyes, 512)
        portrait = face.aligned(photo, found, 512, border="mirror")
        face.pasted(photo, paint(portrait), where)

    Args:
        picture: Where it goes.
        patch: Any picture, of the size for which the matrix was made. Where it is transparent, nothing is pasted.
        matrix: 2×3: from the picture to the patch, as `alignment` and `ffhq_alignment` give it.
        mask: What of the patch counts: a mask, an array or a picture. By default all of it but for a soft rim.
        feather: How soft that rim is, without a mask.

    Returns:
        A picture of the kind of `picture`, its alpha kept; nothing changes outside the patch.

    Raises:
        BadValue: a matrix that leads nowhere, a mask of several channels.
    """
    array, over = image.to_array(picture), image.to_array(patch)
    matrix = np.asarray(matrix, np.float64)
    if matrix.shape != (2, 3):
        raise BadValue(f"a matrix is 2×3 numbers, not {'×'.join(map(str, matrix.shape)) or 'a single value'}")
    size = over.shape[1], over.shape[0]
    shares = _rim(size, feather) if mask is None else _shares(mask, size)
    if over.shape[2] == 4:
        shares = shares * over[:, :, 3:]
    result = array.copy()
    left, top, right, bottom = _reach(matrix, size, (array.shape[1], array.shape[0]))
    if left < right and top < bottom:
        back = inverse(matrix) - np.array([[0, 0, left], [0, 0, top]])
        layer = np.dstack([over[:, :, :3], shares])
        seen = sampled(layer, back, (right - left, bottom - top), "transparent")
        part = result[top:bottom, left:right, :3]
        part += seen[:, :, 3:] * (seen[:, :, :3] - part)
    return _kinds.as_kind(result, _kinds.kind_of(picture))


def _rim(size: tuple[int, int], feather: float) -> Array:
    """H×W×1: 1 within, falling to 0 at the border, smoothly."""
    width = max(1.0, feather * min(size))
    across, down = (np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / width for side in size)
    near = np.minimum(across[None, :], down[:, None]).clip(0, 1)
    return (near * near * (3 - 2 * near)).astype(np.float32)[:, :, None]


def _shares(mask: Mask | Any, size: tuple[int, int]) -> Array:
    values = as_mask(mask)(size, 0.0)
    if values.shape[2] != 1 or values.shape[:2] != size[::-1]:
        raise BadValue(f"the mask of a patch of {size[0]}×{size[1]} px has one channel of its size, not {values.shape}")
    return values


def _reach(matrix: Array, patch: tuple[int, int], picture: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the pixels of a picture that a patch reaches."""
    back = inverse(matrix)
    corners = np.array([(0, 0), (patch[0], 0), patch, (0, patch[1])]) @ back[:, :2].T + back[:, 2]
    return reach(corners, 0, picture)


def _eye(eye: Any) -> tuple[float, float]:
    try:
        x, y = map(float, eye)
    except (TypeError, ValueError):
        x, y = math.nan, math.nan
    if not (0 < x < 0.5 and 0 <= y <= 1):
        raise BadValue(f"the left eye goes to (x, y), shares of the width below a half and of the height, not {eye!r}")
    return x, y


def _of_kind(array: Array, kind: image.KindName) -> Any:
    """H×W×C bytes or floats as this kind; bytes stay bytes only in PIL images."""
    if array.dtype == np.uint8 and kind == "pil":
        return _kinds.to_pil(array)
    return _kinds.as_kind(_kinds.as_float(array).clip(0, 1), kind)
