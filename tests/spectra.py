"""What can be measured of a voice."""

from __future__ import annotations

import numpy as np

from ml4a.media.audio import Sound


def voiced_share(sound: Sound, low: float = 60, high: float = 400) -> float:
    """The share of frames of 40 ms that are not silent in which a pitch is clear: a peak of the autocorrelation."""
    length = sound.rate // 25
    samples = sound.mono().samples[:, 0]
    frames = samples[: len(samples) // length * length].reshape(-1, length)
    frames = frames[np.sqrt((frames**2).mean(1)) > 0.01]
    frames = frames - frames.mean(1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(frames, 2 * length)) ** 2
    correlation = np.fft.irfft(spectrum)[:, : length // 2]
    lags = slice(int(sound.rate / high), int(sound.rate / low))
    return float((correlation[:, lags].max(1) > 0.4 * correlation[:, 0]).mean())
