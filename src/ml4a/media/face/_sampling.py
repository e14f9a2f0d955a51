"""A picture moved, turned and scaled by a matrix, with one interpolation, and anti-aliased where it shrinks."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

from ..canvas import _sample
from ..image import _resample
from ._layout import Array

Border: TypeAlias = Literal["black", "transparent", "clamp", "mirror"]

BORDERS = ("black", "transparent", "clamp", "mirror")


def sampled(array: Array, matrix: Array, size: tuple[int, int], border: str) -> Array:
    """What (width, height) pixels show of a picture.

    Where it shrinks, it is looked up in its own fineness first and then reduced.

    Args:
        array: H×W×C float32 in [0, 1], C = 3, or 4 with alpha.
        matrix: 2×3: from places in the picture to places in the result, pixel centres at half-integers.
        size: (width, height) of the result.
        border: What is outside the picture: "black" (transparent, too, if the picture has alpha), "transparent" (the
            result has alpha), the border's own pixels ("clamp"), or the picture mirrored ("mirror").

    Raises:
        BadValue: no such border, or the matrix squashes the picture to a line.
    """
    if border not in BORDERS:
        raise BadValue(f"border must be one of {', '.join(BORDERS)}, not {border!r}")
    fine = _fine_size(array.shape[1::-1], matrix, size)
    stretch = np.diag([fine[0] / size[0], fine[1] / size[1], 1.0])
    back = inverse((stretch @ _square(matrix))[:2])
    # Places of the first pixel's middle, which OpenCV counts as 0.
    back[:, 2] += back[:, :2] @ (0.5, 0.5) - 0.5
    result = _sample.through_matrix(array, back, fine, "transparent" if border == "black" else border, "bicubic")
    if fine != size:
        result = _resample.resample(result, size, "lanczos")
    if border == "black" and array.shape[2] == 3:
        result = result[:, :, :3] * result[:, :, 3:]
    return result


def inverse(matrix: Array) -> Array:
    """The 2×3 matrix that leads back.

    Raises:
        BadValue: there is none.
    """
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :2])) < 1e-12:
        raise BadValue("the matrix squashes the picture to a line; are both eyes at the same place?")
    return np.linalg.inv(_square(matrix))[:2]


def scale_of(matrix: Array) -> float:
    """By how much lengths grow, on average over the directions."""
    return math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))


def _fine_size(source: tuple[int, ...], matrix: Array, size: tuple[int, int]) -> tuple[int, int]:
    """The size at which the picture need not shrink. What it takes is bounded by the picture itself."""
    factor = 1 / max(scale_of(matrix), 1e-6)
    most = min(2 * math.hypot(*source), 16_384) / max(size)
    factor = max(1.0, min(factor, most))
    return math.ceil(size[0] * factor), math.ceil(size[1] * factor)


def _square(matrix: Array) -> Array:
    return np.vstack([matrix, (0, 0, 1)])
