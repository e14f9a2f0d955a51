"""Films and animations that FFmpeg reads: packets in, upright pictures with their times out."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ml4a._core import limits
from ml4a._core.errors import BadMedia, TooLarge

from .. import sources
from .._ffmpeg import decode, fraction, open_container
from . import _animation_times
from ._file_tracks import FilmTrack
from ._frames import Frame
from ._pipeline import ahead
from ._pixels import Converter, Layout
from ._source import Header

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video import VideoStream

    _Decoded: TypeAlias = Iterator[VideoFrame | None]
    """Frames; None for a packet that cannot be decoded."""
    _Clocked: TypeAlias = Iterator[tuple[Fraction, Fraction, VideoFrame] | None]
    """Frames with the seconds at which each begins and, as far as is known, ends."""

log = logging.getLogger("ml4a")

_DEFAULT_RATE = Fraction(25)
_HIGHEST_RATE = 1000
_LONGEST_LOSS = 1
"""Seconds that may be missing at the end before it is said."""
_SEEK_EARLIER = (0, 2, 10)
"""Seconds before a moment at which a key frame is looked for, since not every index finds the one before."""
_MICROSECOND = Fraction(1, 1_000_000)


class FilmFile:
    """What a film is, learned from its header and first frame; and its frames, decoded anew at each call.

    Args:
        source: The file, or its bytes.
        container: FFmpeg's name of the container, as `_containers.sniff` found it. No other is tried.
        strict: Whether a damaged frame ends the reading.

    Raises:
        BadMedia: broken, or without moving pictures.
        TooLarge: more pixels, streams or hours than `limits` allow.
    """

    def __init__(self, source: Path | bytes, container: str, *, strict: bool = False) -> None:
        self._name = sources.shown(source)
        self._strict = strict
        self.damaged = 0
        """Frames of the last pass that could not be decoded."""
        self._source = source
        self._container = container
        animation = container in ("gif", "apng")
        self._seekable = not animation
        self.file = source
        """Where it comes from."""
        with self.opened() as file:
            track = self._find_track(file)
            self._number = file.streams.video.index(track)
            self._check_limits(file, track)
            self._tick = fraction(track.time_base)
            self.origin = _origin(file, track)
            """What the file's own clock shows when the film begins, in seconds."""
            count, rate, duration = track.frames or None, _rate(track), _duration(file, track)
            audible = any(each.codec_context is not None for each in file.streams.audio)
            self.track = FilmTrack(self, file.streams.audio) if audible else None
            first = next((frame for frame in decode(file, track) if frame is not None), None)
            if first is None:
                raise BadMedia(f"{self._name} holds no frame that can be decoded; it may be cut short")
            # AVI stores no times: its frames come one a tick, in the order in which they are decoded.
            self._first_tick = first.dts if container == "avi" else None
            self._interlaced = first.interlaced_frame
            self._layout = Layout.of(first, track.sample_aspect_ratio, animation=animation)
        if animation:  # FFmpeg only guesses
            with sources.open_file(source) as file:
                times = (_animation_times.of_gif if container == "gif" else _animation_times.of_png)(file)
            count, duration = len(times), sum(times, start=Fraction(0))
            rate = count / duration
        self.size = self._layout.size
        self.header = Header(
            name=self._name,
            rate=rate,
            time_base=self._tick,
            count=count or (round(duration * rate) if duration else None),
            duration=duration,
            animation=animation,
            colors=(first.color_primaries, first.color_trc),
        )

    @property
    def exact_anywhere(self) -> bool:
        """Whether frames that are read from any moment are those that are read from the beginning, damage aside."""
        return self._seekable and not self._interlaced

    def opened(self) -> contextlib.AbstractContextManager[InputContainer]:
        """The file, open for another pass."""
        return open_container(self._source, self._container)

    def frames(self, start: Fraction = Fraction(0), queue: int = 1) -> Generator[Frame, None, None]:
        """The frames in order, uint8. In the place of one that cannot be decoded comes the one before, once more.

        They are decoded in a thread of their own, for a later `start` from the last key frame before it on.
        """
        with contextlib.closing(ahead(lambda: self._read(start), queue)) as frames:
            yield from frames

    def _read(self, start: Fraction) -> Generator[Frame, None, None]:
        self.damaged = 0
        with contextlib.ExitStack() as closing:
            file = closing.enter_context(self.opened())
            track = self._opened_track(file)
            sought = self._sought(file, track, start) if self._seekable and start > 0 else None
            if sought is None:
                closing.close()
                file = closing.enter_context(self.opened())
                track = self._opened_track(file)
                sought = Fraction(0), decode(file, track)
            begin, decoded = sought
            if self._interlaced:
                decoded = _deinterlace(decoded, track)
            clocked = self._clocked(decoded, begin)
            yield from self._timed(self._since(clocked, start) if start > 0 else clocked, _track_duration(track))
        if self.damaged:
            log.warning(
                "%s: %d damaged frames; the ones before them stand in",
                self._name,
                self.damaged,
            )

    def _opened_track(self, file: InputContainer) -> VideoStream:
        track = file.streams.video[self._number]
        track.thread_type = "AUTO"
        return track

    def _sought(self, file: InputContainer, track: VideoStream, start: Fraction) -> tuple[Fraction, _Decoded] | None:
        """The time of a key frame before `start` and the frames from it on; None if the file has no index."""
        import av.error

        for earlier in _SEEK_EARLIER:
            target = start - earlier
            if target <= 0:
                break
            try:
                file.seek(int((target + self.origin) / self._tick), stream=track)
            except av.error.FFmpegError:
                break
            decoded = decode(file, track)
            key = next((frame for frame in decoded if frame is not None and frame.key_frame), None)
            time = None if key is None else self._stamp(key)
            if key is None or time is None:
                break
            if time <= start:
                return time, itertools.chain([key], decoded)
        return None

    def _clocked(self, decoded: _Decoded, begin: Fraction) -> _Clocked:
        """The frames with their times, which always increase; where the file says none, each follows the one before."""
        step = 1 / self.header.rate
        time, end = None, begin
        for frame in decoded:
            if frame is None:
                yield None
                continue
            stamp = self._stamp(frame)
            now = end if stamp is None else stamp
            time = now if time is None else max(now, time + self._tick)
            end = time + (frame.duration * self._tick_of(frame) if frame.duration else step)
            yield time, end, frame

    def _since(self, clocked: _Clocked, start: Fraction) -> _Clocked:
        """Leave out what comes before the frame that is shown at `start`."""
        shown = None
        for each in clocked:
            if each is None:
                continue
            time, _, _ = each
            if time > start:
                yield from (one for one in (shown, each) if one is not None)
                yield from clocked
                return
            shown = each
        if shown is not None and shown[1] > start:
            yield shown

    def _find_track(self, file: InputContainer) -> VideoStream:
        from av.stream import Disposition

        tracks = [track for track in file.streams.video if not track.disposition & Disposition.attached_pic]
        if not tracks:
            holds = "sound" if file.streams.audio else "nothing to see"
            holds = f"a cover picture and {holds}" if file.streams.video else holds
            raise BadMedia(f"{self._name} holds {holds}, but no film")
        known = [track for track in tracks if track.codec_context is not None]
        if not known:
            raise BadMedia(f"{self._name} is in a codec that FFmpeg does not know; convert it to H.264")
        return known[0]

    def _check_limits(self, file: InputContainer, track: VideoStream) -> None:
        if len(file.streams) > limits.FILM_STREAMS:
            raise TooLarge(f"{self._name} holds more than {limits.FILM_STREAMS} streams, the most a film may have")
        width, height = track.codec_context.width, track.codec_context.height
        if width * height > limits.PICTURE_PIXELS:
            raise TooLarge(f"{self._name} has {width}x{height} px and the limit is {limits.PICTURE_PIXELS:,} pixels")
        hours = (_duration(file, track) or 0) / 3600
        if hours > limits.FILM_SECONDS / 3600:
            most = limits.FILM_SECONDS // 3600
            raise TooLarge(f"{self._name} claims to last {float(hours):.0f} hours; the most a film may last is {most}")

    def _timed(self, clocked: _Clocked, promised: Fraction | None) -> Iterator[Frame]:
        """Frames that each last until the next, over the promised seconds."""
        converter = Converter(self._layout)
        step = 1 / self.header.rate
        held: Frame | None = None
        missing = 0  # packets that could not be decoded, and have left no gap yet
        for each in clocked:
            picture = None if each is None else converter(each[2])
            damaged = each is None or picture is None or each[2].is_corrupt
            if damaged and self._strict:
                after = "its beginning" if held is None else f"{float(held.time + held.duration):.3f} s"
                raise BadMedia(f"{self._name} is damaged after {after}; read it without strict to pass that over")
            self.damaged += damaged
            if each is None or picture is None:
                missing += held is not None
                continue
            time, end, _ = each
            if held is not None:
                repeats = min(missing, max(0, round((time - held.time) / step) - 1))
                missing -= repeats
                yield from _repeated(held, time, repeats, step)
            held = Frame(picture, time, end - time)
        if held is not None:
            end = held.time + held.duration
            lost = missing * step if promised is None else max(Fraction(0), promised - end)
            repeats = min(missing, round(lost / step))
            yield from _repeated(held, end + repeats * step, repeats, step)
            if lost - repeats * step > _LONGEST_LOSS:
                log.warning("%s ends after %.1f of %.1f seconds; it was cut short", self._name, end, promised)

    def _stamp(self, frame: VideoFrame) -> Fraction | None:
        """When a frame is shown, as far as the file says."""
        if self._first_tick is not None:
            return None if frame.dts is None else (frame.dts - self._first_tick) * self._tick
        return None if frame.pts is None else frame.pts * self._tick_of(frame) - self.origin

    def _tick_of(self, frame: VideoFrame) -> Fraction:
        return fraction(frame.time_base) if frame.time_base else self._tick


def _deinterlace(frames: _Decoded, track: VideoStream) -> _Decoded:
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
