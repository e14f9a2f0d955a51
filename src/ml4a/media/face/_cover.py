"""Masks of faces, and faces made unrecognisable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .. import image
from .. import mask as masks
from .._checked import checked
from ..image import _kinds, _resample
from ..mask import Mask
from ._face import Face, one
from ._layout import Array
from ._outline import cover, extent, outline, reach

How: TypeAlias = Literal["blur", "pixelate", "fill"]

_MOST_CELLS, _FEWEST_CELLS = 10, 3
_SMALLEST_CELL = 3.0
"""Pixels: a face of few pixels is averaged, too."""
_RIM = 0.06
"""Width of the soft rim around a hidden face, as a share of its size."""


@checked
def mask(
    faces: Face | Sequence[Face],
    size: int | tuple[int, int],
    *,
    feather: Annotated[float, Range(0, 1), Doc("Softness of the rim, as a share of the face's size.")] = 0.1,
) -> Mask:
    """Where faces are: a mask of one channel.

        skin = face.mask(found, image.size(photo), feather=0.15)
        mask.composite(image.load("gold.jpg"), photo, skin)

    Args:
        faces: One, or several. What is known of them decides how good it is: mesh, landmarks (up to the brows), five
            points (an ellipse), or the box (the ellipse within).
        size: (width, height) of the picture that they were found in; a number is the side of a square.
        feather: From 1 to 0 over about so much on either side of the outline. 0 is sharp.

    Raises:
        BadValue: no such size, a softness out of bounds, what is no face or lies on one line.
    """
    width, height = _resample.target_size((1, 1), size)
    unit, middle = min(width, height), (width / 2, height / 2)
    result: Mask | None = None
    for each in several(faces):
        polygon = outline(each)
        if len(polygon) < 3:
            raise BadValue("all that is known of this face lies on one line, around which there is no outline")
        drawn = masks.polygon(tuple((float(x), float(y)) for x, y in (polygon - middle) / unit))
        drawn = drawn.feathered(min(feather * extent(polygon) / unit, 4.0)) if feather else drawn
        result = drawn if result is None else result | drawn
    return masks.solid(0.0) if result is None else result


@checked
def hidden(
    picture: Picture,
    faces: Any,
    how: Annotated[How, Doc("Blurred, in squares, or in one colour.")] = "blur",
    strength: Annotated[float, Range(0, 1), Doc("0 leaves 10 averages across a face, 1 leaves 3.")] = 0.7,
) -> Any:
    """A picture with faces that nobody can recognise, nor restore.

    However it looks, nothing of a face is left but averages over so few areas: blurring is not a filter here, which
    could be undone, but these averages drawn smoothly. "fill" leaves one colour. From many frames of a film more can
    be learnt than from one; "fill" is the safest there. The picture's own file, its thumbnail and the frames between
    two detections are not looked after: hide from all frames, and save anew.

        face.hidden("street.jpg", detector("street.jpg"), "pixelate")

    Args:
        picture: Any picture.
        faces: One face or several. All of the box is covered, and what mesh, landmarks or points show beyond it.
        how: How it looks.
        strength: How little is left.

    Returns:
        A picture of the same kind, its alpha kept. Outside the faces and a soft rim nothing changes.

    Raises:
        BadValue: what is no face, no such way, a strength out of bounds.
    """
    array = image.to_array(picture).copy()
    cells = 1 if how == "fill" else round(_MOST_CELLS - strength * (_MOST_CELLS - _FEWEST_CELLS))
    for each in several(faces):
        _hide(array, cover(each), cells, smooth=how == "blur")
    return _kinds.as_kind(array, _kinds.kind_of(picture))


def _hide(array: Array, polygon: Array, cells: int, smooth: bool) -> None:
    """Draw averages over a polygon in H×W×C, in place."""
    import cv2

    rim = max(1.0, _RIM * extent(polygon))
    left, top, right, bottom = reach(polygon, rim + 1, (array.shape[1], array.shape[0]))
    if left >= right or top >= bottom:
        return
    part = array[top:bottom, left:right, :3]
    size = right - left, bottom - top
    cell = max(float(min(np.ptp(polygon, axis=0))) / cells, _SMALLEST_CELL)
    few = (1, 1) if cells == 1 else (max(1, round(size[0] / cell)), max(1, round(size[1] / cell)))
    averages = cv2.resize(np.ascontiguousarray(part), few, interpolation=cv2.INTER_AREA).reshape(*few[::-1], 3)
    how = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    flat = cv2.resize(averages, size, interpolation=how).reshape(*size[::-1], 3).clip(0, 1)
    part += _share(polygon - np.array([left, top], np.float32), size, rim)[:, :, None] * (flat - part)


def _share(polygon: Array, size: tuple[int, int], rim: float) -> Array:
    """H×W: 1 in all pixels that a polygon touches, falling to 0 outside within `rim` pixels."""
    import cv2

    outside = np.full(size[::-1], 255, np.uint8)
    fine = 16  # sixteenths of a pixel, counted from the first pixel's middle
    cv2.fillConvexPoly(outside, np.rint((polygon - 0.5) * fine).astype(np.int32), (0,), cv2.LINE_8, 4)
    outside = cv2.erode(outside, np.ones((3, 3), np.uint8))
    if outside.all():
        return np.zeros(size[::-1], np.float32)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    share = (1 - distance / rim).clip(0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def several(faces: Face | Sequence[Face]) -> Sequence[Face]:
    """One face or several as several.

    Raises:
        BadValue: something among them is none.
    """
    return [one(each) for each in ([faces] if isinstance(faces, Face) else faces)]
