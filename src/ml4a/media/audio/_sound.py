"""What a sound is: samples and their rate, as a value that nothing changes."""

from __future__ import annotations

import math
import numbers
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from ml4a._core import files, limits, progress
from ml4a._core.errors import BadValue
from ml4a._core.progress import Cancel, OnProgress
from ml4a._core.record import Record

from ..signals import number
from . import _loudness, _mix, _picture, _player, _silence, _stretch, _write
from ._read import HIGHEST_RATE, LOWEST_RATE, MOST_CHANNELS

INK, PAPER = "#1e5aa0", "white"
"""Colours of a waveform."""
_MOST_PIXELS = 16_384
"""Of a side of a picture of sound."""
_MOST_DECIBELS = 200
_MOST_STRETCH, _MOST_SEMITONES = 10, 24


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sound:
    """Samples and their rate.

        Sound(np.zeros((24_000, 2)), 48_000).duration                # 0.5

    Args:
        samples: N×C floats, nominally in [-1, 1] (what is louder is clipped in files that hold no floats); N floats
            are one channel; int16 and int32 become fractions of their largest value. Copied unless read-only.
        rate: Samples a second (Hz).
        record: What made the sound, if a model did; of what edits make of it, it does not tell, so they leave it out.

    Raises:
        BadValue: no samples, a wrong shape, NaN or infinity, a rate out of range.
    """

    samples: np.ndarray[Any, Any]
    rate: int
    record: Record | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", checked_rate(self.rate))
        object.__setattr__(self, "samples", _checked_samples(self.samples))

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.rate

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return self.samples.shape[1]

    def with_record(self, record: Record | None) -> Sound:
        """The same sound, whose files tell what made it."""
        return Sound(self.samples, self.rate, record)

    def mono(self) -> Sound:
        """One channel: the mean of left and right; of surround sound, that of `stereo`."""
        return self._with(_mix.mono(self.samples))

    def stereo(self) -> Sound:
        """Two channels. One is doubled; surround sound is mixed down as ITU-R BS.775 says, so that nothing clips."""
        return self._with(_mix.stereo(self.samples))

    def resampled(self, rate: int) -> Sound:
        """The same sound at another rate, frequencies that it cannot hold taken out (they are 100 dB down)."""
        rate = checked_rate(rate)
        return self if rate == self.rate else Sound(_mix.resample(self.samples, self.rate, rate), rate)

    def trimmed(self, start: float = 0, end: float | None = None) -> Sound:
        """The part from `start` to `end`, in seconds; negative times count from the end.

        Raises:
            BadValue: nothing would be left.
        """
        first = self._position("start", start)
        last = len(self.samples) if end is None else self._position("end", end)
        if first >= last:
            raise BadValue(f"nothing is left between {start} and {end} s of a sound of {self.duration:.3f} s")
        return self._with(self.samples[first:last])

    def faded(self, fade_in: float = 0, fade_out: float = 0) -> Sound:
        """Rising from silence over the first `fade_in` seconds, and back over the last `fade_out`, with equal power."""
        lengths = (
            round(checked_seconds("fade_in", fade_in) * self.rate),
            round(checked_seconds("fade_out", fade_out) * self.rate),
        )
        return self._with(_mix.fade(self.samples, *lengths))

    def gain(self, decibels: float) -> Sound:
        """Louder (positive) or quieter by this many decibels; 6 dB are twice the amplitude."""
        return self._with(self.samples * _factor("decibels", decibels))

    def normalized(self, peak: float = -1) -> Sound:
        """So loud that the loudest sample comes to `peak` decibels, 0 being full scale. Silence stays silence."""
        loudest = float(np.abs(self.samples).max())
        return self if loudest == 0 else self._with(self.samples * (_factor("peak", peak) / np.float32(loudest)))

    def loudness(self) -> float:
        """How loud it is to the ear, in LUFS: ITU-R BS.1770-4, what is much quieter than the rest left out.

        A sine of 997 Hz at -20 dB on both of two channels is at -20. What is below -70 counts as silence, which is at
        minus infinity. Sounds shorter than 0.4 s, for which the standard has no number, are heard as if repeated.
        """
        return _loudness.integrated(self.samples, self.rate)

    def leveled(self, lufs: float = -16, *, peak: float | None = -1) -> Sound:
        """As loud to the ear as told: -16 LUFS is usual for podcasts, -14 for streamed music, -23 on the air.

        Args:
            lufs: The loudness to come to, -70 to 0.
            peak: Decibels that no sample goes beyond, even if the sound then stays quieter; None: it may clip.

        Raises:
            BadValue: a number out of range.
        """
        if not _loudness.SILENT <= number("lufs", lufs) <= 0:
            raise BadValue(f"lufs must be between {_loudness.SILENT:g} and 0, not {lufs!r}")
        now = self.loudness()
        if math.isinf(now):
            return self
        factor = _factor("lufs", lufs - now)
        if peak is not None:
            factor = min(factor, _factor("peak", peak) / np.abs(self.samples).max())
        return self._with(self.samples * factor)

    def without_silence(self, threshold: float = -40, keep: float = 0.05, *, pauses: float | None = None) -> Sound:
        """Without the silence at both ends, and in pauses if told.

        Args:
            threshold: Decibels of full scale that count as silence: the root of the mean square over 10 ms, of the
                loudest channel.
            keep: Seconds of it that stay at either end.
            pauses: Seconds that longer pauses are cut down to; None leaves them as they are.

        Raises:
            BadValue: a number out of range, or all of the sound is silence.
        """
        if not -_MOST_DECIBELS <= number("threshold", threshold) <= 0:
            raise BadValue(f"threshold must be between -{_MOST_DECIBELS} and 0 decibels, not {threshold!r}")
        keep = checked_seconds("keep", keep)
        pauses = None if pauses is None else checked_seconds("pauses", pauses)
        loud = _silence.loud_parts(self.samples, self.rate, threshold)
        if not loud:
            raise BadValue(f"all of the sound is below {threshold:g} dB, so nothing would be left; lower the threshold")
        return self._with(_silence.without(self.samples, self.rate, loud, keep, pauses))

    def stretched(self, factor: float) -> Sound:
        """So many times as long, at the same pitch: 2 is half as fast, 0.5 twice as fast.

        Args:
            factor: 0.1 to 10; between 0.5 and 2 it sounds best.

        Raises:
            BadValue: a number out of range.
        """
        if not 1 / _MOST_STRETCH <= number("factor", factor) <= _MOST_STRETCH:
            raise BadValue(f"factor must be between {1 / _MOST_STRETCH:g} and {_MOST_STRETCH}, not {factor!r}")
        return self if factor == 1 else self._with(_stretch.stretch(self.samples, self.rate, factor))

    def pitched(self, semitones: float) -> Sound:
        """Higher (positive) or lower by so many semitones, of which an octave has twelve, in the same time.

        Args:
            semitones: -24 to 24, fractions too.

        Raises:
            BadValue: a number out of range.
        """
        if not -_MOST_SEMITONES <= number("semitones", semitones) <= _MOST_SEMITONES:
            raise BadValue(f"semitones must be between -{_MOST_SEMITONES} and {_MOST_SEMITONES}, not {semitones!r}")
        return self if semitones == 0 else self._with(_stretch.pitch(self.samples, self.rate, 2 ** (semitones / 12)))

    def waveform(self, size: tuple[int, int] = (800, 180), color: str = INK, background: str = PAPER) -> Image.Image:
        """A picture of the sound over time, with a lane for each channel.

        In each column, the pale part reaches from the lowest to the highest sample and the full part shows the power
        (root of the mean square). The lane's height is full scale, or the loudest sample where that is beyond it.

        Args:
            size: (width, height) in pixels. From 60 px of height on there is an axis with the time.
            color: Any that Pillow knows: `"teal"`, `"#1e5aa0"`.
            background: Another.

        Raises:
            BadValue: a size or colour that is none.
        """
        colors = (_checked_color("color", color), _checked_color("background", background))
        return _picture.waveform(self.samples, self.rate, _checked_size(size), *colors)

    def spectrogram(
        self, size: tuple[int, int] = (800, 300), *, low: float | None = None, high: float | None = None
    ) -> Image.Image:
        """A picture of its pitches over time: octaves upward, brightness in decibels, 80 below the loudest.

        Args:
            size: (width, height) in pixels.
            low: Hz of its lower edge; None: 30, or less at rates that hold little more.
            high: Hz of its upper edge; None: half the rate, the highest that there is.

        Raises:
            BadValue: a size that is none, or pitches that the sound does not have.
        """
        high = self.rate / 2 if high is None else high
        low = min(_picture.LOWEST, high / 2) if low is None else low
        _picture.check_band(low, high, self.rate)
        return _picture.spectrogram(self.samples, self.rate, _checked_size(size), low, high)

    def _repr_html_(self) -> str:
        """Notebooks show the waveform and a player."""
        return _player.page(self.samples, self.rate, INK, PAPER)

    def __repr__(self) -> str:
        return f"<Sound: {self.duration:.3f} s, {self.rate} Hz, {self.channels} channel{'s' * (self.channels > 1)}>"

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        bits: int | None = None,
        record: Record | None = None,
        on_progress: OnProgress | None = None,
        cancel: Cancel | None = None,
    ) -> Path:
        """Write the sound. The file appears whole or not at all.

        Args:
            path: Where. The suffix chooses: .wav, .flac, .mp3, .ogg or .opus (Opus), .m4a (AAC).
            overwrite: Whether a file of that name may be replaced.
            bits: A sample: 16 (default), 24 or 32 (floats, nothing is clipped) in WAV, 16 or 24 in FLAC.
            record: What made the sound, by default its own record; `ml4a inspect` reads it. None is written under
                `ML4A_RECORD=0`.
            on_progress: Called with `Progress`, in seconds of sound, now and then.
            cancel: Stops the work from another thread.

        Returns:
            Where it is.

        Raises:
            BadValue: no such format, or one that does not take so many channels.
            OutputExists: the file exists and `overwrite` is false, or it is a folder.
            CannotWrite: no permission, no space.
            Cancelled: the work was stopped.
        """
        target = Path(path)
        _write.check(target, self.channels, bits)
        with (
            progress.listening(on_progress, cancel),
            files.atomic(target, overwrite=overwrite) as temporary,
        ):
            text = _write.record_text(record or self.record)
            _write.write(temporary, self.samples, self.rate, bits=bits, name=target.name, record=text)
        return target

    def _with(self, samples: np.ndarray[Any, Any]) -> Sound:
        return Sound(read_only(samples), self.rate)

    def _position(self, name: str, time: float) -> int:
        time = number(name, time)
        time = time if time >= 0 else time + self.duration
        return round(min(max(0, time), self.duration) * self.rate)


