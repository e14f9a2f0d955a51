"""Where a sound is silent, and the sound without that."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import _mix

_BLOCK = 0.01
"""Seconds over which the power is taken."""
_OVERLAP = 0.005
"""Seconds in which what is left before a cut turns into what is left after it."""


def loud_parts(samples: np.ndarray[Any, Any], rate: int, threshold: float) -> list[tuple[int, int]]:
    """First and last sample (exclusive) of each stretch of N×C float32 in which a channel has more power than this.

    `threshold` is in decibels below full scale, as the root of the mean square over 10 ms.
    """
    block = max(1, round(_BLOCK * rate))
    edges = np.arange(0, len(samples), block)
    counts = np.diff(edges, append=len(samples))[:, None]
    power = np.add.reduceat(np.square(samples, dtype=np.float32), edges, axis=0) / counts
    loud = power.max(axis=1) > 10 ** (threshold / 10)
    changes = np.flatnonzero(np.diff(loud, prepend=False, append=False))
    places = np.minimum(changes * block, len(samples))
    return list(zip(places[::2].tolist(), places[1::2].tolist(), strict=True))


def without(
    samples: np.ndarray[Any, Any], rate: int, loud: list[tuple[int, int]], keep: float, pauses: float | None
) -> np.ndarray[Any, Any]:
    """N×C float32 without the silence around its loud parts but `keep` seconds, and without longer `pauses`."""
    margin = round(keep * rate)
    first, last = max(0, loud[0][0] - margin), min(len(samples), loud[-1][1] + margin)
    if pauses is None:
        return samples[first:last]
    kept = round(pauses * rate)
    overlap = min(kept, round(_OVERLAP * rate))
    cuts = list(_cuts(loud, kept, overlap))
    starts, ends = [first, *(end for _, end in cuts)], [*(start for start, _ in cuts), last]
    return _mix.join([samples[start:end] for start, end in zip(starts, ends, strict=True)], overlap)


def _cuts(loud: list[tuple[int, int]], kept: int, overlap: int) -> Iterator[tuple[int, int]]:
    """What to leave out of the pauses: the middle, so that `kept` samples of each are heard."""
    for (_, begins), (ends, _) in itertools.pairwise(loud):
        if ends - begins > kept:
            yield begins + (kept + overlap) // 2, ends - (kept + overlap - (kept + overlap) // 2)
