"""What the frames of a clip come from: files, cameras and functions, and edits of other sources."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from ._frames import Frame
from ._tracks import Track

UNSPECIFIED = 2
"""Colours of which nothing is known, in ITU-T H.273."""
FINE_TICK = Fraction(1, 90_000)
"""Seconds; frame times of all usual rates are multiples of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a clip before its frames are read."""

    name: str
    """As it may be printed."""
    rate: Fraction
    """Frames per second, on average."""
    time_base: Fraction
    """Seconds; every frame's time is a multiple of it, or is rounded to one when it is saved."""
    count: int | None
    """How many frames there are, as far as is known."""
    duration: Fraction | None
    """Seconds, as far as is known."""
    animation: bool = False
    """Whether it is a GIF or one of its kin, in which it matters how long the last frame lasts."""
    colors: tuple[int, int] = (UNSPECIFIED, UNSPECIFIED)
    """Primaries and transfer function, numbered as in ITU-T H.273."""


class Source(Protocol):
    """Frames with their times, read anew at each call."""

    @property
    def header(self) -> Header:
        """What is known before anything is read."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames."""
        ...

    @property
    def track(self) -> Track | None:
        """What is heard."""
        ...

    @property
    def damaged(self) -> int:
        """How many frames of the last pass could not be decoded."""
        ...

    def frames(self, start: Fraction, queue: int) -> Generator[Frame, None, None]:
        """The frames in order, the first being the one that is shown at `start`: uint8 or float32.

        Args:
            start: Seconds, at least 0. Nothing comes if the clip is over by then.
            queue: How many frames may be decoded ahead.
        """
        ...


class Edited:
    """The part of a source that is an edit of others: what it does not change is that of the first."""

    def __init__(self, header: Header, track: Track | None, *sources: Source) -> None:
        self.header = header
        self.track = track
        self._sources = sources

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames."""
        return self._sources[0].size

    @property
    def damaged(self) -> int:
        """How many frames of the last pass could not be decoded."""
        return sum(source.damaged for source in self._sources)
