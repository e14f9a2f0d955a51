"""Edits of one clip: its frames changed, cut, sped up, turned round, paced anew. Each is a source itself."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from . import _tracks
from ._frames import Frame, checked, to_floats
from ._source import FINE_TICK, Edited, Source
from ._tracks import Track

Function: TypeAlias = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
"""A picture from a picture: H×W×C float32 in [0, 1] → H×W×C floats of any size, C = 3 or 4."""

_TURNED_BYTES = 128 << 20
"""Memory for the frames of a stretch that is turned round."""


class Mapped(Edited):
    """Every frame changed by a function, which runs in the thread that asks for the frames."""

    def __init__(self, source: Source, function: Function) -> None:
        super().__init__(source.header, source.track, source)
        self._source, self._function = source, function

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        with contextlib.closing(self._source.frames(start, queue)) as frames:
            for frame in frames:
                yield replace(frame, array=checked(self._function(to_floats(frame.array))))


class Reshaped(Edited):
    """Every frame at another size, bytes staying bytes.

    Args:
        source: What is changed.
        function: From H×W×C to H×W×C, uint8 or floats.
        size_of: What it does to (width, height).
    """

    def __init__(
        self, source: Source, function: Function, size_of: Callable[[tuple[int, int]], tuple[int, int]]
    ) -> None:
        super().__init__(source.header, source.track, source)
        self._source, self._function, self._size_of = source, function, size_of

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames."""
        return self._size_of(self._source.size)

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        with contextlib.closing(self._source.frames(start, queue)) as frames:
            for frame in frames:
                yield replace(frame, array=self._function(frame.array))


class WithTrack(Edited):
    """The same pictures with other sound, or none."""

    def __init__(self, source: Source, track: Track | None) -> None:
        super().__init__(source.header, track, source)
        self._source = source

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        return self._source.frames(start, queue)

    def unfolding(self) -> Any:
        """See `MadeFrames`."""
        unfold = getattr(self._source, "unfolding", None)
        return None if unfold is None else unfold()


class Cut(Edited):
    """What lies between two moments. A frame of which less than half would be left at a cut is left out."""

    def __init__(self, source: Source, start: Fraction, end: Fraction | None) -> None:
        header = source.header
        if header.duration is not None:
            end = header.duration if end is None else min(end, header.duration)
        duration = None if end is None else end - start
        count = None if duration is None else max(1, round(duration * header.rate))
        track = None if source.track is None else _tracks.Cut(source.track, start, end)
        super().__init__(replace(header, count=count, duration=duration), track, source)
        self._source, self._start, self._end = source, start, end

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        whole, step = self.header.duration, 1 / self.header.rate
        if whole is not None and start >= whole:
            return
        first = start == 0
        with contextlib.closing(self._source.frames(self._start + start, queue)) as frames:
            for frame in frames:
                time, end = frame.time - self._start, frame.time + frame.duration - self._start
                sliver = min(step, frame.duration) / 2
                if whole is not None and time > whole - sliver and not first:
                    return
                if time < 0 and end < sliver:
                    continue
                time = Fraction(0) if first else max(time, Fraction(0))
                yield Frame(frame.array, time, (end if whole is None else min(end, whole)) - time)
                first = False


class Retimed(Edited):
    """Every moment `factor` times as early. Its rate rises or falls along."""

    def __init__(self, source: Source, factor: Fraction) -> None:
        header = source.header
        duration = None if header.duration is None else header.duration / factor
        track = None if source.track is None else _tracks.Retimed(source.track, factor)
        tick = header.time_base if factor == 1 else FINE_TICK
        header = replace(header, rate=header.rate * factor, duration=duration, time_base=tick)
        super().__init__(header, track, source)
        self._source, self._factor = source, factor

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        with contextlib.closing(self._source.frames(start * self._factor, queue)) as frames:
            for frame in frames:
                yield Frame(frame.array, frame.time / self._factor, frame.duration / self._factor)


class Paced(Edited):
    """A constant rate: at each step, the frame that is shown in the middle of it."""

    def __init__(self, source: Source, rate: Fraction) -> None:
        header = source.header
        count = None if header.duration is None else max(1, math.ceil(header.duration * rate - Fraction(1, 2)))
        tick = header.time_base if (header.time_base * rate).numerator == 1 else 1 / rate
        header = replace(header, rate=rate, count=count, time_base=tick)
        super().__init__(header, source.track, source)
        self._source = source

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        step = 1 / self.header.rate
        number = math.floor(start / step)
        with contextlib.closing(self._source.frames((number + Fraction(1, 2)) * step, queue)) as frames:
            for frame in frames:
                steps = math.ceil((frame.time + frame.duration) / step - Fraction(1, 2)) - number
                for left in range(steps, 0, -1):
                    # Whoever asks may write to what it is given.
                    yield Frame(frame.array if left == 1 else frame.array.copy(), number * step, step)
                    number += 1


class Backwards(Edited):
    """The last frame first. Its stretches are decoded one by one from the end on, each as long as memory is allowed.

    Args:
        source: A source whose duration is known.
    """

    def __init__(self, source: Source) -> None:
        assert source.header.duration is not None
        self._end = source.header.duration
        track = None if source.track is None else _tracks.Reversed(source.track, self._end)
        super().__init__(source.header, track, source)
        self._source = source

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        until = self._end - start
        held = 0
        first = True
        while until > 0:
            since = max(Fraction(0), until - self._stretch(held))
            stretch: list[Frame] = []
            with contextlib.closing(self._source.frames(since, queue)) as frames:
                for frame in frames:
                    if frame.time >= until:
                        break
                    if frame.time >= since:
                        stretch.append(frame)
            while stretch:
                frame = stretch.pop()
                held = held or frame.array.nbytes
                time = (
                    Fraction(0) if first and start == 0 else max(Fraction(0), self._end - frame.time - frame.duration)
                )
                yield Frame(frame.array, time, self._end - frame.time - time)
                first = False
            until = since

    def _stretch(self, frame_bytes: int) -> Fraction:
        """Seconds that fit in memory."""
        width, height = self._source.size
        return max(1, _TURNED_BYTES // (frame_bytes or 12 * width * height)) / self.header.rate


class Measured(Edited):
    """A source that does not know how long it is, with what is found out by reading it."""

    def __init__(self, source: Source, queue: int) -> None:
        duration, count = Fraction(0), 0
        with contextlib.closing(source.frames(Fraction(0), queue)) as frames:
            for frame in frames:
                duration, count = frame.time + frame.duration, count + 1
        super().__init__(replace(source.header, duration=duration, count=count), source.track, source)
        self._source = source

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        return self._source.frames(start, queue)
