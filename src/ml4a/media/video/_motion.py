"""Clips by their motion: frames made between frames, and the motion itself."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ..motion import Colors, Engine, Flow
from ..motion._between import Array, Passage
from ._edits import Paced
from ._frames import Frame
from ._source import Edited, Source

_NEAR = Fraction(1, 100)
"""Of the way from one frame to the next: who is no farther from a frame shows that one."""
_SHARE_OF_HEIGHT = 100


class Interpolated(Edited):
    """A constant rate: where no frame begins, one is made of the two around it.

    Two frames are held at a time, whatever the rate.

    Args:
        source: What is shown.
        rate: Frames per second.
        engine: What finds the motion.
        fade: Whether frames of different scenes fade into each other; else the first of them stays until the second.
    """

    def __init__(self, source: Source, rate: Fraction, engine: Engine, *, fade: bool = False) -> None:
        super().__init__(Paced(source, rate).header, source.track, source)
        self._source, self._engine, self._fade = source, engine, fade

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        step = 1 / self.header.rate
        number = math.floor(start / step)
        with contextlib.closing(self._source.frames(number * step, queue)) as frames:
            for now, after in _with_next(frames):
                end = now.time + now.duration - step / 2 if after is None else after.time
                shown = math.ceil(end / step)
                times = [each * step for each in range(number, shown)]
                for time, array in zip(times, self._arrays(now, after, times), strict=True):
                    yield Frame(array, time, step)
                number = max(number, shown)

    def _arrays(self, now: Frame, after: Frame | None, times: Iterable[Fraction]) -> Iterator[Array]:
        """What is seen at times from one frame to the next."""
        passage: Passage | None = None
        stays = after is None or np.array_equal(now.array, after.array)
        for time in times:
            share = Fraction(0) if after is None else (time - now.time) / (after.time - now.time)
            if after is None or stays or share <= _NEAR:
                yield now.array.copy()  # whoever asks may write to it
                continue
            if share >= 1 - _NEAR:
                yield after.array.copy()
                continue
            passage = passage or Passage(now.array, after.array, self._engine)
            if passage.alike:
                yield passage.at(float(share))
            else:
                yield passage.faded(float(share)) if self._fade else now.array.copy()


class Flows(Edited):
    """The flow from each frame to the next, in colours.

    Args:
        source: What moves.
        longest: Pixels that have the purest colours.
        colors: As `Flow.view` takes them.
        engine: What finds the motion.
    """

    def __init__(self, source: Source, longest: float | None, colors: Colors, engine: Engine) -> None:
        super().__init__(source.header, source.track, source)
        self._source, self._longest, self._engine = source, longest, engine
        self._colors: Colors = colors

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """See `Source`."""
        flow: Flow | None = None
        with contextlib.closing(self._source.frames(start, queue)) as frames:
            for now, after in _with_next(frames):
                height, width = now.array.shape[:2]
                if after is not None:
                    flow = self._engine(now.array[:, :, :3], after.array[:, :, :3])
                known = Flow.still((width, height)) if flow is None else flow
                longest = max(1, height / _SHARE_OF_HEIGHT) if self._longest is None else self._longest
                yield replace(now, array=known.view(longest, self._colors))


def _with_next(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Frame | None]]:
    return itertools.pairwise(itertools.chain(frames, [None]))  # type: ignore[arg-type, return-value]
