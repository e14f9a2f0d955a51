"""The sound of files, decoded from any moment on."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .._ffmpeg import decode, fraction
from ._tracks import Block, Form, mixed_to

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio import AudioStream
    from av.container import InputContainer

    from ..audio._read import SoundFile

_RUN_UP = Fraction(1, 2)
"""Seconds that are decoded and dropped, since decoders need what came before."""
_JITTER = Fraction(1, 20)
"""Seconds by which times may be off, since containers round them, before samples are taken to be missing."""
_LAYOUTS = {1: "mono", 2: "stereo"}


class _Film(Protocol):
    origin: Fraction
    """What the file's own clock shows when the film begins, in seconds."""

    def opened(self) -> AbstractContextManager[InputContainer]: ...


class FilmTrack:
    """The first sound track of a film that can be decoded; where it is broken, there is silence.

    Args:
        film: The file.
        tracks: Its sound tracks.
    """

    def __init__(self, film: _Film, tracks: tuple[AudioStream, ...]) -> None:
        self.film = film
        first = next(track for track in tracks if track.codec_context is not None)
        self._number = tracks.index(first)
        context = first.codec_context
        self._layout = context.layout.name
        self.form = Form(context.sample_rate, context.layout.nb_channels)

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        layout = _LAYOUTS.get(form.channels, self._layout)
        with self.film.opened() as file:
            track = file.streams.audio[self._number]
            since = Fraction(start, form.rate) - _RUN_UP
            if since > 0:
                _seek(file, track, since + self.film.origin)
            decoded = (frame for frame in decode(file, track) if frame is not None)
            placed = _placed(_resampled(decoded, form.rate, layout), form, self.film.origin)
            yield from _between(placed, form, start, stop)


class SoundTrack:
    """The sound of a file that was given as such, read in blocks."""

    def __init__(self, file: SoundFile) -> None:
        self._file = file
        self.form = Form(file.rate, file.channels)

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        layout = _LAYOUTS.get(form.channels, f"{self.form.channels} channels")
        frames = self._frames(layout if form.channels <= 2 else f"{self.form.channels} channels")
        placed = _placed(_resampled(frames, form.rate, layout), form, Fraction(0))
        yield from _between(placed, form, start, stop)

    def _frames(self, layout: str) -> Iterator[AudioFrame]:
        from av import AudioFrame, AudioLayout

        channels = AudioLayout(layout).nb_channels
        position = 0
        for block in self._file.blocks():
            packed = np.ascontiguousarray(mixed_to(block, channels)).reshape(1, -1)
            frame = AudioFrame.from_ndarray(packed, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = self.form.rate, position, Fraction(1, self.form.rate)
            position += len(block)
            yield frame


def _seek(file: InputContainer, track: AudioStream, time: Fraction) -> None:
    import av.error

    try:
        file.seek(int(time / fraction(track.time_base)), stream=track)
    except av.error.FFmpegError:  # no index: it is read from its beginning
        with contextlib.suppress(av.error.FFmpegError):
            file.seek(0)


def _resampled(frames: Iterator[AudioFrame], rate: int, layout: str) -> Iterator[AudioFrame]:
    """Frames of interleaved floats. Where the sound changes its form on the way, it begins anew."""
    from av import AudioResampler

    resampler: AudioResampler | None = None
    form = None
    for frame in frames:
        now = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or now != form:
            if resampler is not None:
                yield from resampler.resample(None)
            resampler, form = AudioResampler("flt", layout, rate), now
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _placed(frames: Iterator[AudioFrame], form: Form, origin: Fraction) -> Iterator[tuple[int, Block]]:
    """Blocks and the sample of the clip at which each begins, never before the end of the one before."""
    expected: int | None = None
    for frame in frames:
        block = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
        begin = expected or 0
        if frame.pts is not None and frame.time_base:
            begin = round((frame.pts * fraction(frame.time_base) - origin) * form.rate)
        if expected is not None and begin < expected + _JITTER * form.rate:
            begin = expected
        expected = begin + len(block)
        yield begin, mixed_to(block, form.channels)


def _between(
    placed: Iterator[tuple[int, Block]], form: Form, start: int, stop: int | None
) -> Generator[Block, None, None]:
    """The samples from `start` to `stop`, with silence where there are none."""
    position = start
    for begin, block in placed:
        if begin > position:
            silent = (begin if stop is None else min(begin, stop)) - position
            yield np.zeros((silent, form.channels), np.float32)
            position += silent
        if position == stop:
            return
        heard = block[position - begin : None if stop is None else stop - begin]
        if len(heard):
            yield heard
            position += len(heard)
    if stop is not None:
        yield np.zeros((stop - position, form.channels), np.float32)
