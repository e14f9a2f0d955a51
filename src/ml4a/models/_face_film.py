"""What is remembered of the faces of one film, from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ml4a._core import states
from ml4a.media.face import EYE, Face, Tracker, largest_first

_NOSE, _MOUTH = (0.5, 0.62), (0.395, 0.74)
"""Where they are in an aligned picture, in shares of its side; the mouth's left corner."""


class Film:
    """Follows faces, and keeps to one of them where one is asked for."""

    def __init__(self) -> None:
        self._tracker = Tracker()
        self._now: dict[int, Face] = {}
        self._number = 0
        self._last: Face | None = None

    def film_state(self) -> dict[str, Any]:
        """What is remembered, to be written to a file: arrays of numbers and JSON values."""
        state = {f"tracker.{name}": value for name, value in self._tracker.film_state().items()}
        if self._last is not None:
            state |= {f"last.{name}": value for name, value in self._last.to_state().items()}
        return {**state, "number": self._number}

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Remember what `film_state` gave, in place of what is remembered.

        Raises:
            BadValue: it gave nothing like that.
        """
        last = states.below("last", state)
        self._tracker.set_film_state(states.below("tracker", state))
        self._number = states.whole("number", state)
        self._last = Face.from_state(last) if last else None

    def follow(self, found: list[Face], pixels: np.ndarray[Any, Any]) -> list[Face]:
        """The faces of the next frame, H×W×3, held still, and those missing for a moment; the largest first."""
        self._now = self._tracker(found, pixels)
        return largest_first(list(self._now.values()))

    def choose(self, found: list[Face], number: int, size: tuple[int, int]) -> Face:
        """The same person as in the frame before.

        Args:
            found: What `follow` gave.
            number: Who of them it is in the first frame, and wherever that person has gone but others are there.
            size: (width, height) of the frame.

        Returns:
            The face; where nobody is, the last one; before anybody came, one that fills the middle of the frame.
        """
        if self._number not in self._now and number < len(found):
            self._number = next(key for key, face in self._now.items() if face is found[number])
        self._last = self._now.get(self._number, self._last)
        return self._last or _in_the_middle(*size)


def _in_the_middle(width: int, height: int) -> Face:
    """A face whose aligned picture is the largest square in the middle."""
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    places = [EYE, (1 - EYE[0], EYE[1]), _NOSE, _MOUTH, (1 - _MOUTH[0], _MOUTH[1])]
    return Face((left, top, left + side, top + side), points=np.array(places) * side + (left, top))
