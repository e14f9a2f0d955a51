"""Sounds whose spectrogram shows a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture

from ..image import _kinds, _load
from ..signals import number
from . import _griffin_lim, _picture
from ._sound import Sound, checked_rate, read_only

_LONGEST = 600.0
"""Seconds; all of the spectrum is in memory."""
_WINDOW = 0.046
"""Seconds of a frame: long enough to tell pitches apart, short enough to tell columns apart."""
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def from_picture(
    picture: Picture,
    seconds: float = 5,
    *,
    low: float = 200,
    high: float = 10_000,
    rate: int = 44_100,
    iterations: int = 32,
    seed: int = 0,
) -> Sound:
    """A sound whose spectrogram shows the picture: time to the right, pitch upward, loud where it is bright.

        sound = audio.from_picture("sample:astronaut", seconds=8)
        sound.spectrogram((512, 512), low=200, high=10_000)          # there it is

    Args:
        picture: Of any kind, at its brightness; what is transparent is silent.
        seconds: How long the sound is: above 0, to 600.
        low: Hz of its lower edge, where an octave has the fewest frequencies, so that details blur.
        high: Hz of its upper edge, at most half of `rate`; from the one to the other it goes by octaves.
        rate: Hz of the sound.
        iterations: As `griffin_lim` takes them; more make it clearer.
        seed: Of its phases.

    Returns:
        One channel, its loudest sample at -1 dB. White is 80 dB above the darkest grey; black is silent.

    Raises:
        BadValue: a number out of range.
        NotFound, BadMedia, TooLarge: as `image.load`.
    """
    rate = checked_rate(rate)
    if not 0 < number("seconds", seconds) <= _LONGEST:
        raise BadValue(f"seconds must be above 0 and at most {_LONGEST:g}, not {seconds!r}")
    _picture.check_band(low, high, rate)
    brightness = _brightness(picture)
    hop, bins = _frame(rate)
    length = max(1, round(seconds * rate))
    columns = _averaged(brightness.T, (np.arange(length // hop + 2) - 0.5) * hop / length).T
    hertz = np.maximum(np.arange(bins + 1) - 0.5, 0.1) * rate / (2 * (bins - 1))  # edges of the bins
    heights = np.log(high / hertz) / math.log(high / low)
    rows = _averaged(columns[::-1], 1 - heights)
    magnitudes = 10 ** (_picture.FLOOR / 20 * (1 - rows))
    magnitudes[rows <= 0] = 0
    magnitudes[(hertz[1:] <= low) | (hertz[:-1] >= high)] = 0
    samples = _griffin_lim.griffin_lim(magnitudes, hop, iterations=iterations, seed=seed, length=length)
    return Sound(read_only(samples[:, None]), rate).normalized()


def _brightness(picture: Picture) -> np.ndarray[Any, Any]:
    """H×W float32 in [0, 1], light as it is seen, on black."""
    array = _kinds.to_array(_load.load(picture))
    brightness = array[:, :, :3] @ _LUMA
    return brightness * array[:, :, 3] if array.shape[2] == 4 else brightness


def _frame(rate: int) -> tuple[int, int]:
    """The hop, and how many bins a frame has."""
    n_fft = 1 << max(4, round(math.log2(_WINDOW * rate)))
    return n_fft // 8, n_fft // 2 + 1


def _averaged(values: np.ndarray[Any, Any], edges: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """H×W → n×W: the means between each edge and the next, where 0 is the beginning of the rows and 1 their end.

    Beyond that the first and the last row go on.
    """
    count = len(values)
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    places = edges * count
    inside = np.clip(places, 0, count)
    below = np.minimum(inside.astype(int), count - 1)
    totals = sums[below] + (inside - below)[:, None] * values[below]
    totals += np.minimum(places, 0)[:, None] * values[0] + np.maximum(places - count, 0)[:, None] * values[-1]
    return (np.diff(totals, axis=0) / np.diff(places)[:, None]).astype(np.float32)
