"""Mel spectrograms, as networks of speech want them.

The scale and the areas of the bands are those of Slaney's Auditory Toolbox (Interval Research TR 1998-010): linear up
to 1000 Hz, logarithmic above; each band is a triangle with an area of one.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue

from . import _stft
from ._sound import Sound, checked_rate

_MOST_BANDS = 1024
_LINEAR = 200 / 3
"""Hz a mel, up to the break."""
_BREAK = 1000.0
_STEP = math.log(6.4) / 27
"""Logarithm of the factor from mel to mel above it."""


@dataclass(frozen=True, slots=True)
class LogScale:
    """What becomes of a magnitude x: `factor`·ln(max(x, `floor`)) + `offset`, held between `low` and `high`."""

    factor: float = 1.0
    offset: float = 0.0
    floor: float = 1e-5
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, magnitudes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Scale an array of any shape."""
        levels = self.factor * np.log(np.maximum(magnitudes, self.floor)) + self.offset
        return np.clip(levels, self.low, self.high)


@dataclass(frozen=True, slots=True)
class MelSettings:
    """How a mel spectrogram is made.

    Args:
        rate: Hz that the sound is brought to.
        n_fft: Samples that a frame looks at; even.
        hop: Samples from frame to frame.
        window: Samples of the Hann window within.
        bands: How many.
        low: Hz at the lower end of the lowest band.
        high: Hz at the upper end of the highest.
        preemphasis: How much of each sample is taken from the next, which makes high pitches stronger; 0 for nothing.
        padding: What lies beyond the ends of the sound: "reflect" or "zeros".
        scale: From magnitudes to levels.

    Raises:
        BadValue: a value out of range.
    """

    rate: int
    n_fft: int
    hop: int
    window: int
    bands: int
    low: float
    high: float
    preemphasis: float = 0.0
    padding: _stft.Padding = "reflect"
    scale: LogScale = LogScale()

    def __post_init__(self) -> None:
        checked_rate(self.rate)
        _stft.check_lengths(self.n_fft, self.hop, self.window)
        if not 1 <= self.bands <= _MOST_BANDS:
            raise BadValue(f"bands must be between 1 and {_MOST_BANDS}, not {self.bands!r}")
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise BadValue(f"bands lie between 0 and {self.rate / 2:g} Hz, not from {self.low!r} to {self.high!r}")
        if not 0 <= self.preemphasis < 1:
            raise BadValue(f"preemphasis must be between 0 and 1, not {self.preemphasis!r}")


TACOTRON = MelSettings(rate=22_050, n_fft=1024, hop=256, window=1024, bands=80, low=0, high=8000)
"""Of Tacotron 2 and WaveGlow: natural logarithms of magnitudes."""

WAV2LIP = MelSettings(
    rate=16_000,
    n_fft=800,
    hop=200,
    window=800,
    bands=80,
    low=55,
    high=7600,
    preemphasis=0.97,
    # 20·log10(x) - 20 dB, from -100 to 0 dB mapped onto -4 to 4.
    scale=LogScale(factor=1.6 / math.log(10), offset=2.4, low=-4, high=4),
)
"""Of Wav2Lip: 80 frames a second, decibels mapped onto -4 to 4."""


def mel(sound: Sound, settings: MelSettings) -> np.ndarray[Any, Any]:
    """The mel spectrogram of a sound, its channels mixed down and its rate converted.

    Args:
        sound: Of at least one sample.
        settings: `TACOTRON`, `WAV2LIP`, or others.

    Returns:
        bands×T float32, T = 1 + N // hop: frame t is at t·hop/rate s.
    """
    samples = sound.resampled(settings.rate).mono().samples[:, 0]
    if settings.preemphasis:
        samples = np.concatenate([samples[:1], samples[1:] - np.float32(settings.preemphasis) * samples[:-1]])
    basis = mel_basis(settings)
    result = np.empty((settings.bands, 1 + len(samples) // settings.hop), np.float32)
    blocks = _stft.spectra_of(samples, settings.n_fft, settings.hop, settings.window, settings.padding)
    for start, spectra in blocks:
        result[:, start : start + len(spectra)] = settings.scale(basis @ np.abs(spectra).T)
    return result


@functools.lru_cache(maxsize=8)
def mel_basis(settings: MelSettings) -> np.ndarray[Any, Any]:
    """What the bins of a spectrum weigh in each band: bands×bins float32, each row of area one over its Hz."""
    corners = _hertz(np.linspace(_mels(settings.low), _mels(settings.high), settings.bands + 2))[:, None]
    hertz = np.arange(settings.n_fft // 2 + 1) * settings.rate / settings.n_fft
    rising = (hertz - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hertz) / (corners[2:] - corners[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    basis = (triangles * (2 / (corners[2:] - corners[:-2]))).astype(np.float32)
    basis.setflags(write=False)
    return basis


def _mels(hertz: float) -> float:
    return hertz / _LINEAR if hertz < _BREAK else _BREAK / _LINEAR + math.log(hertz / _BREAK) / _STEP


def _hertz(mels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    beyond = mels - _BREAK / _LINEAR
    return np.where(beyond < 0, mels * _LINEAR, _BREAK * np.exp(np.minimum(_STEP * beyond, 700)))
