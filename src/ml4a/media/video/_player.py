"""Player: the frames of a clip in whatever order they are asked for, quickly where that is mostly forwards."""

from __future__ import annotations

from collections.abc import Generator
from fractions import Fraction
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue

from ._clip import Clip
from ._frames import Frame, to_floats
from ._timing import exact

_READ_ON = 1
"""Seconds ahead to which reading on is quicker than seeking."""


class Player:
    """Frames by number or moment, beginning anew after the end. Close it, or use it with `with`.

        with video.Player(clip.trim(2, 5)) as player:
            frames = [player.frame(number) for number in range(300)]

    Going forwards each frame is decoded once; `clip.frame` seeks each time.

    Args:
        clip: What is played.
        rate: At which frames are numbered, if not that of the clip.

    Raises:
        BadValue: a clip without end.
    """

    def __init__(self, clip: Clip, *, rate: float | Fraction | None = None) -> None:
        self._clip = clip if rate is None else clip.at_rate(rate)
        self._source = self._clip.measured()
        self._duration = self._source.header.duration or Fraction(0)
        if not self._duration:
            raise BadValue("a clip without frames cannot be played")
        self._frames: Generator[Frame, None, None] | None = None
        self._now: Frame | None = None
        self._next: Frame | None = None

    @property
    def count(self) -> int:
        """How many frames there are before they begin anew."""
        return max(1, round(self._duration * self._clip.rate))

    def frame(self, number: int) -> np.ndarray[Any, Any]:
        """The frame of a number, counted from 0: H×W×C float32 in [0, 1]."""
        return self._shown((number % self.count + Fraction(1, 2)) / self._clip.rate)

    def at(self, seconds: float | Fraction) -> np.ndarray[Any, Any]:
        """The frame that is shown at a moment: H×W×C float32 in [0, 1]."""
        return self._shown(exact("seconds", seconds) % self._duration)

    def close(self) -> None:
        """Stop reading."""
        if self._frames is not None:
            self._frames.close()
        self._frames = self._now = self._next = None

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _shown(self, moment: Fraction) -> np.ndarray[Any, Any]:
        if self._now is None or not self._now.time <= moment <= self._now.time + self._now.duration + _READ_ON:
            self.close()
            self._frames = self._source.frames(moment, 2)
            self._now, self._next = next(self._frames, None), next(self._frames, None)
        while self._frames is not None and self._next is not None and self._next.time <= moment:
            self._now, self._next = self._next, next(self._frames, None)
        if self._now is None:
            raise BadValue(f"{self._source.header.name} shows nothing at {float(moment):.3f} s; it may be cut short")
        # Whoever gets it may write to it, and may ask for it again.
        return to_floats(self._now.array) if self._now.array.dtype == np.uint8 else self._now.array.copy()
