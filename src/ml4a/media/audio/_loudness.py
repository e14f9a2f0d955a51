"""How loud a sound is to the ear: ITU-R BS.1770-4, as EBU R 128 applies it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import _mix
from ._filters import Filters
from ._write import layout

SILENT = -70.0
"""LUFS below which nothing counts."""
_BLOCK = 0.4
"""Seconds of sound that are measured together."""
_LOWEST_RATE, _HIGHEST_RATE, _USUAL_RATE = 8_000, 192_000, 48_000
"""Hz between which the weighting filters agree with the standard, which has them for the last."""
_MEASURED = "lavfi.r128.I"


def integrated(samples: np.ndarray[Any, Any], rate: int) -> float:
    """LUFS of N×C float32, or minus infinity if it is all below -70 LUFS.

    A sound that is too short to be measured is measured as if it were repeated.
    """
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        samples, rate = _mix.resample(samples, rate, _USUAL_RATE), _USUAL_RATE
    shortest = math.ceil(2 * _BLOCK * rate)  # a second block, whose place within the sound is another
    if len(samples) < _BLOCK * rate:
        samples = np.tile(samples, (math.ceil(shortest / len(samples)), 1))
    measure = Filters(rate, layout(samples.shape[1]), ("ebur128", "metadata=1:framelog=quiet"))
    level = SILENT
    for frame in measure.whole(samples):
        level = float(frame.metadata.get(_MEASURED, level))
    return level if level > SILENT else -math.inf
