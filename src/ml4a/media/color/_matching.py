"""Histogram matching: one picture's values, dealt out by another's, exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture

from .._checked import checked
from ..image import _kinds
from ..image._load import load, load_deep
from ._colors import Array, colors_of, eight_bit, recolored, visible
from ._histogram import Histogram, count_levels
from ._ranks import deal_levels, deal_values


@checked
def match_histogram(picture: Picture, reference: Picture | Histogram) -> Any:
    """Give `picture` the histogram of `reference`, channel by channel, exactly.

    The pixels are ranked by value and dealt the reference's values by rank; those of equal value in raster order, so
    that equal colours may part. What has only the levels of 8 bits, as PIL images and frames of films, is matched by
    counting, everything finer by sorting, at its full precision. (The library of 2021 rounded the count of each level
    down, which left the brightest pixels as they were; here all are dealt a value.)

        color.match_histogram(photo, painting)
        color.match_histogram(photo, color.average_histogram(clip))

    Args:
        picture: What to change.
        reference: A picture of any size, or a histogram of `"rgb"`.

    Returns:
        A picture of the kind of `picture`, its alpha kept.

    Raises:
        BadValue: the histogram is of another channel, or all of the reference is transparent.
    """
    if isinstance(reference, Histogram):
        if reference.channel != "rgb":
            raise BadValue(f'matching wants a histogram of "rgb", not of {reference.channel!r}')
    else:
        reference, _ = load_deep(reference)
    kind, (source, _) = _kinds.kind_of(picture), load_deep(picture)
    levels, counts = eight_bit(source), _level_counts(reference)
    if levels is not None and counts is not None:
        return _match_levels(levels, counts, kind)
    due = _values_due(reference)
    matched = recolored(
        load(source, as_array=True),
        lambda colors: _by_channel(colors, lambda plane, channel: deal_values(plane, due(channel, plane.size))),
    )
    return _kinds.as_kind(matched, kind)


def _match_levels(array: Array, counts: Array, kind: _kinds.KindName) -> Any:
    """Match H×W×C uint8 to 256×3 counts."""
    result = array.copy()
    colors = colors_of(array)
    if colors.size:
        result[visible(array), :3] = _by_channel(
            colors, lambda plane, channel: deal_levels(plane, _scaled(counts[:, channel], plane.size))
        )
    return _kinds.as_kind(result if kind == "pil" else _kinds.as_float(result), kind)


def _by_channel(colors: Array, deal: Callable[[Array, int], Array]) -> Array:
    """R×C×3 with each channel, flat, passed through a function of it and its number."""
    import cv2

    planes = [deal(plane.reshape(-1), channel) for channel, plane in enumerate(cv2.split(colors))]
    return cv2.merge([plane.reshape(colors.shape[:2]) for plane in planes])


def _level_counts(reference: Any) -> Array | None:
    """256×3 counts, if the reference has no finer levels."""
    if isinstance(reference, Histogram):
        return reference.counts if reference.bins == 256 else None
    levels = eight_bit(reference)
    if levels is None:
        return None
    colors = _seen(levels)
    return np.stack([count_levels(colors[:, :, c]) for c in range(3)], axis=1)


def _scaled(counts: Array, pixels: int) -> Array:
    """Counts in proportion that sum to `pixels`."""
    sums = counts.cumsum()
    return np.diff(np.rint(sums * (pixels / sums[-1])).astype(np.int64), prepend=0)


def _values_due(reference: Any) -> Callable[[int, int], Array]:
    """A function of a channel and a number: so many float32 values, ascending, in the reference's proportions."""
    if isinstance(reference, Histogram):
        counts = reference.counts
        return lambda channel, pixels: _spread(_scaled(counts[:, channel], pixels))
    colors = _seen(load(reference, as_array=True))
    ascending = [np.sort(colors[:, :, channel], axis=None) for channel in range(3)]

    def due(channel: int, pixels: int) -> Array:
        values = ascending[channel]
        if len(values) == pixels:
            return values
        return values[((np.arange(pixels) + 0.5) * (len(values) / pixels)).astype(np.int64)]

    return due


def _spread(counts: Array) -> Array:
    """Values of bins that hold `counts`, evenly spread in each, lest 256 bins make 256 steps of smooth floats."""
    bins, pixels = len(counts), int(counts.sum())
    bin_ = np.repeat(np.arange(bins), counts)
    place = np.arange(pixels) - (counts.cumsum() - counts)[bin_]
    values = (bin_ + (place + 0.5) / counts[bin_] - 0.5) / (bins - 1)
    return values.clip(0, 1).astype(np.float32)


def _seen(array: Array) -> Array:
    colors = colors_of(array)
    if colors.size == 0:
        raise BadValue("every pixel of the reference is transparent; there is nothing to match")
    return colors
