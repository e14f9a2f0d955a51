"""A sound from the magnitudes of its spectrum alone: phases are sought that fit each other.

Griffin & Lim, IEEE TASSP 32(2), 1984, with the momentum of Perraudin, Balazs & Søndergaard, A Fast Griffin-Lim
Algorithm, WASPAA 2013.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ml4a._core import progress
from ml4a._core.errors import BadValue

from . import _stft

_MOMENTUM = 0.99
_MOST_ITERATIONS = 10_000
_TINY = 1e-16


def griffin_lim(
    magnitudes: np.ndarray[Any, Any],
    hop: int,
    *,
    window: int | None = None,
    iterations: int = 64,
    seed: int = 0,
    length: int | None = None,
) -> np.ndarray[Any, Any]:
    """One channel of sound whose short-time Fourier transform has these magnitudes, as nearly as may be.

        magnitudes = np.abs(audio.stft(samples, 1024, 256))
        audio.Sound(audio.griffin_lim(magnitudes, 256), 22_050)

    Args:
        magnitudes: bins×T, 0 or more: linear, as the absolute value of `stft`.
        hop: Samples from frame to frame; a quarter of the frame or less.
        window: Length of the Hann window; None: the frame's, 2·(bins - 1).
        iterations: How often the phases are brought nearer to each other.
        seed: Of the phases in the beginning.
        length: Samples of the result; None: hop·(T - 1).

    Returns:
        N float32.

    Raises:
        BadValue: not bins×T finite numbers of 0 or more, or a number out of range.
    """
    array = np.asarray(magnitudes)
    if array.ndim != 2 or len(array) < 2 or array.shape[1] < 1 or array.dtype.kind != "f":
        raise BadValue(f"magnitudes are bins×frames of floats, not {'×'.join(map(str, array.shape))} {array.dtype}")
    if not (np.isfinite(array).all() and array.min() >= 0):
        raise BadValue("magnitudes are finite and not below 0")
    if isinstance(iterations, bool) or not isinstance(iterations, int) or not 0 <= iterations <= _MOST_ITERATIONS:
        raise BadValue(f"iterations must be between 0 and {_MOST_ITERATIONS}, not {iterations!r}")
    array = array.astype(np.float32, copy=False)
    n_fft = 2 * (len(array) - 1)
    phases = np.exp(2j * np.pi * checked_generator(seed).random(array.shape, np.float32)).astype(np.complex64)
    before = np.zeros_like(phases)
    for step in range(iterations):
        progress.report("phases", step, iterations, "steps")
        samples = _stft.istft(array * phases, hop, window=window, length=hop * (array.shape[1] - 1) or 1)
        rebuilt = _stft.stft(samples, n_fft, hop, window=window)
        phases = rebuilt - np.float32(_MOMENTUM / (1 + _MOMENTUM)) * before
        phases /= np.abs(phases) + np.float32(_TINY)
        before = rebuilt
    return _stft.istft(array * phases, hop, window=window, length=length)


def checked_generator(seed: int) -> np.random.Generator:
    """What draws by this seed. Raises `BadValue` if it is none."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise BadValue(f"seed must be a whole number, 0 or more, not {seed!r}")
    return np.random.default_rng(int(seed))
