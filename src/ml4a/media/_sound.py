"""The sound of a film, carried over into another: packet by packet where the container takes it, else encoded anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from ._frames import fraction

if TYPE_CHECKING:
    from av.audio import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

    from ._demux import FilmFile

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
_BITS_PER_CHANNEL = 96_000


class Sound:
    """Brings the sound tracks of a film into a container that is being written, in step with its pictures.

    The film is read a second time, for its sound alone, so that nothing is kept in memory.
    """

    def __init__(self, film: FilmFile, output: OutputContainer) -> None:
        self._origin = film.origin
        self._output = output
        self._closing = contextlib.ExitStack()
        file = self._closing.enter_context(film.opened())
        tracks = [track for track in file.streams.audio if track.codec_context is not None]
        self._tracks = {track.index: _carrier(track, output, film.origin) for track in tracks}
        self._packets = _until_broken(file.demux(tracks)) if tracks else iter(())
        self._waiting = next(self._packets, None)

    def carry(self, until: Fraction | None = None) -> None:
        """Write the sound up to this many seconds after the film's beginning, or all of it."""
        while (packet := self._waiting) is not None:
            if until is not None and (packet.dts or 0) * fraction(packet.time_base) - self._origin >= until:
                return
            for result in self._tracks[packet.stream_index].take(packet):
                self._output.mux(result)
            self._waiting = next(self._packets, None)

    def finish(self) -> None:
        """Write what the encoders still hold."""
        for track in self._tracks.values():
            for result in track.take(None):
                self._output.mux(result)

    def close(self) -> None:
        """Close the film."""
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
        codec = "libopus" if output.format.name == "webm" else "aac"
        self._origin = origin
        self._decoder = track.codec_context
        channels = min(self._decoder.layout.nb_channels, 2)
        layout = "mono" if channels == 1 else "stereo"
        rate = _OPUS_RATE if codec == "libopus" else min(self._decoder.sample_rate, 96_000)
        self._target = output.add_stream(codec, rate=rate, layout=layout)
        self._target.codec_context.bit_rate = channels * _BITS_PER_CHANNEL

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


def _carrier(track: AudioStream, output: OutputContainer, origin: Fraction) -> _Carrier:
    copied = track.codec_context.codec.canonical_name in _COPIED[output.format.name]
    return (_Copier if copied else _Recoder)(track, output, origin)


def _until_broken(packets: Iterator[Packet]) -> Iterator[Packet]:
    import av.error

    # At its end FFmpeg hands out an empty packet for each track, without a time.
    with contextlib.suppress(av.error.FFmpegError):
        yield from (packet for packet in packets if packet.dts is not None)
