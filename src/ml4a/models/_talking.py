"""The frames of a film in which a face talks, one after the other: a render that was stopped goes on with its state."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]


class Talking:
    """An iterator over frames.

    Args:
        find: Finds where the face is, when that is first needed: N×4, one row for each frame of the footage.
        paint: The frames of the film from a number on, given where the face is.
    """

    def __init__(self, find: Callable[[], Array], paint: Callable[[Array, int], Generator[Array, None, None]]) -> None:
        self._find, self._paint = find, paint
        self._boxes: Array | None = None
        self._frames: Generator[Array, None, None] | None = None
        self._number = 0

    def __iter__(self) -> Iterator[Array]:
        return self

    def __next__(self) -> Array:
        if self._frames is None:
            self._boxes = self._find() if self._boxes is None else self._boxes
            self._frames = self._paint(self._boxes, self._number)
        frame = next(self._frames)
        self._number += 1
        return frame

    def film_state(self) -> dict[str, Any]:
        """How far it is, and where the face is."""
        return {"number": self._number, "boxes": self._boxes}

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Go on with what `film_state` gave after a frame.

        Raises:
            KeyError, TypeError, ValueError: it gave nothing like that.
        """
        boxes, number = state["boxes"], int(state["number"])
        if not (isinstance(boxes, np.ndarray) and boxes.ndim == 2 and boxes.shape[1] == 4 and len(boxes)) or number < 0:
            raise ValueError("boxes are N×4, and frames are counted from 0")
        self._boxes, self._number = boxes.astype(np.float64), number

    def close(self) -> None:
        """Stop reading the footage."""
        if self._frames is not None:
            self._frames.close()
