"""The colours of a picture, apart from its transparency and its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from ml4a._core.kinds import Picture

from ..image import _kinds
from ..image._load import load

Array: TypeAlias = np.ndarray[Any, Any]

LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601, as in JPEG and Pillow)."""
INTENSITY = (1 / 3, 1 / 3, 1 / 3)

_GLANCE = 8
"""Rows that mostly tell whether values are levels of 8 bits."""


def recolored(
    picture: Picture, change: Callable[[Array], Array], strength: float = 1.0, *, in_place: bool = False
) -> Any:
    """`picture` with `change` made to its colours, in its kind, its alpha kept.

    Args:
        picture: Any picture.
        change: From R×C×3 float32 in [0, 1], which it must not write to, to as many colours; these are clipped.
        strength: Share of the change: 0 leaves the picture, 1 is all of it.
        in_place: Whether `change` must see each pixel in its place, the transparent ones too. Else it may be given one
            row of the pixels that are not wholly transparent.
    """
    kind, array = _kinds.kind_of(picture), load(picture, as_array=True)
    seen = ... if in_place else visible(array)
    before = np.ascontiguousarray(array[:, :, :3]) if seen is ... else array[seen, :3][None]
    after = change(before) if before.size else before
    if strength != 1:
        after = before + np.float32(strength) * (after - before)
    after = after.astype(np.float32, copy=False).clip(0, 1)
    if array.shape[2] == 4:
        result = array.copy()
        result[seen, :3] = after if seen is ... else after[0]
        after = result
    return _kinds.as_kind(after, kind)


def colors_of(array: Array) -> Array:
    """The colours of an H×W×C array, C = 3 or 4: H×W×3, or 1×N×3 where some pixels are wholly transparent."""
    seen = visible(array)
    return np.ascontiguousarray(array[:, :, :3]) if seen is ... else array[seen, :3][None]


def visible(array: Array) -> Any:
    """An index of the pixels of an H×W×C array that are not wholly transparent; `...` if these are all."""
    if array.shape[2] == 3 or array[:, :, 3].min() > 0:
        return ...
    return array[:, :, 3] > 0


def eight_bit(picture: Any) -> Array | None:
    """A picture in memory as H×W×C uint8, C = 3 or 4, if it has no finer levels (frames of films have none); or None.

    Raises:
        BadValue: an array or tensor that is no picture.
    """
    from ..video._frames import to_bytes, to_floats

    if isinstance(picture, Image.Image) or (isinstance(picture, np.ndarray) and picture.dtype == np.uint8):
        return np.asarray(_kinds.to_pil(picture))
    array = _kinds.to_array(picture)
    glance = array[:: max(1, len(array) // _GLANCE)]
    if not np.array_equal(to_floats(to_bytes(glance)), glance):
        return None
    levels = to_bytes(array)
    return levels if np.array_equal(to_floats(levels), array) else None


def weighted(colors: Array, weights: tuple[float, float, float]) -> Array:
    """R×C×3 float32 → R×C: the sum of the channels, weighted."""
    import cv2

    return cv2.transform(colors, np.array([weights], np.float32)).reshape(colors.shape[:2])


def to_lab(colors: Array) -> Array:
    """R×C×3 float32 sRGB in [0, 1] → CIE L*a*b* (D65), L from 0 to 100."""
    import cv2

    return cv2.cvtColor(colors, cv2.COLOR_RGB2Lab)


def from_lab(lab: Array) -> Array:
    """The inverse of `to_lab`; colours that no screen shows are clipped."""
    import cv2

    return cv2.cvtColor(lab.astype(np.float32, copy=False), cv2.COLOR_Lab2RGB).clip(0, 1)
