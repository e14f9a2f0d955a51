"""Films and animations that FFmpeg reads: packets in, upright pictures with their times out."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core import limits
from ml4a._core.errors import BadMedia, TooLarge

from . import sources
from ._frames import Frame, fraction
from ._pixels import Converter, Layout

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video import VideoStream

log = logging.getLogger("ml4a")

_DEFAULT_RATE = Fraction(25)
_HIGHEST_RATE = 1000
_LONGEST_LOSS = 1
"""Seconds that may be missing at the end before it is said."""
_MICROSECOND = Fraction(1, 1_000_000)


class FilmFile:
    """What a film is, learned from its header and first frame; and its frames, decoded anew at each call.

    Args:
        source: The file, or its bytes.
        container: FFmpeg's name of the container, as `_containers.sniff` found it. No other is tried.

    Raises:
        BadMedia: broken, or without moving pictures.
        TooLarge: more pixels, streams or hours than `limits` allow.
    """

    def __init__(self, source: Path | bytes, container: str) -> None:
        self.name = sources.shown(source)
        self.damaged = 0
        """Frames of the last pass that could not be decoded."""
        self._source = source
        self._container = container
        self.animation = container in ("gif", "apng")
        with self.opened() as file:
            track = self._find_track(file)
            self._number = file.streams.video.index(track)
            self._check_limits(file, track)
            self.time_base = fraction(track.time_base)
            """Seconds; every frame's time is a multiple of it."""
            self.origin = _origin(file, track)
            """What the file's own clock shows when the film begins, in seconds."""
            self.rate = _rate(track)
            self.duration = _duration(file, track)
            """Seconds, as far as the header says."""
            self.count = track.frames or (round(self.duration * self.rate) if self.duration else None)
            self.sound = len(file.streams.audio) > 0
            first = next((frame for frame in _decode(file, track) if frame is not None), None)
            if first is None:
                raise BadMedia(f"{self.name} holds no frame that can be decoded; it may be cut short")
            self._interlaced = first.interlaced_frame
            self._layout = Layout.of(first, track.sample_aspect_ratio)
            self.colors = (first.color_primaries, first.color_trc)
            """Primaries and transfer function, numbered as in ITU-T H.273."""
        self.size = self._layout.size

    def opened(self) -> contextlib.AbstractContextManager[InputContainer]:
        """The file, open for another pass."""
        return open_container(self._source, self._container)

    def frames(self) -> Generator[Frame, None, None]:
        """The frames in order, uint8. In the place of one that cannot be decoded comes the one before, once more."""
        self.damaged = 0
        with self.opened() as file:
            track = file.streams.video[self._number]
            track.thread_type = "AUTO"
            decoded = _decode(file, track)
            if self._interlaced:
                decoded = _deinterlace(decoded, track)
            yield from self._timed(decoded, _track_duration(track))
        if self.damaged:
            log.warning(
                "%s: %d damaged frames; the ones before them stand in",
                self.name,
                self.damaged,
            )

    def _find_track(self, file: InputContainer) -> VideoStream:
        from av.stream import Disposition

        tracks = [track for track in file.streams.video if not track.disposition & Disposition.attached_pic]
        if not tracks:
            holds = "sound" if file.streams.audio else "nothing to see"
            holds = f"a cover picture and {holds}" if file.streams.video else holds
            raise BadMedia(f"{self.name} holds {holds}, but no film")
        known = [track for track in tracks if track.codec_context is not None]
        if not known:
            raise BadMedia(f"{self.name} is in a codec that FFmpeg does not know; convert it to H.264")
        return known[0]

    def _check_limits(self, file: InputContainer, track: VideoStream) -> None:
        if len(file.streams) > limits.FILM_STREAMS:
            raise TooLarge(f"{self.name} holds more than {limits.FILM_STREAMS} streams, the most a film may have")
        width, height = track.codec_context.width, track.codec_context.height
        if width * height > limits.PICTURE_PIXELS:
            raise TooLarge(f"{self.name} has {width}x{height} px and the limit is {limits.PICTURE_PIXELS:,} pixels")
        hours = (_duration(file, track) or 0) / 3600
        if hours > limits.FILM_SECONDS / 3600:
            most = limits.FILM_SECONDS // 3600
            raise TooLarge(f"{self.name} claims to last {float(hours):.0f} hours; the most a film may last is {most}")

    def _timed(self, decoded: Iterator[VideoFrame | None], promised: Fraction | None) -> Iterator[Frame]:
        """Frames that each last until the next, with times that always increase, over the promised seconds."""
        converter = Converter(self._layout)
        step = 1 / self.rate
        held: Frame | None = None
        missing = 0  # packets that could not be decoded, and have left no gap yet
        for frame in decoded:
            picture = None if frame is None else converter(frame)
            self.damaged += frame is None or picture is None or frame.is_corrupt
            if frame is None or picture is None:
                missing += held is not None
                continue
            time = self._time_of(frame, held)
            if held is not None:
                repeats = min(missing, max(0, round((time - held.time) / step) - 1))
                missing -= repeats
                yield from _repeated(held, time, repeats, step)
            duration = frame.duration * self._tick_of(frame) if frame.duration else step
            held = Frame(picture, time, duration)
        if held is not None:
            end = held.time + held.duration
            lost = missing * step if promised is None else max(Fraction(0), promised - end)
            repeats = min(missing, round(lost / step))
            yield from _repeated(held, end + repeats * step, repeats, step)
            if lost - repeats * step > _LONGEST_LOSS:
                log.warning("%s ends after %.1f of %.1f seconds; it was cut short", self.name, end, promised)

    def _time_of(self, frame: VideoFrame, before: Frame | None) -> Fraction:
        if frame.pts is None:
            return before.time + before.duration if before else Fraction(0)
        time = frame.pts * self._tick_of(frame) - self.origin
        return max(time, before.time + self.time_base if before else Fraction(0))

    def _tick_of(self, frame: VideoFrame) -> Fraction:
        return fraction(frame.time_base) if frame.time_base else self.time_base


