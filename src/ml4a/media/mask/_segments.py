"""Masks that divide a picture by its brightness or its colours; every pixel belongs to exactly one channel."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image, signals

from . import _clusters, _planes
from ._mask import Mask
from ._planes import Array
from ._stored import Stored, as_mask, luminance

_MOST = 64
_STEPS = 1 << 14
"""Steps of brightness that are told apart where areas are made equal."""


def threshold(picture: Picture, levels: Sequence[float] = (0.5,)) -> Mask:
    """Bands of brightness, parted at `levels`: channel 0 is the darkest.

        dark, middle, bright = (mask.threshold(photo, (0.3, 0.6)).channel(k) for k in range(3))

    A pixel belongs to band k if it is brighter than level k - 1 and not brighter than level k; so there is one channel
    more than there are levels, and they cover everything. (The library of 2021 wanted a last level of 255, and counted
    pixels twice if the levels did not rise.)

    Args:
        picture: Any.
        levels: Brightnesses in [0, 1], rising.

    Raises:
        BadValue: no levels, or they do not rise or are not in [0, 1].
    """
    numbers = [signals.number("a level", level) for level in levels]
    if not numbers or any(a >= b for a, b in itertools.pairwise(numbers)) or not 0 <= numbers[0] <= numbers[-1] <= 1:
        raise BadValue(f"levels must rise, from 0 at least to 1 at most, not {tuple(levels)}")
    brightness = luminance(image.to_array(picture))
    return _banded(brightness, numbers)


def bands(picture: Picture, n: int = 4) -> Mask:
    """Bands of brightness that cover about the same area each: channel 0 is the darkest.

    Pixels of one brightness stay together, so that flat pictures give bands of differing areas.

    Args:
        picture: Any.
        n: How many.

    Raises:
        BadValue: `n` is not between 1 and 64.
    """
    _check_count(n)
    brightness = luminance(image.to_array(picture))
    counts = np.cumsum(np.bincount((brightness * _STEPS).astype(np.int32).ravel(), minlength=_STEPS + 1))
    levels = np.searchsorted(counts, np.arange(1, n) / n * brightness.size) + 1
    return _banded(brightness, (levels / _STEPS).tolist())


def kmeans(picture: Picture, n: int = 4, *, previous: Any = None, smooth: float = 0.0) -> Mask:
    """Areas of similar colours. The same picture always gives the same areas.

        before = None
        for frame in clip:
            before = mask.kmeans(frame, 5, previous=before, smooth=0.01)

    Args:
        picture: Any.
        n: How many areas.
        previous: The mask of the frame before: its clusters are gone on from, and as many pixels as possible keep their
            channel. Without it channels are ordered by area, the largest first.
        smooth: Radius, in canvas units, within which colours are blended first: fewer specks.

    Raises:
        BadValue: `n` is not between 1 and 64; `smooth` is negative.
    """
    _check_count(n)
    if signals.number("smooth", smooth) < 0:
        raise BadValue(f"smooth must be 0 or more, not {smooth!r}")
    array = image.to_array(picture)[:, :, :3]
    height, width = array.shape[:2]
    if smooth > 0:
        array = _planes.blurred(array, smooth * min(width, height) / 2)
    labels = _clusters.segment(np.ascontiguousarray(array).reshape(-1, 3), n, weights_before(previous, (width, height)))
    return Stored(_clusters.one_hot(labels.reshape(height, width), n))


def weights_before(previous: Any, size: tuple[int, int]) -> Array | None:
    """What `_clusters.segment` goes on from: N×m, or nothing."""
    if previous is None:
        return None
    known = as_mask(previous)
    values = known.values if isinstance(known, Stored) and known.size == size else known(size, 0.0)
    return values.reshape(size[0] * size[1], -1)


def _banded(brightness: Array, levels: Sequence[float]) -> Mask:
    """One channel more than there are levels."""
    labels = np.zeros(brightness.shape, np.uint8)
    for level in levels:
        labels += brightness > level
    return Stored(_clusters.one_hot(labels, len(levels) + 1))


def _check_count(n: Any) -> None:
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or not 1 <= n <= _MOST:
        raise BadValue(f"n must be a whole number between 1 and {_MOST}, not {n!r}")
