"""The short-time Fourier transform, and the sound that is nearest to one.

Frame t looks at the samples around t·hop through a periodic Hann window, so that the first and the last frame look
beyond the sound; `padding` says what is there.

Griffin & Lim, Signal Estimation from Modified Short-Time Fourier Transform, IEEE TASSP 32(2), 1984.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from ml4a._core.errors import BadValue

Padding: TypeAlias = Literal["reflect", "zeros"]
"""What lies beyond the ends of a sound: the sound mirrored, or silence."""

LARGEST_FFT = 1 << 20
_BLOCK_BYTES = 2 << 20
"""Bytes of samples that are transformed at once."""
_TINY = 1e-12
"""Of the squared window: where no frame looks, nothing is known."""


def stft(
    samples: np.ndarray[Any, Any], n_fft: int, hop: int, *, window: int | None = None, padding: Padding = "reflect"
) -> np.ndarray[Any, Any]:
    """The short-time Fourier transform of one channel.

    Args:
        samples: N floats.
        n_fft: Samples that a frame looks at; even.
        hop: Samples from frame to frame, 1 to `n_fft`.
        window: Length of the Hann window in the middle of the frame; None: `n_fft`.
        padding: What lies beyond the ends: "reflect" (the sound mirrored) or "zeros" (silence).

    Returns:
        (n_fft/2 + 1) × (1 + N // hop) complex64: bin k is k·rate/n_fft Hz, frame t is at t·hop/rate s. A sine of
        amplitude 1 comes to a quarter of the window's length.

    Raises:
        BadValue: not N finite floats, or a length out of range.
    """
    samples = checked_samples(samples)
    count = 1 + len(samples) // check_lengths(n_fft, hop, window)
    result = np.empty((n_fft // 2 + 1, count), np.complex64)
    for start, spectra in spectra_of(samples, n_fft, hop, window, padding):
        result[:, start : start + len(spectra)] = spectra.T
    return result


def spectra_of(
    samples: np.ndarray[Any, Any], n_fft: int, hop: int, window: int | None, padding: Padding
) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    """The transform a few frames at a time: the number of the first, and T×bins complex64."""
    if padding not in get_args(Padding):
        raise BadValue(f"padding must be 'reflect' or 'zeros', not {padding!r}")
    padded = np.pad(samples, n_fft // 2, mode="reflect" if padding == "reflect" else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    shape = hann(n_fft, window)
    step = max(1, _BLOCK_BYTES // (4 * n_fft))
    for start in range(0, len(frames), step):
        yield start, np.fft.rfft(frames[start : start + step] * shape, axis=1)


def istft(
    spectrum: np.ndarray[Any, Any], hop: int, *, window: int | None = None, length: int | None = None
) -> np.ndarray[Any, Any]:
    """The sound whose transform is nearest to `spectrum`, by least squares: of what `stft` gave, the sound itself.

    Args:
        spectrum: As `stft` gives it, bins×T complex.
        hop: As for `stft`.
        window: As for `stft`.
        length: Samples of the result; None: hop·(T - 1). What no frame tells of is silence.

    Returns:
        N float32.

    Raises:
        BadValue: not bins×T finite numbers, or a length out of range.
    """
    spectrum = np.asarray(spectrum)
    if spectrum.ndim != 2 or min(spectrum.shape) < 1 or len(spectrum) < 2 or not np.isfinite(spectrum).all():
        raise BadValue(f"a spectrum is bins×frames of finite complex numbers, not {'×'.join(map(str, spectrum.shape))}")
    n_fft, count = 2 * (len(spectrum) - 1), spectrum.shape[1]
    check_lengths(n_fft, hop, window)
    if length is not None and (isinstance(length, bool) or not isinstance(length, int | np.integer) or length < 1):
        raise BadValue(f"length must be a whole number of samples, not {length!r}")
    shape = hann(n_fft, window)
    total, weight = np.zeros((2, hop * (count - 1) + n_fft), np.float32)
    step = max(1, _BLOCK_BYTES // (4 * n_fft))
    for start in range(0, count, step):
        parts = np.fft.irfft(spectrum[:, start : start + step].T.astype(np.complex64), n_fft, axis=1) * shape
        for number, part in enumerate(parts, start=start):
            total[number * hop : number * hop + n_fft] += part
            weight[number * hop : number * hop + n_fft] += shape * shape
    np.divide(total, weight, out=total, where=weight > _TINY)
    wanted = hop * (count - 1) if length is None else length
    result = total[n_fft // 2 : n_fft // 2 + wanted]
    return np.pad(result, (0, wanted - len(result)))


def hann(n_fft: int, window: int | None = None) -> np.ndarray[Any, Any]:
    """A periodic Hann window in the middle of `n_fft` samples, float32."""
    length = n_fft if window is None else window
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    before = (n_fft - length) // 2
    return np.pad(shape, (before, n_fft - length - before)).astype(np.float32)


def check_lengths(n_fft: int, hop: int, window: int | None) -> int:
    """The hop, if all three are lengths that go together. Raises `BadValue` if not."""
    bounds = (("n_fft", n_fft, 2, LARGEST_FFT), ("hop", hop, 1, n_fft), ("window", window, 1, n_fft))
    for name, value, low, high in bounds:
        if value is None and name == "window":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise BadValue(f"{name} must be a whole number of samples between {low} and {high}, not {value!r}")
    if n_fft % 2:
        raise BadValue(f"n_fft must be even, not {n_fft}")
    return int(hop)


def checked_samples(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One channel as float32. Raises `BadValue` if it is anything else."""
    array = np.asarray(samples)
    if array.ndim != 1 or array.size == 0 or array.dtype.kind != "f":
        shape = "×".join(map(str, array.shape)) or "a number"
        raise BadValue(
            f"one channel is N floats, at least one, not {shape} {array.dtype}; try sound.mono().samples[:, 0]"
        )
    if not np.isfinite(array).all():
        raise BadValue("samples must be finite numbers; these hold NaN or infinity")
    return array.astype(np.float32, copy=False)
