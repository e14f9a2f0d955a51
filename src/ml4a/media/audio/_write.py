"""Samples in, a sound file out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ml4a._core import progress
from ml4a._core.errors import BadValue

from .._ffmpeg import output_file
from . import _mix


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
_M4A = _Format("mp4", {0: "aac"}, 2, {"movflags": "faststart"})
FORMATS = {".wav": _WAV, ".flac": _FLAC, ".mp3": _MP3, ".ogg": _OPUS, ".opus": _OPUS, ".m4a": _M4A}

_SAMPLES = {"pcm_s16le": "s16", "pcm_s24le": "s32", "pcm_f32le": "flt", "libopus": "flt"}
_BITS_PER_CHANNEL = {"libopus": 96_000, "aac": 128_000}
"""Bits a second that leave nothing to be heard of the loss."""
_BEST_VARIABLE_RATE = {"flags": "+qscale", "global_quality": "0"}
"""For MP3: at low constant rates, LAME makes the sound 5 % quieter."""
_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_CHUNK = 1 << 16


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


def write(path: Path, samples: np.ndarray[Any, Any], rate: int, *, bits: int | None, name: str) -> None:
    """Write N×C float32 to `path`, whose suffix chooses the format; `check` comes first.

    A rate that the codec does not know becomes the next higher one that it does.

    Args:
        path: Where.
        samples: Clipped to [-1, 1], except in files that hold floats.
        rate: Hz.
        bits: A sample; None: 16 where there is a choice.
        name: What progress is reported of.

    Raises:
        BadValue: the codec does not take such a rate.
        OSError: the file cannot be written.
    """
    import av
    import av.error

    chosen = FORMATS[path.suffix.lower()]
    codec = chosen.codecs[bits or min(chosen.codecs)]
    known = av.Codec(codec, "w").audio_rates
    if known and rate not in known:
        target = min((each for each in known if each > rate), default=max(known))
        samples, rate = _mix.resample(samples, rate, target), target
    try:
        with output_file(path, chosen.muxer, chosen.options) as output:
            layout = _LAYOUTS.get(samples.shape[1], f"{samples.shape[1]} channels")
            options = _BEST_VARIABLE_RATE if codec == "libmp3lame" else None
            track: Any = output.add_stream(codec, rate=rate, layout=layout, options=options)
            track.codec_context.format = _sample_format(codec, bits)
            if codec in _BITS_PER_CHANNEL:
                track.codec_context.bit_rate = samples.shape[1] * _BITS_PER_CHANNEL[codec]
            for frame in _frames(samples, rate, layout, name):
                output.mux(track.encode(frame))
            output.mux(track.encode(None))
    except av.error.ArgumentError as error:
        reason = f"{rate} samples a second cannot be encoded as {path.suffix} ({error.strerror})"
        raise BadValue(f"{reason}; use .resampled(48000), or save as .wav") from None


def _sample_format(codec: str, bits: int | None) -> str:
    if codec == "flac":
        return "s32" if bits == 24 else "s16"
    return _SAMPLES.get(codec, "fltp")


def _frames(samples: np.ndarray[Any, Any], rate: int, layout: str, name: str) -> Iterator[Any]:
    from av import AudioFrame

    for start in range(0, len(samples), _CHUNK):
        progress.report(name, start / rate, len(samples) / rate, "s")
        part = np.ascontiguousarray(samples[start : start + _CHUNK]).reshape(1, -1)
        frame = AudioFrame.from_ndarray(part, format="flt", layout=layout)
        frame.sample_rate, frame.pts = rate, start
        yield frame
    progress.report(name, len(samples) / rate, len(samples) / rate, "s")
