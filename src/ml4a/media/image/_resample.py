"""Resampling: one set of filters (Pillow's, anti-aliased when reducing) for 8-bit images and for float arrays."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, overload

import numpy as np
from PIL import Image

from ml4a._core import limits
from ml4a._core.errors import BadValue, TooLarge

Filter: TypeAlias = Literal["auto", "nearest", "bilinear", "bicubic", "lanczos", "area"]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}

_FAINT = 1e-4
"""Alpha below which a pixel keeps the colour that it would have without."""


def target_size(current: tuple[int, int], size: Any) -> tuple[int, int]:
    """(width, height) for `size`: a tuple is exact, a number is the height and keeps the aspect.

    Raises:
        BadValue: not positive whole numbers.
        TooLarge: more than `limits.PICTURE_PIXELS`.
    """
    if _is_side(size):
        width, height = max(1, current[0] * int(size) // current[1]), int(size)
    elif isinstance(size, tuple | list) and len(size) == 2 and all(map(_is_side, size)):
        width, height = map(int, size)
    else:
        raise BadValue(f"size must be a height or (width, height) in whole pixels from 1 up, not {size!r}")
    if width * height > limits.PICTURE_PIXELS:
        raise TooLarge(f"size {width}x{height} is more than the limit of {limits.PICTURE_PIXELS:,} pixels")
    return width, height


@overload
def resample(picture: Image.Image, size: tuple[int, int], how: Filter) -> Image.Image: ...
@overload
def resample(picture: np.ndarray[Any, Any], size: tuple[int, int], how: Filter) -> np.ndarray[Any, Any]: ...


def resample(picture: Any, size: tuple[int, int], how: Filter) -> Any:
    """An RGB[A] image, or an H×W[×C] float32 array in [0, 1] (alpha last if C is 2 or 4), at `size` = (width, height).

    `"auto"` is bicubic where the area grows or stays, and Lanczos where it shrinks. Colours are weighted by alpha.

    Raises:
        BadValue: no such filter.
    """
    current = picture.size if isinstance(picture, Image.Image) else (picture.shape[1], picture.shape[0])
    if how == "auto":
        how = "bicubic" if size[0] * size[1] >= current[0] * current[1] else "lanczos"
    if how not in _FILTERS:
        raise BadValue(f"filter must be one of auto, {', '.join(_FILTERS)}, not {how!r}")
    if size == current:
        return picture.copy()
    if isinstance(picture, Image.Image):
        return picture.resize(size, _FILTERS[how])
    return _resample_array(picture, size, _FILTERS[how])


def _resample_array(array: np.ndarray[Any, Any], size: tuple[int, int], how: Image.Resampling) -> np.ndarray[Any, Any]:
    if array.ndim == 2:
        return _resample_plane(array, size, how).clip(0, 1)
    planes = [_resample_plane(array[:, :, channel], size, how) for channel in range(array.shape[2])]
    if array.shape[2] in (2, 4) and how != Image.Resampling.NEAREST and array[:, :, -1].min() < 1:
        # Weighted by alpha, so that the colours of transparent pixels do not bleed into the others.
        old, new = array[:, :, -1], planes[-1]
        for channel, plain in enumerate(planes[:-1]):
            weighted = _resample_plane(array[:, :, channel] * old, size, how) / np.maximum(new, _FAINT)
            planes[channel] = np.where(new > _FAINT, weighted, plain)
    return np.stack(planes, axis=2).clip(0, 1)


def _resample_plane(plane: np.ndarray[Any, Any], size: tuple[int, int], how: Image.Resampling) -> np.ndarray[Any, Any]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, how))


def _is_side(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1
