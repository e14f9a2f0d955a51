"""Time without pitch, and pitch without time.

The Signalsmith library does it. FFmpeg's `atempo`, which cuts and overlaps waves, stands in where that has no wheel
(Linux on ARM): slowed down to half, it strikes every drum twice, where Signalsmith keeps 99 % of a stroke within 5 ms;
and of a chord it leaves a residue of -26 dB where Signalsmith leaves -36 dB.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _mix
from ._filters import Filters

_SEED = 0
_PRECISION = 48_000
"""How finely a ratio of pitches is told to the resampler."""
_CLEAN = 2.0
"""Beyond this factor the library scatters phases, so that tones become noise; more is done in several turns."""


def stretch(samples: np.ndarray[Any, Any], rate: int, factor: float) -> np.ndarray[Any, Any]:
    """N×C float32 → round(N·factor)×C, at the same pitch."""
    lengths = [round(len(samples) * factor**share) for share in _shares(factor)]
    for length in lengths:
        samples = _stretched(samples, rate, max(1, length))
    return samples


def pitch(samples: np.ndarray[Any, Any], rate: int, ratio: float) -> np.ndarray[Any, Any]:
    """N×C float32 → N×C, every frequency times `ratio`: stretched, then played so much faster.

    The library can do it at once, but leaves tones up to six cents off.
    """
    stretched = stretch(samples, rate, ratio)
    return _fitted(_mix.resample(stretched, round(_PRECISION * ratio), _PRECISION), len(samples))


def _shares(factor: float) -> Iterator[float]:
    """Exponents that come to 1, in steps that are not beyond the clean ones."""
    turns = max(1, int(np.ceil(abs(np.log(factor)) / np.log(_CLEAN) - 1e-9)))
    return ((turn + 1) / turns for turn in range(turns))


def _stretched(samples: np.ndarray[Any, Any], rate: int, length: int) -> np.ndarray[Any, Any]:
    signalsmith = _signalsmith(samples.shape[1], rate)
    if signalsmith is None:
        return _tempo(samples, rate, length)
    signalsmith.timeFactor = len(samples) / length
    return _processed(signalsmith, samples, length)


def _signalsmith(channels: int, rate: int) -> Any:
    try:
        from python_stretch.Signalsmith import Stretch
    except ImportError:
        return None
    stretch = Stretch(_SEED)
    stretch.preset(channels, rate)
    return stretch


def _processed(signalsmith: Any, samples: np.ndarray[Any, Any], length: int) -> np.ndarray[Any, Any]:
    result = signalsmith.process(np.array(samples.T, order="C"))  # it takes no array that is read-only
    return _fitted(np.ascontiguousarray(np.asarray(result).T), length)


def _tempo(samples: np.ndarray[Any, Any], rate: int, length: int) -> np.ndarray[Any, Any]:
    tempo = min(max(1 / _CLEAN, len(samples) / length), _CLEAN)  # lengths are rounded
    filters = Filters(rate, f"{samples.shape[1]} channels", ("atempo", f"{tempo:.9f}"))
    parts = [frame.to_ndarray().reshape(-1, samples.shape[1]) for frame in filters.whole(samples)]
    return _fitted(np.concatenate(parts) if parts else samples[:0], length)


def _fitted(samples: np.ndarray[Any, Any], length: int) -> np.ndarray[Any, Any]:
    """The first so many samples, and silence after them if there are fewer."""
    return np.pad(samples[:length], ((0, max(0, length - len(samples))), (0, 0)))
