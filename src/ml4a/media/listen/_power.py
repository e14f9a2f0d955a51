"""How much power a sound has in bands of pitch, video frame by video frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

_MARGIN = 0.17
"""Seconds beyond which no filter's response matters: its slopes are half an octave wide, from 20 Hz up."""
_SLOPE = 0.5
"""Octaves over which a band begins and ends."""
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
_STANDARD_RATE = 48_000
"""ITU-R BS.1770's two filters, for this rate."""


def frame_edges(count: int, rate: int, frame_rate: Fraction) -> np.ndarray[Any, Any]:
    """The first sample of each frame, and the end of the last. Every edge is computed by itself: nothing drifts."""
    frames = max(1, -(-count * frame_rate.numerator // (rate * frame_rate.denominator)))
    numbers = np.arange(frames + 1, dtype=np.int64)
    edges = -(-numbers * (rate * frame_rate.denominator) // frame_rate.numerator)
    return np.minimum(edges, count)


def band(low: float, high: float, frequencies: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The response of a filter that lets through what lies between two frequencies (Hz): half the power at each."""
    octaves = np.log2(np.maximum(frequencies, 1e-3))
    rising = (octaves - np.log2(max(low, 1e-3))) / _SLOPE + 0.5
    falling = (np.log2(high) - octaves) / _SLOPE + 0.5
    return np.sin(np.clip(rising, 0, 1) * np.pi / 2) * np.sin(np.clip(falling, 0, 1) * np.pi / 2)


def ear(frequencies: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The K-weighting of ITU-R BS.1770: how much each frequency (Hz) adds to loudness as it is heard."""
    delay = np.exp(-2j * np.pi * np.minimum(frequencies, _STANDARD_RATE / 2) / _STANDARD_RATE)
    response = np.ones(len(frequencies))
    for above, below in (_SHELF, _HIGH_PASS):
        response = response * np.abs(np.polyval(above[::-1], delay) / np.polyval(below[::-1], delay))
    return response


def power_by_frame(
    samples: np.ndarray[Any, Any], rate: int, edges: np.ndarray[Any, Any], responses: Sequence[Any]
) -> np.ndarray[Any, Any]:
    """The mean square of the filtered sound in every frame, B×F for B filters.

    The filters delay nothing: they are applied to the spectrum of overlapping blocks, of which the middle is kept.

    Args:
        samples: N floats.
        rate: Hz.
        edges: As `frame_edges` gives them.
        responses: Functions from frequencies in Hz to factors.
    """
    margin = 1 << max(4, round(_MARGIN * rate)).bit_length()
    size, step = 8 * margin, 6 * margin
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    weights = [response(frequencies).astype(np.float32) for response in responses]
    sums = np.zeros((len(responses), len(edges) - 1))
    for start in range(0, len(samples), step):
        stop = min(start + step, len(samples))
        block = np.zeros(size, np.float32)
        before = min(margin, start)
        part = samples[start - before : stop + margin]
        block[margin - before : margin - before + len(part)] = part
        spectrum = np.fft.rfft(block)
        first = np.searchsorted(edges, start, "right") - 1
        last = np.searchsorted(edges, stop, "left")
        places = np.maximum(edges[first:last] - start, 0)
        for number, weight in enumerate(weights):
            filtered = np.fft.irfft(spectrum * weight, size)[margin : margin + stop - start]
            sums[number, first:last] += np.add.reduceat(np.square(filtered), places)
    return sums / np.maximum(1, np.diff(edges))
