"""Areas to outlines, by vtracer (Pun & Tsang, visioncortex)."""

from __future__ import annotations

import math
import re
from typing import Literal

import cv2
import numpy as np
import vtracer

from ._thinning import Array

_PATH = re.compile(r'<path d="([-+.,\deMLCZ ]*)" fill="(#[0-9A-Fa-f]{6})" transform="translate\(([-+.,\de ]*)\)"/>')


def outlines(
    pixels: Array, kind: Literal["binary", "color"], *, speck: int = 0, levels: int = 6
) -> list[tuple[str, str, str]]:
    """The outlines of areas of one colour, those behind first.

    Args:
        pixels: H×W×4, uint8, RGBA; what is transparent belongs to no area. For `"binary"`, areas are black on white.
        kind: Black areas only, or areas of every colour.
        speck: Areas of fewer pixels become part of what is around them.
        levels: Bits of each channel that tell colours apart.

    Returns:
        For each area its path, its colour as `#RRGGBB`, and `x,y`, by which it is moved.
    """
    bgra = np.ascontiguousarray(pixels[:, :, [2, 1, 0, 3]])
    png = cv2.imencode(".png", bgra, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
    document = vtracer.convert_raw_image_to_svg(
        png,
        img_format="png",
        colormode=kind,
        filter_speckle=math.isqrt(speck),
        color_precision=levels,
        path_precision=1,
    )
    return [(path.strip(), color, moved) for path, color, moved in _PATH.findall(document)]
