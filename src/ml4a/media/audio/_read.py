"""Sound out of any container that FFmpeg reads: decoded in blocks, on the clock of its file."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core import limits
from ml4a._core.errors import BadMedia, TooLarge

from .. import sources
from .._ffmpeg import decode, fraction, open_container
from . import _containers

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio import AudioStream
    from av.container import InputContainer

log = logging.getLogger("ml4a")

MOST_CHANNELS = 64
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
_TOLERANCE = 0.05
"""Seconds by which a packet's time may be off before it counts: containers round times, and some clocks are poor."""
_LONGEST_LOSS = 1.0
"""Seconds that may be missing at the end before it is said."""


class SoundFile:
    """What the first sound track of a file is; and its samples, decoded anew at each call.

    In a film, sound begins when the film does: if it sets in later, or has gaps, there is silence in their place.

    Args:
        source: A path, an http(s) URL, or the bytes of a file.

    Raises:
        NotFound: there is no such file.
        BadMedia: no sound: text, a picture, a silent film; or broken.
        TooLarge: more streams, channels or hours than a sound may have.
    """

    def __init__(self, source: str | bytes | os.PathLike[str]) -> None:
        self._source = source if isinstance(source, bytes) else sources.locate(source)
        self.name = sources.shown(self._source) if isinstance(self._source, Path) else "the sound"
        with sources.open_file(self._source) as file:
            container = _containers.sniff(file)
            if container is None:
                raise BadMedia(f"{self.name} is {_containers.describe(file)}")
        self._container = container
        with open_container(self._source, container) as opened:
            track = self._find_track(opened)
            self._number = opened.streams.audio.index(track)
            # The first frame knows better than the header: that of HE-AAC says half the rate.
            first = next((frame for frame in _frames(opened, track) if frame is not None), None)
            if first is None:
                raise BadMedia(f"{self.name} holds no sound: 0 samples that can be decoded; export it again")
            self.rate = first.sample_rate
            """Hz."""
            self.channels = first.layout.nb_channels
            self._origin = _origin(opened, track, first)
            self._check_limits()
            self.duration = _duration(opened, track)
            """Seconds by the header, which may be wrong; None if it does not say."""

    def blocks(self) -> Iterator[np.ndarray[Any, Any]]:
        """The samples in order, in blocks of N×C float32."""
        done = damaged = 0
        with open_container(self._source, self._container) as file:
            track = file.streams.audio[self._number]
            conform = _Conformer(self.rate, self.channels)
            for frame in _frames(file, track):
                if frame is None:
                    damaged += 1
                    continue
                block = conform(frame)
                gap = 0 if frame.time is None else round((frame.time - self._origin) * self.rate) - done
                if gap > _TOLERANCE * self.rate:
                    if gap > limits.FILM_SECONDS * self.rate:
                        raise BadMedia(f"{self.name} has a gap of {gap / self.rate / 3600:.0f} hours in it")
                    yield from _silence(gap, self.rate, self.channels)
                    done += gap
                if len(block):  # if its clock goes back, as in recordings strung together, it follows all the same
                    done += len(block)
                    yield block
        self._complain(damaged, done / self.rate)

    def _find_track(self, file: InputContainer) -> AudioStream:
        if len(file.streams) > limits.FILM_STREAMS:
            raise TooLarge(f"{self.name} holds more than {limits.FILM_STREAMS} streams, the most a file may have")
        tracks = file.streams.audio
        if not tracks:
            raise BadMedia(f"{self.name} has no sound track")
        known = [track for track in tracks if track.codec_context is not None]
        if not known:
            raise BadMedia(f"{self.name} has sound in a codec that FFmpeg does not know; convert it to WAV")
        return known[0]

    def _check_limits(self) -> None:
        if self.channels > MOST_CHANNELS:
            raise TooLarge(f"{self.name} has {self.channels} channels; the most a sound may have is {MOST_CHANNELS}")
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            bounds = f"a sound has between {LOWEST_RATE} and {HIGHEST_RATE}"
            raise BadMedia(f"{self.name} has {self.rate} samples a second; {bounds}")

    def _complain(self, damaged: int, seconds: float) -> None:
        if damaged:
            log.warning("%s: %d damaged packets; silence stands in", self.name, damaged)
        if self._container in ("mov", "matroska") and self.duration and self.duration - seconds > _LONGEST_LOSS:
            log.warning("%s ends after %.1f of %.1f seconds; it was cut short", self.name, seconds, self.duration)


class _Conformer:
    """Frames of any sample format → N×C float32; a frame of another rate or layout than the first is converted."""

    def __init__(self, rate: int, channels: int) -> None:
        self._rate, self._channels = rate, channels
        self._layout = ""
        self._resamplers: dict[tuple[str, str, int], Any] = {}

    def __call__(self, frame: AudioFrame) -> np.ndarray[Any, Any]:
        self._layout = self._layout or frame.layout.name
        if frame.sample_rate == self._rate and frame.layout.nb_channels == self._channels:
            return _to_floats(frame)
        from av import AudioResampler

        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind not in self._resamplers:  # recordings of radio change from programme to programme
            self._resamplers[kind] = AudioResampler("fltp", self._layout, self._rate)
        frame.pts = None
        parts = [_to_floats(part) for part in self._resamplers[kind].resample(frame)]
        return np.concatenate(parts) if parts else np.empty((0, self._channels), np.float32)


def _to_floats(frame: AudioFrame) -> np.ndarray[Any, Any]:
    """N×C float32; whole numbers become fractions of the loudest that their format holds."""
    samples: np.ndarray[Any, Any] = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, order="C")
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    return samples.astype(np.float32, order="C") / np.float32(-float(np.iinfo(samples.dtype).min))


def _silence(count: int, rate: int, channels: int) -> Iterator[np.ndarray[Any, Any]]:
    for start in range(0, count, rate):
        yield np.zeros((min(rate, count - start), channels), np.float32)


def _frames(file: InputContainer, track: AudioStream) -> Iterator[AudioFrame | None]:
    """The frames of a track; None for a packet that cannot be decoded."""
    return (frame for frame in decode(file, track) if frame is None or frame.samples)


def _origin(file: InputContainer, track: AudioStream, first: AudioFrame) -> float:
    """What the file's clock shows when it begins to play: in a film, the earlier of picture and sound."""
    from av.stream import Disposition

    films = [stream for stream in file.streams.video if not stream.disposition & Disposition.attached_pic]
    starts = [
        stream.start_time * fraction(stream.time_base)
        for stream in (*films, *file.streams.audio)
        if stream.start_time is not None and stream.time_base
    ]
    if films and starts:
        return float(min(starts))
    return first.time or 0.0


def _duration(file: InputContainer, track: AudioStream) -> float | None:
    if track.duration and track.duration > 0:
        return float(track.duration * fraction(track.time_base))
    return file.duration / 1_000_000 if file.duration and file.duration > 0 else None