def read_only(samples: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same array, for good: a `Sound` need not copy it."""
    samples.setflags(write=False)
    return samples


def checked_rate(rate: int) -> int:
    """Samples a second as an int. Raises `BadValue` if it is none, or out of range."""
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not float(rate).is_integer():
        raise BadValue(f"rate must be a whole number of samples a second, not {rate!r}")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise BadValue(f"rate must be between {LOWEST_RATE} and {HIGHEST_RATE} samples a second, not {rate!r}")
    return int(rate)


def _checked_samples(samples: Any) -> np.ndarray[Any, Any]:
    array = np.asarray(samples)
    if array.dtype in (np.int16, np.int32):
        array = array / np.float32(-float(np.iinfo(array.dtype).min))
    elif array.dtype.kind != "f":
        raise BadValue(f"samples are floats in [-1, 1], or int16 or int32, not {array.dtype}")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0:
        raise BadValue(
            f"samples are N×C with at least one of each, not {'×'.join(map(str, array.shape)) or 'a number'}"
        )
    if array.shape[1] > MOST_CHANNELS:
        hint = "; they seem to be C×N: transpose them" if array.shape[0] <= MOST_CHANNELS else ""
        raise BadValue(f"a sound has at most {MOST_CHANNELS} channels, not {array.shape[1]}{hint}")
    if array.dtype != np.float32 or array.flags.writeable or not array.flags.c_contiguous:
        array = np.array(array, np.float32, order="C")
        array.setflags(write=False)
    if not np.isfinite(array).all():
        raise BadValue("samples must be finite numbers; these hold NaN or infinity")
    return array


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    sides = size if isinstance(size, tuple | list) and len(size) == 2 else ()
    if not sides or not all(isinstance(side, int) and 1 <= side <= _MOST_PIXELS for side in sides):
        raise BadValue(f"size must be (width, height), each between 1 and {_MOST_PIXELS} pixels, not {size!r}")
    return sides[0], sides[1]


def _checked_color(name: str, color: str) -> str:
    try:
        ImageColor.getrgb(color)
    except (ValueError, AttributeError, TypeError):
        raise BadValue(f"{name} must be a colour such as 'teal' or '#1e5aa0', not {color!r}") from None
    return color


def checked_seconds(name: str, seconds: float) -> float:
    """A length of time as a float. Raises `BadValue` if it is below 0, or longer than any sound."""
    if not 0 <= number(name, seconds) <= limits.FILM_SECONDS:
        raise BadValue(f"{name} must be between 0 and {limits.FILM_SECONDS} seconds, not {seconds!r}")
    return float(seconds)


def _factor(name: str, decibels: float) -> np.float32:
    if not -_MOST_DECIBELS <= number(name, decibels) <= _MOST_DECIBELS:
        raise BadValue(f"{name} must be between -{_MOST_DECIBELS} and {_MOST_DECIBELS} decibels, not {decibels!r}")
    return np.float32(10 ** (decibels / 20))
