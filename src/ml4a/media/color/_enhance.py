"""Saturation, contrast and sharpness."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from PIL import Image, ImageEnhance

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .._checked import checked
from ..image import _kinds
from ..image._load import load
from ._colors import LUMA, Array, recolored, weighted


@checked
def enhance(
    picture: Picture,
    saturation: Annotated[float, Range(0, 100), Doc("0 is grey, 1 as it is.")] = 1.0,
    contrast: Annotated[float, Range(0, 100), Doc("0 is a flat grey, 1 as it is.")] = 1.0,
    sharpness: Annotated[float, Range(0, 100), Doc("0 is blurred, 1 as it is, 2 crisp.")] = 1.0,
) -> Any:
    """Raise or lower saturation, contrast and sharpness, in this order.

    Each moves the picture away from, or towards, a plainer one: its luma, its mean luma, itself smoothed. A PIL image
    goes through Pillow's own `ImageEnhance`, to the bit, which truncates to 8 bits thrice; floats follow the same
    formulas and are never rounded: up to 3 levels brighter, and fit for a loop.

    Args:
        picture: What to change.
        saturation: 0 is the luma alone, 1 changes nothing, 2 doubles the difference.
        contrast: 0 is the mean luma, 1 changes nothing.
        sharpness: 0 is smoothed over 3×3 pixels, 1 changes nothing.
    """
    if _kinds.kind_of(picture) == "pil":
        return _enhance_image(load(picture), saturation, contrast, sharpness)

    def change(colors: Array) -> Array:
        if saturation != 1:
            colors = _away(colors, weighted(colors, LUMA)[:, :, None], saturation)
        if contrast != 1:
            colors = _away(colors, weighted(colors, LUMA).mean(dtype=np.float64), contrast)
        return _away(colors, _smoothed(colors), sharpness) if sharpness != 1 else colors

    return recolored(picture, change, in_place=True)


def _enhance_image(image: Image.Image, saturation: float, contrast: float, sharpness: float) -> Image.Image:
    steps = (ImageEnhance.Color, saturation), (ImageEnhance.Contrast, contrast), (ImageEnhance.Sharpness, sharpness)
    for enhancer, factor in steps:
        image = enhancer(image).enhance(factor)
    return image


def _away(colors: Array, plain: Any, factor: float) -> Array:
    return (plain + np.float32(factor) * (colors - plain)).astype(np.float32).clip(0, 1)


def _smoothed(colors: Array) -> Array:
    """3×3 means, the middle counted five times; the outermost pixels stay as they are, as in Pillow."""
    import cv2

    kernel = np.ones((3, 3), np.float32)
    kernel[1, 1] = 5
    smooth = colors.copy()
    smooth[1:-1, 1:-1] = cv2.filter2D(colors, -1, kernel / kernel.sum())[1:-1, 1:-1]
    return smooth
