"""Clips that are made of pictures: lists, arrays, files, and functions that compute them one after the other."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

from ..image import _kinds
from ..image._load import load
from ._frames import Frame
from ._source import Header
from ._tracks import Track

Pictures: TypeAlias = Sequence[Any] | np.ndarray[Any, Any]
Make: TypeAlias = Callable[[], Iterator[Any]]


class MadeFrames:
    """Pictures at a constant rate.

    Args:
        pictures: A sequence, of which any picture can be had, or a function that begins anew at each call.
        rate: Frames per second.
        count: How many there are; of endless ones, how many to take.
        track: What is heard.

    Raises:
        BadValue: no pictures, or nothing that gives any.
    """

    damaged = 0

    def __init__(self, pictures: Pictures | Make, rate: Fraction, count: int | None, track: Track | None) -> None:
        if isinstance(pictures, Iterator) or not (callable(pictures) or hasattr(pictures, "__getitem__")):
            what = type(pictures).__name__
            raise BadValue(f"frames are a list, an array or a function that returns a fresh iterator, not a {what}")
        if isinstance(pictures, str | bytes):
            raise BadValue("frames are pictures; of files in a folder, video.from_images makes a clip")
        if not callable(pictures):
            if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
                raise BadValue(f"an array of frames is N×H×W×C, not {'×'.join(map(str, pictures.shape))}")
            count = len(pictures) if count is None else min(count, len(pictures))
        if count is not None and count < 1:
            raise BadValue("a clip has one frame or more, not none")
        self._pictures = pictures
        self._size: tuple[int, int] | None = None
        duration = None if count is None else count / rate
        self.header = Header("the clip", rate, 1 / rate, count, duration)
        self.track = track

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the first frame, which is computed if it has not been yet."""
        if self._size is None:
            with contextlib.closing(self.frames()) as frames:
                next(frames, None)
        if self._size is None:
            raise BadValue("the function gave no frames; it returns an iterator over H×W×3 or H×W×4 arrays")
        return self._size

    def frames(self, start: Fraction = Fraction(0), queue: int = 0) -> Generator[Frame, None, None]:
        """The frames in order, computed when they are asked for: no `queue` runs ahead of whoever asks."""
        step = 1 / self.header.rate
        first = int(start / step)
        with contextlib.closing(self._from(first)) as pictures:
            for number, picture in zip(itertools.count(first), pictures, strict=False):
                array = _as_frame(picture)
                self._size = self._size or (array.shape[1], array.shape[0])
                yield Frame(array, number * step, step)

    def unfolding(self) -> Any:
        """A fresh iterator over all pictures, if it can tell what it goes on with (`film_state`); else None."""
        pictures = self._pictures() if callable(self._pictures) else None
        return pictures if hasattr(pictures, "film_state") else None

    def _from(self, first: int) -> Generator[Any, None, None]:
        count = self.header.count
        if callable(self._pictures):
            pictures = self._pictures()
            try:
                yield from itertools.islice(pictures, first, count)
            finally:
                getattr(pictures, "close", lambda: None)()
        else:
            for number in range(first, count or 0):
                yield self._pictures[number]


def in_batches(batches: Callable[[], Iterator[Any]]) -> Make:
    """The pictures of batches of them, one after the other, to the last."""

    def pictures() -> Iterator[Any]:
        for batch in batches():
            if getattr(batch, "ndim", 4) != 4:
                raise BadValue(f"a batch of frames is N×H×W×C, N×C×H×W (tensor) or a list, not of {batch.ndim} axes")
            yield from batch

    return pictures


def _as_frame(picture: Any) -> np.ndarray[Any, Any]:
    """Any picture as H×W×3 or H×W×4, float32 or uint8."""
    if (
        isinstance(picture, np.ndarray)
        and picture.dtype == np.uint8
        and picture.ndim == 3
        and picture.shape[2] in (3, 4)
    ):
        return picture
    array = load(picture, as_array=True) if not _kinds.is_loaded(picture) else _kinds.to_array(picture)
    return array.copy() if array is picture else array  # functions may write to the frames that they get
