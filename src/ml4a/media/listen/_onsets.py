"""Where something begins in a sound: a drum, a note, a word."""

from __future__ import annotations

from typing import Any

import numpy as np

HOPS = 200
"""Hops a second, to the nearest sample."""
_WINDOW = 0.021
"""Seconds of sound behind each hop."""
_LAG = 2
"""Hops between the two spectra that are compared."""
_BANDS_PER_OCTAVE, _LOWEST, _HIGHEST = 3, 40.0, 16_000.0
_DEPTH = 1000.0
"""Spectral levels this far below the sound's loudest begin to count: 60 dB."""
_SILENCE = 1e-4
"""Sounds that never get louder than this (80 dB below full scale) have no onsets."""
_CHUNK = 1024
_NEIGHBOURS, _SURROUNDINGS = 6, 30
"""Hops around an onset in which there is none stronger, and in which the mean is taken."""
_LEAST = 0.25
"""Rise of the mean logarithmic spectrum that an onset makes at least."""


def hop_of(rate: int) -> int:
    """Samples from hop to hop."""
    return max(1, round(rate / HOPS))


def novelty(samples: np.ndarray[Any, Any], rate: int) -> np.ndarray[Any, Any]:
    """How much is new at each hop: value k is about sample k · `hop_of(rate)`.

    The logarithmic spectrum in third octaves is compared with the one two hops before, and what has risen beyond the
    band and its neighbours counts, so that vibrato does not (SuperFlux; Böck & Widmer, DAFx 2013).
    """
    hop = hop_of(rate)
    count = -(-len(samples) // hop)
    loudest = max(float(samples.max()), -float(samples.min()))
    if loudest < _SILENCE:
        return np.zeros(count, np.float32)
    size = 1 << max(4, round(_WINDOW * rate)).bit_length()
    window = (np.hanning(size) * (4 * _DEPTH / (size * loudest))).astype(np.float32)
    filters = _filters(size, rate)
    result = np.zeros(count, np.float32)
    whole = max(0, len(samples) // hop - _LAG)  # where the sound breaks off, its spectrum rises, but nothing begins
    for start in range(0, whole, _CHUNK):
        stop = min(start + _CHUNK, whole)
        # Window j ends at sample j·hop. What begins there is not yet in it, but is in the next but one.
        first = start * hop - size
        part = np.pad(samples[max(0, first) : (stop + _LAG) * hop], (max(0, -first), 0))
        windows = np.lib.stride_tricks.sliding_window_view(part, size)[::hop][: stop - start + _LAG]
        levels = np.log1p(_magnitudes(windows * window) @ filters)
        rise = levels[_LAG:] - _with_neighbours(levels[:-_LAG])
        result[start:stop] = np.maximum(0, rise, out=rise).mean(axis=1)
    return result


def _magnitudes(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The magnitudes of each row's spectrum, without those of the lowest and highest frequency."""
    import cv2

    # OpenCV's transform is four times as fast as NumPy's. It gives Re 0, Re 1, Im 1, Re 2, Im 2 … Re n/2.
    squares = np.square(cv2.dft(rows, flags=cv2.DFT_ROWS))
    return np.sqrt(squares[:, 1:-1:2] + squares[:, 2:-1:2])


def picked(novelty: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The hops at which something begins, and how strongly, in (0, 1].

    An onset is higher than all around it, and stands out from the mean. The strength is relative to the strong ones.
    """
    import cv2

    row = novelty[None, :].astype(np.float32)
    highest = cv2.dilate(row, np.ones((1, 2 * _NEIGHBOURS + 1), np.uint8))[0]
    mean = cv2.blur(row, (2 * _SURROUNDINGS + 1, 1), borderType=cv2.BORDER_REPLICATE)[0]
    strength = novelty - mean
    places = np.flatnonzero((novelty == highest) & (strength > _LEAST))
    # Of equal neighbours the first counts.
    places = places[np.diff(places, prepend=-_NEIGHBOURS - 1) > _NEIGHBOURS]
    if not len(places):
        return places, np.empty(0, np.float32)
    strong = float(np.percentile(strength[places], 90))
    return places, np.minimum(1, strength[places] / strong)


def _filters(size: int, rate: int) -> np.ndarray[Any, Any]:
    """Frequencies × bands: triangles a third of an octave apart, but as wide as what the spectrum can tell apart."""
    highest = min(_HIGHEST, 0.45 * rate)
    centres = [_LOWEST]
    while centres[-1] < highest:
        centres.append(max(centres[-1] * 2 ** (1 / _BANDS_PER_OCTAVE), centres[-1] + rate / size))
    frequencies = np.fft.rfftfreq(size, 1 / rate)[1:-1]
    bands = [
        np.interp(frequencies, (below, middle, above), (0, 1, 0))
        for below, middle, above in zip(centres, centres[1:], centres[2:], strict=False)
    ]
    return np.stack(bands, axis=1).astype(np.float32)


def _with_neighbours(levels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Each band as loud as the loudest of it and the two beside it."""
    result = levels.copy()
    np.maximum(result[:, 1:], levels[:, :-1], out=result[:, 1:])
    np.maximum(result[:, :-1], levels[:, 1:], out=result[:, :-1])
    return result
