"""Frames of a film or animation, and the step between 8 bits in files and floats in memory."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture and when it is shown."""

    array: np.ndarray[Any, Any]
    """H×W×3, or H×W×4 with transparency: float32 in [0, 1]; uint8 on its way from and to a file."""
    time: Fraction
    """Seconds since the film began."""
    duration: Fraction
    """Seconds until the next frame."""


def to_floats(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """H×W×C uint8 → float32 in [0, 1], a new array; floats are given back as they are."""
    if picture.dtype != np.uint8:
        return picture
    floats = picture.astype(np.float32)
    floats /= 255
    return floats


def checked(picture: Any) -> np.ndarray[Any, Any]:
    """What a function made of a frame, if it is a picture.

    Raises:
        BadValue: not H×W×3 or H×W×4 floats.
    """
    if not isinstance(picture, np.ndarray) or picture.dtype.kind != "f":
        what = f"{picture.dtype} array" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise BadValue(f"a frame is an array of floats in [0, 1], not {what}; convert what the function returns")
    if picture.ndim != 3 or picture.shape[2] not in (3, 4) or picture.size == 0:
        raise BadValue(f"a frame is H×W×3 or H×W×4, not {'×'.join(map(str, picture.shape)) or 'a single value'}")
    return picture


def to_bytes(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """H×W×C floats in [0, 1] → the nearest of 256 levels; what lies outside is clipped, NaN becomes black.

    Bytes are given back as they are.
    """
    import cv2

    if picture.dtype == np.uint8:
        return picture
    height, width, channels = picture.shape
    rows = np.ascontiguousarray(picture, dtype=np.float32).reshape(height, width * channels)
    levels: Any = 255.0
    return cv2.multiply(rows, levels, dtype=cv2.CV_8U).reshape(height, width, channels)


def on_white(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """H×W×4 uint8 or floats → H×W×3, laid on white; H×W×3 is given back as it is."""
    if picture.shape[2] == 3:
        return picture
    if picture.dtype != np.uint8:
        return 1 + picture[:, :, 3:] * (picture[:, :, :3] - 1)
    alpha = picture[:, :, 3:].astype(np.uint16)
    return ((picture[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
