"""Masks on the canvas: what weighs several warps, or says where something happens."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue
from ml4a.media import signals
from ml4a.media.signals import Signal

from ._points import Array, Held, Points
from ._sample import pixel_places

Mask: TypeAlias = Callable[[tuple[int, int], float], Array]
"""Values for a size (width, height) and a time: H×W×n floats, such as an `ml4a.media.mask.Mask`."""


def checked_mask(mask: Any) -> Any:
    """`mask` as a warp keeps it: None, a number in [0, 1], a signal, a function, or an array that is held.

    Raises:
        BadValue: it is none of these.
    """
    if mask is None or isinstance(mask, Signal | Held):
        return mask
    if isinstance(mask, np.ndarray):
        return Held(_checked_values(mask))
    if callable(mask):
        return mask
    share = signals.number("the share of a mix", mask)
    if not 0 <= share <= 1:
        raise BadValue(f"the share of a mix must be between 0 and 1, not {mask!r}")
    return share


def is_moving(mask: Any) -> bool:
    """Whether a mask may change with time; a function does, unless it says not."""
    return isinstance(mask, Signal) or (callable(mask) and getattr(mask, "moving", True) is not False)


def values(mask: Any, size: tuple[int, int], time: float) -> Array:
    """A mask that is held or a function: H×W×n float32 of this size. Not to be written to.

    Raises:
        BadValue: its values are no mask's.
    """
    import cv2

    if isinstance(mask, Held):
        found = mask.array
    else:
        found = _checked_values(mask(size, time)) if is_moving(mask) else _unmoving(mask, size)
    if (found.shape[1], found.shape[0]) != size:
        found = cv2.resize(found, size, interpolation=cv2.INTER_LINEAR).reshape(size[1], size[0], -1)
    return found


def weights(mask: Any, count: int, points: Points) -> list[Any]:
    """The shares of `count` things at each of the points: they sum to one.

    Returns:
        A number or an H×W float32 array for each.

    Raises:
        BadValue: the mask has as many channels as there are neither things nor one, or its values are no mask's.
    """
    if mask is None:
        return [1 / count] * count
    if isinstance(mask, float):
        _check_channels(1, count)
        return [mask, 1 - mask]
    stage = points.stage
    found = stage.once(id(mask), lambda: values(mask, stage.size, stage.time))
    _check_channels(found.shape[2], count)
    return _shares(found[points.rows] if points.at_rest else _looked_up(found, points), count)


def _shares(found: Array, count: int) -> list[Array]:
    if found.shape[2] < count:
        first = found[:, :, 0].clip(0, 1)
        return [first, 1 - first]
    total = found.sum(axis=2)
    nothing = total == 0
    if nothing.any():
        found, total = found.copy(), total + count * nothing
        found[nothing] = 1
    return [found[:, :, channel] / total for channel in range(count)]


def _looked_up(found: Array, points: Points) -> Array:
    """The mask's values where the points look; beyond its border it is as at the border."""
    import cv2

    x, y = pixel_places(points.arrays, points.stage.size)
    planes = (np.ascontiguousarray(found[:, :, channel]) for channel in range(found.shape[2]))
    return np.dstack([cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in planes])


def _checked_values(found: Any) -> Array:
    if not isinstance(found, np.ndarray) or found.ndim not in (2, 3) or found.size == 0 or found.dtype.kind not in "fb":
        what = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise BadValue(f"a mask's values are H×W or H×W×n floats from 0 up, not {what}")
    found = found.astype(np.float32, copy=False)
    low, high = float(found.min()), float(found.max())
    if not (low >= 0 and high < float("inf")):  # also false for NaN
        raise BadValue(f"a mask's values are finite and from 0 up; these reach from {low:g} to {high:g}")
    return np.ascontiguousarray(found.reshape(*found.shape[:2], -1))


def _check_channels(channels: int, count: int) -> None:
    if channels != count and (channels, count) != (1, 2):
        raise BadValue(f"a mask with {channels} channels cannot mix {count} warps; it needs a channel for each")


@functools.lru_cache(maxsize=8)
def _unmoving(mask: Any, size: tuple[int, int]) -> Array:
    return _checked_values(mask(size, 0.0))
