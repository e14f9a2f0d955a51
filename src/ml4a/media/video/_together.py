"""Several clips made one: after each other, fading into each other, beside each other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from ml4a._core.errors import BadMedia

from ..image import _resample
from . import _tracks
from ._frames import Frame, on_white, to_floats
from ._source import FINE_TICK, Edited, Source

Array: TypeAlias = np.ndarray[Any, Any]


class Joined(Edited):
    """One clip after the other, fitted into the frames of the first. Each keeps its frames' times.

    Args:
        sources: Their durations are known.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        headers = [source.header for source in sources]
        ticks = {header.time_base for header in headers}
        durations = [header.duration or Fraction(0) for header in headers]
        counts = [header.count or 0 for header in headers]
        header = replace(
            headers[0],
            name="the joined clip",
            time_base=ticks.pop() if len(ticks) == 1 else FINE_TICK,
            count=sum(counts) if all(counts) else None,
            duration=sum(durations, start=Fraction(0)),
            animation=all(header.animation for header in headers),
        )
        tracks = [source.track for source in sources]
        track = _tracks.Joined(zip(tracks, durations, strict=True)) if any(tracks) else None
        super().__init__(header, track, *sources)
        self._durations = durations

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        fit = _Fit()
        if start >= self._durations[0]:
            with contextlib.closing(_Shown(self._sources[0], Fraction(0), 1)) as shown:
                fit(shown.now.array)
        begin = Fraction(0)
        for source, duration in zip(self._sources, self._durations, strict=True):
            if start < begin + duration:
                with contextlib.closing(source.frames(max(Fraction(0), start - begin), queue)) as frames:
                    for frame in _filling(frames, duration):
                        yield replace(frame, array=fit(frame.array), time=begin + frame.time)
            begin += duration


class Mixed(Edited):
    """One clip turning into another of the same duration, at the frames' times of the first."""

    def __init__(self, before: Source, after: Source) -> None:
        assert before.header.duration is not None
        self._seconds = before.header.duration
        track = None
        if before.track is not None or after.track is not None:
            track = _tracks.Faded(before.track, after.track, self._seconds)
        super().__init__(before.header, track, before, after)

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        before, after = self._sources
        fit = _Fit()
        with (
            contextlib.closing(before.frames(start, queue)) as frames,
            contextlib.closing(_Shown(after, start, queue)) as shown,
        ):
            for frame in frames:
                middle = frame.time + frame.duration / 2
                old, new = to_floats(fit(frame.array)), to_floats(fit(shown.at(middle).array))
                weight = np.float32(min(Fraction(1), middle / self._seconds))
                yield replace(frame, array=old + weight * (new - old))


class Beside(Edited):
    """Clips at the same time, put together frame by frame; a shorter one stays on its last frame.

    Args:
        sources: The first sets the pace.
        put: One H×W×C float32 picture from one of each.
    """

    def __init__(self, sources: Sequence[Source], put: Callable[[list[Array]], Array]) -> None:
        headers = [source.header for source in sources]
        durations = [header.duration for header in headers if header.duration is not None]
        duration = max(durations) if len(durations) == len(headers) else None
        rate = headers[0].rate
        count = None if duration is None else max(1, round(duration * rate))
        header = replace(headers[0], name="the clips", count=count, duration=duration, animation=False)
        super().__init__(header, next((source.track for source in sources if source.track), None), *sources)
        self._put = put

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames, once they are put together."""
        blank = [np.zeros((*source.size[::-1], 3), np.float32) for source in self._sources]
        height, width = self._put(blank).shape[:2]
        return width, height

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        with contextlib.ExitStack() as closing:
            shown = [closing.enter_context(contextlib.closing(_Shown(each, start, queue))) for each in self._sources]
            for frame in self._pace(*shown, start=start):
                middle = frame.time + frame.duration / 2
                pictures = [frame.array, *(each.at(middle).array for each in shown[1:])]
                yield replace(frame, array=self._put([to_floats(picture) for picture in pictures]))

    def _pace(self, first: _Shown, *others: _Shown, start: Fraction) -> Iterator[Frame]:
        """The frames of the first clip; its last one again and again for as long as another clip goes on."""
        step = 1 / self.header.rate
        frame = first.now
        if frame.time + frame.duration > start:
            yield frame
        while (after := first.advance()) is not None:
            frame = after
            yield frame
        while any(other.until > frame.time + frame.duration + step / 2 for other in others):
            frame = Frame(frame.array, frame.time + frame.duration, step)
            if frame.time + frame.duration > start:
                yield frame


class _Shown:
    """What a clip shows at given times, which increase; after its last frame, still that one."""

    def __init__(self, source: Source, start: Fraction, queue: int) -> None:
        header = source.header
        if header.duration is not None:
            start = max(Fraction(0), min(start, header.duration - 1 / (2 * header.rate)))
        self._frames = source.frames(start, queue)
        first = next(self._frames, None)
        if first is None:
            raise BadMedia(f"{header.name} holds no frame that can be decoded; it may be cut short")
        self.now = first
        self._next = next(self._frames, None)

    @property
    def until(self) -> Fraction:
        """When the last frame that is known of ends."""
        last = self._next or self.now
        return last.time + last.duration

    def at(self, time: Fraction) -> Frame:
        """The frame that is shown then."""
        while self._next is not None and self._next.time <= time:
            self.advance()
        return self.now

    def advance(self) -> Frame | None:
        """The next frame, or None after the last."""
        if self._next is None:
            return None
        self.now, self._next = self._next, next(self._frames, None)
        return self.now

    def close(self) -> None:
        """Stop reading."""
        self._frames.close()


class _Fit:
    """Fits frames into those of the shape of the first that it meets, with black bars where the shapes differ."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        self._channels = 0

    def __call__(self, picture: Array) -> Array:
        height, width, channels = picture.shape
        self._size = self._size or (width, height)
        self._channels = self._channels or channels
        if channels > self._channels:
            picture = on_white(picture)
        elif channels < self._channels:
            picture = np.dstack([picture, np.full((height, width), _full(picture), picture.dtype)])
        return picture if (width, height) == self._size else fitted(picture, self._size)


def fitted(picture: Array, size: tuple[int, int]) -> Array:
    """A frame scaled to fit into (width, height), in the middle of black."""
    width, height = size
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    scaled = resized(picture, inner)
    result = np.zeros((height, width, picture.shape[2]), picture.dtype)
    result[:, :, 3:] = _full(picture)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    result[top : top + inner[1], left : left + inner[0]] = scaled
    return result


def resized(picture: Array, size: tuple[int, int]) -> Array:
    """A frame of bytes or floats at (width, height)."""
    if picture.dtype == np.uint8:
        return np.asarray(_resample.resample(Image.fromarray(picture), size, "auto"))
    return _resample.resample(picture.astype(np.float32, copy=False), size, "auto")


def _filling(frames: Iterator[Frame], duration: Fraction) -> Iterator[Frame]:
    """The frames up to a moment, the last of which lasts until then."""
    held: Frame | None = None
    for frame in frames:
        if frame.time >= duration:
            break
        if held is not None:
            yield held
        held = frame
    if held is not None:
        yield replace(held, duration=duration - held.time)


def _full(picture: Array) -> int:
    return 255 if picture.dtype == np.uint8 else 1
