"""The pulse in a sound: how fast it goes, and when its beats fall."""

from __future__ import annotations

from typing import Any

import numpy as np

SLOWEST, FASTEST = 40.0, 240.0
"""Beats a minute."""
_SPREAD = 0.9
"""Octaves around the expected tempo in which others are still likely."""
_REGULAR = 0.07
"""How much novelty resembles itself a period later, relative to its power, if there is a beat; noise comes to 0.04."""
_TIGHTNESS = 400.0
"""How much a beat off its time costs, against how strong the onset there is."""
_FAINT = 0.3
"""Beats at either end weaker than this, relative to the others, are in the silence around the music."""


def period(novelty: np.ndarray[Any, Any], hops: float, around: float) -> float | None:
    """Hops from beat to beat, where novelty resembles itself most; None if nothing in it comes back.

    Args:
        novelty: One value a hop.
        hops: In a second.
        around: The expected tempo, in beats a minute.
    """
    shortest, longest = 60 * hops / FASTEST, 60 * hops / SLOWEST
    count = len(novelty)
    centred = novelty - novelty.mean()
    if count < 2 * shortest or not centred.any():
        return None
    size = 1 << (2 * count).bit_length()
    likeness = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2)[:count]
    lags = np.arange(int(shortest), min(int(longest) + 2, count // 2))
    if not len(lags):
        return None
    # A beat returns after one period and after two; noise in one of them does not in both.
    twice = np.interp(2 * lags, np.arange(count), likeness)
    octaves = np.log2(60 * hops / lags / around)
    scores = (likeness[lags] + 0.5 * twice) * np.exp(-0.5 * (octaves / _SPREAD) ** 2)
    best = int(scores.argmax())
    if max(likeness[lags[best]], twice[best]) < _REGULAR * likeness[0]:
        return None
    if 0 < best < len(lags) - 1:  # between the hops: the top of a parabola through three points
        left, middle, right = scores[best - 1 : best + 2]
        curve = left - 2 * middle + right
        return float(lags[best] + (0.5 * (left - right) / curve if curve < 0 else 0))
    return float(lags[best])


def track(novelty: np.ndarray[Any, Any], period: float) -> np.ndarray[Any, Any]:
    """The hops at which the beats fall: on strong onsets, and a period apart (Ellis, J. New Music Research 2007).

    Every hop's score is its own novelty and the best score among hops about a period before; the best chain wins.
    """
    kernel = np.exp(-0.5 * (np.arange(-period, period + 1) * 32 / period) ** 2)
    own = np.convolve(novelty / (novelty.std() or 1), kernel, "same")[: len(novelty)]
    near, far = max(1, round(period / 2)), max(2, round(2 * period))
    cost = -_TIGHTNESS * np.log(np.arange(far, near - 1, -1) / period) ** 2
    scores = np.concatenate([np.zeros(far), own])
    before = np.full(len(own), -1)
    for hop in range(len(own)):
        chain = scores[hop : hop + len(cost)] + cost
        best = int(chain.argmax())
        if chain[best] > 0:
            scores[far + hop] += chain[best]
            before[hop] = hop - far + best
    return _trimmed(_chain(scores[far:], before, far), own)


def _chain(scores: np.ndarray[Any, Any], before: np.ndarray[Any, Any], far: int) -> np.ndarray[Any, Any]:
    """Back from the best of the last beats."""
    end = max(0, len(scores) - far)
    hop = end + int(scores[end:].argmax())
    found = []
    while hop >= 0:
        found.append(hop)
        hop = int(before[hop])
    return np.array(found[::-1])


def _trimmed(beats: np.ndarray[Any, Any], strength: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    heard = np.flatnonzero(strength[beats] > _FAINT * np.sqrt(np.mean(strength[beats] ** 2)))
    return beats[heard[0] : heard[-1] + 1] if len(heard) > 1 else beats[:0]  # one makes no beat
