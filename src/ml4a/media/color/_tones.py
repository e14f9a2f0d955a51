"""Tones spread out: histogram equalisation and the range of colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .._checked import checked
from ._colors import LUMA, Array, recolored, weighted
from ._histogram import Histogram
from ._histogram import histogram as count

_LEVELS = 1 << 16


@checked
def equalize(picture: Picture, channel: Literal["luma", "rgb"] = "luma") -> Any:
    """Spread the values of a picture so that each is about as frequent as any other.

    A value becomes the share of the pixels that are not above it, stretched so that the darkest is 0 and the brightest
    1; floats are told apart at 16 bits. A picture of one value stays as it is. (The library of 2021 gave every value
    the entry of the next one up, and failed on white.)

    Args:
        picture: What to change.
        channel: `"luma"` changes all three channels by the curve that equalises how bright the pixels look, which
            keeps the hues near; `"rgb"` each channel by its own.
    """

    def change(colors: Array) -> Array:
        if channel == "luma":
            return _equalizing(weighted(colors, LUMA))(colors)
        return np.stack([_equalizing(colors[:, :, c])(colors[:, :, c]) for c in range(3)], axis=2)

    return recolored(picture, change)


def _equalizing(values: Array) -> Callable[[Array], Array]:
    """The curve that equalises R×C float32 in [0, 1]."""
    sums = np.bincount(_levels(values).reshape(-1), minlength=_LEVELS).cumsum()
    lowest = sums[np.argmax(sums > 0)]
    if lowest == sums[-1]:
        return lambda array: array
    table = ((sums - lowest).clip(0) / (sums[-1] - lowest)).astype(np.float32)
    return lambda array: table[_levels(array)]


def _levels(values: Array) -> Array:
    return (values * np.float32(_LEVELS - 1) + np.float32(0.5)).astype(np.uint16)


@checked
def adjust_range(
    picture: Picture,
    amount: Annotated[float, Range(-1, 1), Doc("1 stretches to the full range, a negative number compresses.")] = 1.0,
    border: Annotated[float, Range(0, 0.49), Doc("Share of pixels at either end that may be clipped.")] = 0.02,
    histogram: Histogram | None = None,
) -> Any:
    """Stretch the range of a picture's values towards black and white, or compress it.

    The darkest and brightest levels beyond `border` are moved to their new places and all else in proportion, the same
    in all channels.

    Args:
        picture: What to change.
        amount: 0 changes nothing, 1 moves the two levels to 0 and 1; −0.3 moves them inwards, until they meet.
        border: The levels are those with this share of the pixels below, and above.
        histogram: Where the levels are looked for, to treat all frames of a film alike; the picture's own intensities
            by default.

    Raises:
        BadValue: a number out of range, or a histogram of `"rgb"`.
    """
    counted = count(picture, "intensity") if histogram is None else histogram
    if not isinstance(counted, Histogram) or counted.channel == "rgb":
        raise BadValue('the range is adjusted by a Histogram of "intensity" or "luma"')
    share, top = counted.cumulative[:, 0], counted.bins - 1
    within = np.flatnonzero(share < 1 - border)
    low, high = int(np.argmax(share > border)), int(within[-1]) if len(within) else 0
    if high <= low:
        return recolored(picture, lambda colors: colors)
    new_low, new_high = math.trunc((1 - amount) * low), high + amount * (top - high)
    if new_high < new_low:  # compressed beyond flat, the picture would be its own negative
        new_low = new_high = (low + high) / 2
    gain = (new_high - new_low) / (high - low)
    offset = (new_low - gain * low) / top
    return recolored(picture, lambda colors: colors * np.float32(gain) + np.float32(offset))
