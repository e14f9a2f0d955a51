"""Samples in, a sound file out: all at once, or block by block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core import progress
from ml4a._core.errors import BadValue
from ml4a._core.record import Record
from ml4a._core.record import enabled as records_enabled

from .. import _record_tags
from .._ffmpeg import output_file
from . import _mix
from ._filters import CHUNK

if TYPE_CHECKING:
    from av.container import OutputContainer


@dataclass(frozen=True, slots=True)
class _Format:
    muxer: str
    codecs: dict[int, str]
    """By bits a sample; a codec that knows no such thing is the only one, under 0."""
    channels: int
    """The most that players expect in it."""
    options: dict[str, str] = field(default_factory=dict)


_WAV = _Format("wav", {16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_f32le"}, 64, {"rf64": "auto"})
_FLAC = _Format("flac", {16: "flac", 24: "flac"}, 8)
_MP3 = _Format("mp3", {0: "libmp3lame"}, 2)
_OPUS = _Format("ogg", {0: "libopus"}, 2)
_M4A = _Format("mp4", {0: "aac"}, 2, {"movflags": "faststart+use_metadata_tags"})
FORMATS = {".wav": _WAV, ".flac": _FLAC, ".mp3": _MP3, ".ogg": _OPUS, ".opus": _OPUS, ".m4a": _M4A}

_SAMPLES = {"pcm_s16le": "s16", "pcm_s24le": "s32", "pcm_f32le": "flt", "libopus": "flt"}
_BITS_PER_CHANNEL = {"libopus": 96_000, "aac": 128_000}
"""Bits a second that leave nothing to be heard of the loss."""
_LEAST = {"aac": 1024}
"""Samples below which nothing is heard: players skip a packet that lasts less than a millisecond in MP4."""
_BEST_VARIABLE_RATE = {"flags": "+qscale", "global_quality": "0"}
"""For MP3: at low constant rates, LAME makes the sound 5 % quieter."""
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def check(path: Path, channels: int, bits: int | None) -> None:
    """Refuse what cannot be written before any work is done.

    Raises:
        BadValue: the suffix is no sound's, or its format does not hold so many channels, or has no such depth.
    """
    chosen = FORMATS.get(path.suffix.lower())
    if chosen is None:
        raise BadValue(f"a sound's name must end in one of {', '.join(FORMATS)}, not {path.suffix!r}")
    if channels > chosen.channels:
        what = f"{path.suffix} files hold at most {chosen.channels} channels, not {channels}"
        raise BadValue(f"{what}; mix down with .stereo(), or save as .wav")
    if bits is not None and (bits == 0 or bits not in chosen.codecs):
        depths = " or ".join(str(depth) for depth in chosen.codecs if depth)
        allowed = f"be {depths}" if depths else "be left out"
        raise BadValue(f"bits must {allowed} in {path.suffix} files, not {bits!r}")


def layout(channels: int) -> str:
    """FFmpeg's name for so many channels: where the speakers stand, if that is usual."""
    return _LAYOUTS.get(channels, f"{channels} channels")


def record_text(record: Record | None) -> str | None:
    """A record as it is written into files, if records are written at all."""
    return record.to_json() if record is not None and records_enabled() else None


def write(
    path: Path, samples: np.ndarray[Any, Any], rate: int, *, bits: int | None, name: str, record: str | None = None
) -> None:
    """Write N×C float32 to `path`, whose suffix chooses the format; `check` comes first.

    Args:
        path: Where.
        samples: Clipped to [-1, 1], except in files that hold floats.
        rate: Hz.
        bits: A sample; None: 16 where there is a choice.
        name: What progress is reported of.
        record: JSON for the file's metadata.

    Raises:
        BadValue: the codec does not take such a rate.
        OSError: the file cannot be written.
    """
    total = len(samples) / rate
    with encoder(path, rate, samples.shape[1], bits=bits, record=record) as file:
        for start in range(0, len(samples), CHUNK):
            progress.report(name, start / rate, total, "s")
            file.write(samples[start : start + CHUNK])
    progress.report(name, total, total, "s")


@contextlib.contextmanager
def encoder(path: Path, rate: int, channels: int, *, bits: int | None, record: str | None) -> Iterator[Encoder]:
    """A file that takes samples block by block, as `write` does all at once; complete if the `with` block ends well."""
    chosen = FORMATS[path.suffix.lower()]
    with output_file(path, chosen.muxer, chosen.options) as output:
        if record is not None:
            output.metadata.update(_record_tags.of(record, chosen.muxer))
        encoding = Encoder(output, chosen, path.suffix, rate, channels, bits)
        yield encoding
        encoding.finish()


class Encoder:
    """The one track of a sound file that is being written.

    A rate that the codec does not know becomes the next higher one that it does.
    """

    def __init__(
        self, output: OutputContainer, chosen: _Format, suffix: str, rate: int, channels: int, bits: int | None
    ) -> None:
        import av

        codec = chosen.codecs[bits or min(chosen.codecs)]
        known = av.Codec(codec, "w").audio_rates
        self._rate, self._resampler = rate, None
        if known and rate not in known:
            self._rate = min((each for each in known if each > rate), default=max(known))
            self._resampler = _mix.Resampler(rate, self._rate, channels)
        self._output, self._suffix, self._done = output, suffix, 0
        self._channels, self._layout = channels, layout(channels)
        options = _BEST_VARIABLE_RATE if codec == "libmp3lame" else None
        self._track: Any = output.add_stream(codec, rate=self._rate, layout=self._layout, options=options)
        self._track.codec_context.format = _sample_format(codec, bits)
        if codec in _BITS_PER_CHANNEL:
            self._track.codec_context.bit_rate = channels * _BITS_PER_CHANNEL[codec]

    def write(self, samples: np.ndarray[Any, Any]) -> None:
        """Take N×C float32 more.

        Raises:
            BadValue: the codec does not take such a rate.
            OSError: the file cannot be written.
        """
        for start in range(0, len(samples), CHUNK):
            part = samples[start : start + CHUNK]
            for converted in [part] if self._resampler is None else self._resampler.push(part):
                self._encode(converted)

    def finish(self) -> None:
        """Write what is still held back."""
        for converted in () if self._resampler is None else self._resampler.finish():
            self._encode(converted)
        missing = _LEAST.get(self._track.codec_context.name, 1) - self._done
        if missing > 0:
            self._encode(np.zeros((missing, self._channels), np.float32))
        self._output.mux(self._track.encode(None))

    def _encode(self, samples: np.ndarray[Any, Any]) -> None:
        import av.error

        if not len(samples):
            return
        flat = np.ascontiguousarray(samples).reshape(1, -1)
        frame: Any = av.AudioFrame.from_ndarray(flat, format="flt", layout=self._layout)
        frame.sample_rate, frame.pts = self._rate, self._done
        self._done += len(samples)
        try:
            self._output.mux(self._track.encode(frame))
        except av.error.ArgumentError as error:
            reason = f"{self._rate} samples a second cannot be encoded as {self._suffix} ({error.strerror})"
            raise BadValue(f"{reason}; use .resampled(48000), or save as .wav") from None


def _sample_format(codec: str, bits: int | None) -> str:
    if codec == "flac":
        return "s32" if bits == 24 else "s16"
    return _SAMPLES.get(codec, "fltp")
