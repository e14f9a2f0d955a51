"""Masks that hold their values, and the masks that pictures give: alpha, brightness, a network's result."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import reprlib
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ml4a._core import limits
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image, signals
from ml4a.media._value import check_names

from . import _planes
from ._mask import Mask
from ._planes import Array

_MOST_CHANNELS = 64
_ROUNDING = 1e-3
"""How far values may leave [0, 1] by rounding, before they must be a mistake."""


class Stored(Mask, kind="stored"):
    """Values, resized (bilinearly, or by averaging where they shrink) to the size that is asked for."""

    def __init__(self, values: Array) -> None:
        """Of values H×W×n float32 in [0, 1], which are kept without a copy."""
        self._values = values
        self._values.flags.writeable = False

    @property
    def channels(self) -> int:
        return self._values.shape[2]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the values."""
        return self._values.shape[1], self._values.shape[0]

    @property
    def values(self) -> Array:
        """H×W×n float32, not to be written to."""
        return self._values

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        out[:] = _planes.resized(self._values, size)

    def to_data(self) -> Any:
        values = base64.b64encode(zlib.compress(self._values.astype("<f4").tobytes())).decode()
        return {self.kind: {"shape": list(self._values.shape), "values": values}}

    @classmethod
    def arguments(cls, content: Any, where: str) -> dict[str, Any]:
        """What makes it again."""
        check_names(content, where, ("shape", "values"))
        shape, values = content.get("shape"), content.get("values")
        whole = isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)
        if not whole or len(shape) != 3 or shape[0] * shape[1] * shape[2] > limits.PICTURE_PIXELS:
            raise BadValue(
                f"{where}.shape must be height, width and channels of a picture's size, not {reprlib.repr(shape)}"
            )
        count = shape[0] * shape[1] * shape[2] * 4
        try:
            packed = base64.b64decode(values, validate=True)
            raw = zlib.decompressobj().decompress(packed, count + 1)
        except (binascii.Error, zlib.error, TypeError, ValueError):
            raise BadValue(f"{where}.values must be compressed numbers in base64, as to_data writes them") from None
        if len(raw) != count:
            raise BadValue(f"{where}.values must be {'×'.join(map(str, shape))} numbers, which they are not")
        return {"values": _checked(np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape))}

    @functools.cached_property
    def _digest(self) -> bytes:
        return hashlib.sha256(self._values.tobytes()).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stored) and (self._values.shape, self._digest) == (other._values.shape, other._digest)

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        return f"mask.from_array(<{'×'.join(map(str, self._values.shape))} values>)"


def from_array(values: Array) -> Mask:
    """A mask of values that are there already, such as a model's result.

        depth = mask.from_array(np.linspace(0, 1, 64).reshape(8, 8))

    Args:
        values: H×W or H×W×n: floats in [0, 1], bool, or uint8 (255 is 1). They are copied.

    Raises:
        BadValue: another shape or type; NaN, or values outside [0, 1].
    """
    if not isinstance(values, np.ndarray):
        raise BadValue(f"a mask's values are an array, not {type(values).__name__}; mask.from_image takes pictures")
    if values.dtype == np.uint8:
        return Stored(_checked(values.astype(np.float32) / 255))
    if values.dtype.kind not in "fb":
        raise BadValue(f"a mask's values are floats in [0, 1], bool or uint8, not {values.dtype}")
    return Stored(_checked(values.astype(np.float32)))


def from_image(picture: Picture) -> Mask:
    """A picture's values as they are: one channel if it is grey, else red, green and blue.

    Raises:
        BadValue, BadMedia, NotFound: as `image.load`.
    """
    array = image.to_array(picture)[:, :, :3]
    grey = np.array_equal(array[:, :, 0], array[:, :, 1]) and np.array_equal(array[:, :, 0], array[:, :, 2])
    return Stored(array[:, :, :1].copy() if grey else array.copy())


def from_alpha(picture: Picture) -> Mask:
    """How opaque a picture is: one channel, all ones if it has no alpha.

    Raises:
        BadValue, BadMedia, NotFound: as `image.load`.
    """
    array = image.to_array(picture)
    return Stored(array[:, :, 3:].copy() if array.shape[2] == 4 else np.ones((*array.shape[:2], 1), np.float32))


def from_luminance(picture: Picture) -> Mask:
    """How bright a picture is: one channel, by the weights of Rec. 601 (0.299, 0.587, 0.114).

    Raises:
        BadValue, BadMedia, NotFound: as `image.load`.
    """
    return Stored(luminance(image.to_array(picture))[:, :, None])


def foreground(picture: Picture, network: Callable[[Any], Any]) -> Mask:
    """What a network takes for the foreground: one channel.

        cut = mask.foreground(photo, ml4a.load("basnet"))

    Args:
        picture: Given to the network as it is.
        network: Any picture → mask function; the mask may be a picture, whose brightness counts, or H×W floats.

    Raises:
        BadValue: what comes back is neither.
    """
    result = network(picture)
    if isinstance(result, np.ndarray) and (result.ndim == 2 or result.shape[2:] == (1,)):
        return from_array(result)
    return from_luminance(result)


def luminance(array: Array) -> Array:
    """H×W×3 or H×W×4 → H×W."""
    import cv2

    code = cv2.COLOR_RGB2GRAY if array.shape[2] == 3 else cv2.COLOR_RGBA2GRAY
    return cv2.cvtColor(array, code).reshape(array.shape[:2]).clip(0, 1)


def as_mask(mask: Any) -> Callable[[tuple[int, int], float], Array]:
    """Anything that counts as a mask – a function of size and time, an array, a picture – as such a function."""
    if isinstance(mask, Mask):
        return mask
    if callable(mask):
        return lambda size, time: _called(mask, size, time)
    return from_array(mask) if isinstance(mask, np.ndarray) else from_image(mask)


def _called(mask: Callable[[tuple[int, int], float], Any], size: tuple[int, int], time: float) -> Array:
    signals.number("the time", time)
    values = np.asarray(mask(size, time))
    if values.shape[:2] != size[::-1]:
        raise BadValue(f"a mask of {size[0]}×{size[1]} px has {size[1]} rows and {size[0]} columns, not {values.shape}")
    return _checked(values.astype(np.float32))


def _checked(values: Array) -> Array:
    """H×W or H×W×n float32 → H×W×n in [0, 1]."""
    if values.ndim == 2:
        values = values[:, :, None]
    if values.ndim != 3 or values.size == 0 or values.shape[2] > _MOST_CHANNELS:
        shape = "×".join(map(str, values.shape)) or "a single value"
        raise BadValue(f"a mask's array is H×W or H×W×n with 1 to {_MOST_CHANNELS} channels, not {shape}")
    low, high = float(values.min()), float(values.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also false for NaN
        raise BadValue(f"a mask's values are in [0, 1]; these reach from {low:g} to {high:g}")
    return values if low >= 0 and high <= 1 else values.clip(0, 1)
