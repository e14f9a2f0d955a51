"""Histograms: how many pixels have each value."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

import numpy as np
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .._checked import checked
from ..image._load import load, load_deep
from ._colors import INTENSITY, LUMA, Array, colors_of, eight_bit, weighted

Channel: TypeAlias = Literal["luma", "intensity", "rgb"]
Bins: TypeAlias = Annotated[int, Range(2, 65536), Doc("How many bins; those of 256 are the levels of 8 bits.")]

_ROUNDING = 1e-3
"""Levels by which float arithmetic may miss a whole one."""
_EXACT = 1 << 24
"""OpenCV counts in float32: beyond this it misses some."""


@dataclass(frozen=True, eq=False, slots=True)
class Histogram:
    """Counts of a picture's values, or the average of several pictures'. In a notebook it shows itself."""

    counts: Array
    """bins × 1, or bins × 3 for red, green and blue: float64, read-only."""
    channel: Channel
    """What was counted."""

    def __post_init__(self) -> None:
        try:
            counts = np.array(self.counts, np.float64)
        except (TypeError, ValueError):
            raise BadValue("the counts of a histogram are numbers") from None
        columns = 3 if self.channel == "rgb" else 1
        counts = counts[:, None] if counts.ndim == 1 else counts
        if counts.ndim != 2 or counts.shape[1] != columns or not 2 <= len(counts) <= 65536:
            raise BadValue(f"a histogram of {self.channel} has 2 to 65536 bins × {columns}, not {counts.shape}")
        if not (np.isfinite(counts).all() and counts.min() >= 0 and counts.sum(axis=0).min() > 0):
            raise BadValue("the counts of a histogram are 0 or more, with some above 0 in each channel")
        counts.flags.writeable = False
        object.__setattr__(self, "counts", counts)

    @property
    def bins(self) -> int:
        """How many there are."""
        return len(self.counts)

    @property
    def cumulative(self) -> Array:
        """The share of the pixels in each bin and those below, bins × C."""
        sums = self.counts.cumsum(axis=0)
        return sums / sums[-1]

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        _plot(self.counts).save(buffer, "PNG")
        return buffer.getvalue()


@checked
def histogram(picture: Picture, channel: Channel = "luma", bins: Bins = 256) -> Histogram:
    """Count the values of a picture.

        color.histogram("sample:coffee", "rgb").counts[0]    # how many pixels have no red, no green, no blue

    Args:
        picture: What to count.
        channel: `"luma"`, how bright a pixel looks; `"intensity"`, the mean of its three values; `"rgb"`, each apart.
        bins: The bin of a value x is that of the nearest level of 8 bits (of `"intensity"` the level below, as in the
            library of 2021), of the nearest of `bins` levels if these are more than 256.

    Raises:
        BadValue: every pixel is wholly transparent.
    """
    return Histogram(_count(_loaded(picture), channel, bins), channel)


@checked
def average_histogram(frames: Iterable[Picture], channel: Channel = "rgb", bins: Bins = 256) -> Histogram:
    """The mean of the histograms of many pictures, one in memory at a time: a reference for `match_histogram`.

    Each picture counts as much as any other, whatever its size. (The library of 2021 took every eighth frame, and
    counted only intensities, with which its own matching could do nothing.)

    Args:
        frames: Pictures, or a clip.
        channel: As in `histogram`; matching wants `"rgb"`.
        bins: As in `histogram`.

    Raises:
        BadValue: there are none.
    """
    total, number, pixels = np.zeros((bins, 3 if channel == "rgb" else 1)), 0, 0.0
    for number, frame in enumerate(frames, start=1):  # noqa: B007
        counts = _count(_loaded(frame), channel, bins)
        total += counts / counts[:, 0].sum()
        pixels += counts[:, 0].sum()
    if number == 0:
        raise BadValue("there are no pictures to average the histograms of")
    return Histogram(total * (pixels / number) / number, channel)


def _loaded(picture: Picture) -> Array:
    """H×W×C, C = 3 or 4: uint8 where nothing is finer, else float32."""
    loaded, _ = load_deep(picture)
    levels = eight_bit(loaded)
    return load(loaded, as_array=True) if levels is None else levels


def _count(array: Array, channel: Channel, bins: int) -> Array:
    """Counts of an H×W×C array, bins × 1 or bins × 3."""
    colors = colors_of(array)
    if colors.size == 0:
        raise BadValue("every pixel of the picture is transparent; there is nothing to count")
    if channel == "rgb" and colors.dtype == np.uint8 and bins == 256:
        return np.stack([count_levels(colors[:, :, c]) for c in range(3)], axis=1).astype(np.float64)
    if colors.dtype == np.uint8:
        colors = colors.astype(np.float32) / 255
    if channel == "rgb":
        planes = [colors[:, :, c] for c in range(3)]
    else:
        planes = [weighted(colors, LUMA if channel == "luma" else INTENSITY)]
    nearest = _ROUNDING if channel == "intensity" else 0.5
    return np.stack([_count_plane(plane, bins, nearest) for plane in planes], axis=1)


def count_levels(plane: Array) -> Array:
    """256 int64 counts of an array of uint8."""
    import cv2

    counts = np.zeros(256, np.int64)
    row = np.ascontiguousarray(plane).reshape(1, -1)
    for start in range(0, row.size, _EXACT):
        part = row[:, start : start + _EXACT]
        counts += cv2.calcHist([part], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return counts


def _count_plane(plane: Array, bins: int, rounding: float) -> Array:
    levels = max(256, bins)
    level = (plane.ravel() * np.float32(levels - 1) + np.float32(rounding)).astype(np.int64)
    return np.bincount(level * bins // levels, minlength=bins).astype(np.float64)


def _plot(counts: Array) -> Image.Image:
    """The counts as overlapping areas, the tallest as high as the picture."""
    height, width = 160, 512
    edges = np.linspace(0, len(counts), width + 1).astype(int)
    columns = np.maximum.reduceat(counts, np.minimum(edges[:-1], len(counts) - 1), axis=0)
    tall = columns / max(np.quantile(columns, 0.995), columns.max() / 4)
    filled = np.arange(height, 0, -1)[:, None, None] <= tall[None] * height
    picture = np.full((height, width, 3), 250, np.uint8)
    if counts.shape[1] == 1:
        picture[filled[:, :, 0]] = 70
    else:
        # Light mixes: where all three overlap it is nearly white, alone each is its own colour.
        any_filled = filled.any(axis=2)
        picture[any_filled] = np.where(filled, 225, 45)[any_filled]
    return Image.fromarray(picture)
