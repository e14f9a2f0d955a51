"""Footage: a film or a still picture as it is worked on – sized, turned, cut to a part – read as often as is needed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

if TYPE_CHECKING:
    from ml4a.media.video import Clip

Array: TypeAlias = np.ndarray[Any, Any]
Loop: TypeAlias = Literal["repeat", "pingpong", "hold"]

_QUEUE = 4
"""Frames that are decoded ahead."""


@dataclass(frozen=True)
class Footage:
    """Frames at a constant rate, of which only a few are in memory.

    Args:
        clip: What is shown; a still is a clip of one frame.
        turns: Quarters of a turn, clockwise.
        part: (top, bottom, left, right): rows and columns that are kept once it is turned; -1 is the last. None: all.
    """

    clip: Clip
    turns: int = 0
    part: tuple[int, int, int, int] | None = None

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return self.clip.rate

    def frames(self) -> Generator[Array, None, None]:
        """The frames once through: H×W×3 or H×W×4 uint8, to be written to.

        Raises:
            BadValue: the part is not within the frames.
        """
        yield from self._frames(self.clip)

    def going_on(self, count: int, loop: Loop) -> Generator[tuple[int, Array], None, None]:
        """The frames again and again, each with its number, without end.

        Args:
            count: How many there are, if more are not wanted.
            loop: What follows the last: the first ("repeat"), the one before it ("pingpong"), or itself ("hold").
        """
        last: Array | None = None
        for number, frame in enumerate(self._taken(count)):
            last = frame.copy() if number == count - 1 else None
            yield number, frame
        while last is not None and (loop == "hold" or count == 1):
            yield count - 1, last.copy()
        while True:
            if loop == "pingpong":
                yield from zip(range(count - 2, 0, -1), self._back(count), strict=False)
            yield from enumerate(self._taken(count))

    def _taken(self, count: int) -> Generator[Array, None, None]:
        with contextlib.closing(self.frames()) as frames:
            yield from itertools.islice(frames, count)

    def _back(self, count: int) -> Generator[Array, None, None]:
        """From the last but one to the second."""
        cut = self.clip.trim(0, float(count / self.rate))
        with contextlib.closing(self._frames(cut.reverse())) as frames:
            yield from itertools.islice(frames, 1, count - 1)

    def _frames(self, clip: Clip) -> Generator[Array, None, None]:
        with contextlib.closing(clip.source.frames(Fraction(0), _QUEUE)) as frames:
            for frame in frames:
                turned = np.rot90(in_bytes(frame.array), -self.turns)
                yield self._cut(turned).copy()  # it may be the user's own

    def _cut(self, frame: Array) -> Array:
        if self.part is None:
            return frame
        height, width = frame.shape[:2]
        top, bottom, left, right = self.part
        bottom, right = (height if bottom == -1 else bottom), (width if right == -1 else right)
        check_box("crop", (top, bottom, left, right), width, height)
        return frame[top:bottom, left:right]


def in_bytes(picture: Array) -> Array:
    """H×W×C floats in [0, 1] as the nearest of 256 levels; bytes as they are."""
    return picture if picture.dtype == np.uint8 else np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def check_box(name: str, box: tuple[int, int, int, int], width: int, height: int) -> None:
    """Refuse rows and columns that a frame has not.

    Raises:
        BadValue: names the parameter, the box and the frame.
    """
    top, bottom, left, right = box
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise BadValue(
            f"{name} is top, bottom, left, right within the frame; {','.join(map(str, box))} is not within "
            f"{width}x{height} px"
        )
