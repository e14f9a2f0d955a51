"""EXIF orientation: how far a camera was turned. Applied once, then forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageOps

_TAG = 0x0112


def of(picture: Image.Image) -> int:
    """1 (upright) to 8, by the EXIF data of a PIL image; 1 if it has none that make sense."""
    try:
        value = picture.getexif().get(_TAG, 1)
    except Exception:  # EXIF data come from outside and may be anything; the pixels are still worth having
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(picture: Image.Image) -> Image.Image:
    """`picture` turned upright; nothing is left of the tag."""
    return picture if of(picture) == 1 else ImageOps.exif_transpose(picture)


def upright_array(array: np.ndarray[Any, Any], orientation: int) -> np.ndarray[Any, Any]:
    """An H×W×C array turned upright."""
    if orientation >= 5:  # rows and columns are exchanged first
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """(width, height) after turning."""
    return (size[1], size[0]) if orientation >= 5 else size
