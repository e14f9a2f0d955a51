"""Sound on its way into a film: packet by packet from another film where the container takes it, else encoded anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .._ffmpeg import fraction
from ._file_tracks import FilmTrack
from ._tracks import Block, Form, Track

if TYPE_CHECKING:
    from av.audio import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

_COPIED = {
    "mp4": frozenset(["aac", "ac3", "alac", "eac3", "mp3"]),
    "mov": frozenset(["aac", "ac3", "alac", "eac3", "mp3", "pcm_s16le", "pcm_s24le"]),
    "matroska": frozenset(
        ["aac", "ac3", "alac", "dts", "eac3", "flac", "mp2", "mp3", "opus", "pcm_s16le", "pcm_s24le", "vorbis"]
    ),
    "webm": frozenset(["opus", "vorbis"]),
}
"""By container, the codecs that its players know."""
_OPUS_RATE = 48_000
_AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
_BITS_PER_CHANNEL = 96_000
_LAYOUTS = {1: "mono", 2: "stereo"}


class SoundWriter(Protocol):
    """Writes sound into a container, in step with the pictures."""

    def carry(self, until: Fraction) -> None:
        """Write the sound up to this many seconds after the clip's beginning."""
        ...

    def finish(self, *, cut_short: bool) -> None:
        """Write what is left: all that outlasts the pictures, unless these were cut short."""
        ...

    def close(self) -> None:
        """Let go of what is read."""
        ...


def writer(track: Track, output: OutputContainer) -> SoundWriter:
    """What brings `track` into `output`."""
    return CopiedTracks(track, output) if isinstance(track, FilmTrack) else EncodedTrack(track, output)


class EncodedTrack:
    """Brings sound that is computed into a container. It ends with the pictures, if not before."""

    def __init__(self, track: Track, output: OutputContainer) -> None:
        self._output = output
        self._target = _add_encoded(output, track.form)
        context = self._target.codec_context
        self._form = Form(context.sample_rate, context.layout.nb_channels)
        self._blocks = track.blocks(self._form, 0, None)
        self._waiting = np.zeros((0, self._form.channels), np.float32)
        self._written = 0

    def carry(self, until: Fraction) -> None:
        """See `SoundWriter`."""
        due = round(until * self._form.rate) - self._written
        while due > 0:
            if not len(self._waiting):
                block = next(self._blocks, None)
                if block is None:
                    return
                self._waiting = block
                continue
            now, self._waiting = self._waiting[:due], self._waiting[due:]
            self._encode(now)
            due -= len(now)

    def finish(self, *, cut_short: bool) -> None:
        """See `SoundWriter`."""
        self._output.mux(self._target.encode(None))

    def close(self) -> None:
        """See `SoundWriter`."""
        self._blocks.close()

    def _encode(self, samples: Block) -> None:
        from av import AudioFrame

        packed = np.ascontiguousarray(samples.clip(-1, 1), np.float32).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, format="flt", layout=_LAYOUTS[self._form.channels])
        frame.sample_rate, frame.pts, frame.time_base = self._form.rate, self._written, Fraction(1, self._form.rate)
        self._written += len(samples)
        self._output.mux(self._target.encode(frame))


class CopiedTracks:
    """Brings the sound tracks of a film into a container as they are.

    The film is read a second time, for its sound alone, so that nothing is kept in memory.
    """

    def __init__(self, track: FilmTrack, output: OutputContainer) -> None:
        film = track.film
        self._origin = film.origin
        self._output = output
        self._closing = contextlib.ExitStack()
        file = self._closing.enter_context(film.opened())
        tracks = [track for track in file.streams.audio if track.codec_context is not None]
        self._tracks = {track.index: _carrier(track, output, film.origin) for track in tracks}
        self._packets = _until_broken(file.demux(tracks)) if tracks else iter(())
        self._waiting = next(self._packets, None)

    def carry(self, until: Fraction | None) -> None:
        """See `SoundWriter`; without a time, all that is left is written."""
        while (packet := self._waiting) is not None:
            if until is not None and (packet.dts or 0) * fraction(packet.time_base) - self._origin >= until:
                return
            for result in self._tracks[packet.stream_index].take(packet):
                self._output.mux(result)
            self._waiting = next(self._packets, None)

    def finish(self, *, cut_short: bool) -> None:
        """See `SoundWriter`."""
        if not cut_short:
            self.carry(None)
        for track in self._tracks.values():
            for result in track.take(None):
                self._output.mux(result)

    def close(self) -> None:
        """See `SoundWriter`."""
        self._closing.close()


class _Carrier(Protocol):
    def take(self, packet: Packet | None) -> Iterator[Packet]:
        """What to write for a packet of the source; None at its end."""
        ...


class _Copier:
    def __init__(self, track: AudioStream, output: OutputContainer, origin: Fraction) -> None:
        self._shift = round(origin / fraction(track.time_base))
        self._target = output.add_stream_from_template(track)

    def take(self, packet: Packet | None) -> Iterator[Packet]:
        if packet is not None and packet.dts is not None:
            packet.dts -= self._shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - self._shift
            packet.stream = self._target
            yield packet


class _Recoder:
    def __init__(self, track: AudioStream, output: OutputContainer, origin: Fraction) -> None:
        self._origin = origin
        self._decoder = track.codec_context
        self._target = _add_encoded(output, Form(self._decoder.sample_rate, self._decoder.layout.nb_channels))

    def take(self, packet: Packet | None) -> Iterator[Packet]:
        import av.error

        try:
            frames = self._decoder.decode(packet)
        except av.error.FFmpegError:  # a moment of silence
            return
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= round(self._origin / fraction(frame.time_base))
            yield from self._target.encode(frame)
        if packet is None:
            yield from self._target.encode(None)


def _add_encoded(output: OutputContainer, form: Form) -> AudioStream:
    """A track of the codec that all players of the container know, mono or stereo."""
    if output.format.name == "webm":
        codec, rate = "libopus", _OPUS_RATE
    else:
        codec, rate = "aac", next((known for known in _AAC_RATES if known >= form.rate), _AAC_RATES[-1])
    channels = min(form.channels, 2)
    target = output.add_stream(codec, rate=rate, layout=_LAYOUTS[channels])
    target.codec_context.bit_rate = channels * _BITS_PER_CHANNEL
    return target


def _carrier(track: AudioStream, output: OutputContainer, origin: Fraction) -> _Carrier:
    copied = track.codec_context.codec.canonical_name in _COPIED[output.format.name]
    return (_Copier if copied else _Recoder)(track, output, origin)


def _until_broken(packets: Iterator[Packet]) -> Iterator[Packet]:
    import av.error

    # At its end FFmpeg hands out an empty packet for each track, without a time.
    with contextlib.suppress(av.error.FFmpegError):
        yield from (packet for packet in packets if packet.dts is not None)