@contextlib.contextmanager
def open_container(source: Path | bytes, container: str) -> Iterator[InputContainer]:
    """A film, opened by FFmpeg as the one container that it was recognised to be.

    Raises:
        BadMedia: it is not, or it is broken.
    """
    import av.error

    # A file object has no protocols: nothing in the film can make FFmpeg open another file or address.
    options = {"protocol_whitelist": "", "max_streams": str(limits.FILM_STREAMS + 1)}
    with sources.open_file(source) as file:
        try:
            opened = av.open(file, "r", format=container, options=options, **_lenient(av.__version__))
        except av.error.FFmpegError as error:
            reason = f"{sources.shown(source)} is broken, or its index is missing: {error.strerror}"
            raise BadMedia(reason) from None
        with opened:
            yield opened


def _lenient(version: str) -> dict[str, Any]:
    """So that metadata which are no UTF-8 are no error, as they never are from PyAV 19 on."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def _decode(file: InputContainer, track: VideoStream) -> Iterator[VideoFrame | None]:
    """The frames of a track; None for a packet that cannot be decoded."""
    import av.error

    packets = file.demux(track)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:  # the rest of the file is not there
            packet = None
        try:
            yield from track.codec_context.decode(packet)
        except av.error.EOFError:  # it was at its end already
            return
        except av.error.FFmpegError:
            yield None
        if packet is None:
            return


def _deinterlace(frames: Iterator[VideoFrame | None], track: VideoStream) -> Iterator[VideoFrame | None]:
    import av.filter

    graph = av.filter.Graph()
    graph.link_nodes(graph.add_buffer(template=track), graph.add("bwdif", "send_frame"), graph.add("buffersink"))
    graph.configure()
    for frame in frames:
        if frame is None:
            yield None
        else:
            graph.vpush(frame)
            yield from _drain(graph)
    graph.vpush(None)
    yield from _drain(graph)


def _drain(graph: Any) -> Iterator[VideoFrame]:
    import av.error

    while True:
        try:
            yield graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return


def _repeated(frame: Frame, until: Fraction, repeats: int, step: Fraction) -> Iterator[Frame]:
    """`frame`, and then again `repeats` times, a `step` apart; the last lasts until the given time."""
    times = [frame.time + number * step for number in range(repeats + 1)]
    for time, end in zip(times, [*times[1:], until], strict=True):
        yield Frame(frame.array, time, end - time)


def _origin(file: InputContainer, track: VideoStream) -> Fraction:
    """When the earlier of picture and sound begins, at a tick of the picture's clock."""
    tick = fraction(track.time_base)
    starts = [
        stream.start_time * fraction(stream.time_base)
        for stream in (track, *file.streams.audio)
        if stream.start_time is not None and stream.time_base
    ]
    return min(starts, default=Fraction(0)) // tick * tick


def _rate(track: VideoStream) -> Fraction:
    for rate in (track.average_rate, track.guessed_rate, track.base_rate):
        if rate and 0 < (value := fraction(rate)) <= _HIGHEST_RATE:
            return value
    return _DEFAULT_RATE


def _duration(file: InputContainer, track: VideoStream) -> Fraction | None:
    whole = file.duration * _MICROSECOND if file.duration and file.duration > 0 else None
    return _track_duration(track) or whole


def _track_duration(track: VideoStream) -> Fraction | None:
    return track.duration * fraction(track.time_base) if track.duration and track.duration > 0 else None
