"""A film computed frame by frame by a function that may remember, and gone on with after it was stopped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ml4a._core import files, progress
from ml4a._core.errors import BadMedia, Cancelled
from ml4a._core.progress import Interrupted
from ml4a._core.record import Record

from . import _encode_stills, _kept, _segments
from ._edits import Function
from ._frames import Frame, checked, to_floats
from ._kept import Kept, Made
from ._parts import Part, Point, thumbprint
from ._pipeline import Behind
from ._save import check_name, computed
from ._source import Source

_QUEUE = 4
_MARGIN = 2
"""Seconds before a segment at which reading begins, so that it is seen how the film runs into it."""


class Computation:
    """A function over the frames of a film.

    Args:
        source: The film.
        function: From H×W×C float32 in [0, 1] to H×W×C floats.
        state: What `function` remembers of the frames that it was called with: arrays of numbers and JSON values.
    """

    def __init__(self, source: Source, function: Function, state: Callable[[], dict[str, Any]] = dict) -> None:
        self.source = source
        self._function, self._state = function, state
        self._seen = 0

    def made(self, frames: Generator[Frame, None, None], stage: str, kept: Kept) -> Generator[Made, None, None]:
        """What becomes of frames of the source that follow what is kept; progress is reported under `stage`."""
        number = 0 if kept.point is None else kept.point.frames
        count = self.source.header.count
        for frame in computed(self._applied(frames), count, stage, done=number, shape=kept.shape):
            number += 1
            end = frame.time + frame.duration
            yield Made(frame, Point(number, frame.time, end, self._seen, self.source.damaged, self._state()))

    def _applied(self, frames: Generator[Frame, None, None]) -> Generator[Frame, None, None]:
        with contextlib.closing(frames):
            for frame in frames:
                self._seen = thumbprint(frame.array)  # before the function writes to it
                picture = checked(self._function(to_floats(frame.array)))
                yield Frame(picture, frame.time, frame.duration)


def render(
    computation: Computation,
    target: Path,
    kept: Kept,
    *,
    record: Callable[[], Record | None],
    overwrite: bool,
    keep_partial: bool,
) -> None:
    """Compute what is not kept yet, then make the film.

    Whatever stops it, what was computed stays in the folder, unless that was a matter of seconds. So it does when all
    is done: whoever publishes the film removes the folder then.

    Args:
        computation: What is done; its function remembers what it did at `kept.point`.
        target: What the film will be.
        kept: Its folder.
        record: What made it, asked once frames are computed.
        overwrite: Whether `target` may be replaced.
        keep_partial: Whether, when it is stopped by Ctrl-C or `Cancel`, the frames so far become the film.

    Raises:
        BadMedia: there are no frames, or the source has changed.
        OutputExists: `target` exists and may not be replaced.
        CannotWrite: no space, no permission, or the folder is gone.
        Cancelled: it was stopped.
        Interrupted: so it was by Ctrl-C, and what there was by then is the film; a KeyboardInterrupt.
    """
    overwrite = overwrite or kept.has_shown
    _check_free(target, overwrite=overwrite)
    resumed, began = kept.point is not None, time.monotonic()
    try:
        stopped = _compute(computation, target, kept, keep_partial=keep_partial)
        if stopped is not None and not kept.shows:
            raise stopped
        if not kept.shows:
            raise BadMedia(f"{computation.source.header.name} holds no frame that can be decoded; it may be cut short")
        publish(target, kept.show, record(), overwrite=overwrite)
    except BaseException:
        if not resumed and time.monotonic() - began < _kept.SECONDS_AT_RISK:
            kept.discard()
        raise
    if stopped is None:
        return
    if not resumed and time.monotonic() - began < _kept.SECONDS_AT_RISK:
        kept.discard()
    if isinstance(stopped, KeyboardInterrupt):
        raise Interrupted(target) from None
    raise stopped


def render_segment(computation: Computation, target: Path, kept: Kept, number: int, count: int) -> list[Part]:
    """Compute one of `count` segments of a film whose frames do not depend on each other.

    The last one has whatever comes after it, too: it may be several, as any may be none.

    Args:
        computation: What is done.
        target: What the film will be.
        kept: An empty folder.
        number: Which one.
        count: How many there are, by the film's length.
    """
    source, begin = computation.source, number * _segments.SECONDS
    end = None if number == count - 1 else begin + _segments.SECONDS
    for start in (max(0, begin - _MARGIN), 0):
        frames = _between(source.frames(Fraction(start), _QUEUE), begin, end)
        kept.write(computation.made(frames, target.name, kept))
        if start == 0 or source.damaged == 0:
            break
        kept.clear()  # frames that stand in for damaged ones may be others when one comes from further away
    return kept.segments


def publish(
    target: Path, show: Callable[[Path, Record | None], None], record: Record | None, *, overwrite: bool
) -> None:
    """Let `show` write a film, which then appears as `target`: whole or not at all; of pictures, each."""
    if _encode_stills.is_pattern(target):
        with _encode_stills.numbered(target, overwrite=overwrite) as pattern:
            show(pattern, record)
        return
    with files.atomic(target, overwrite=overwrite) as temporary:
        show(temporary, record)


def _check_free(target: Path, *, overwrite: bool) -> None:
    check_name(target)
    if _encode_stills.is_pattern(target):
        with _encode_stills.numbered(target, overwrite=overwrite):
            return
    files.refuse_existing(target, overwrite)


def _compute(computation: Computation, target: Path, kept: Kept, *, keep_partial: bool) -> BaseException | None:
    """Compute what is not kept yet, and keep it; return what stopped it before the end."""
    stopped: BaseException | None = None
    with progress.interruptible() as interruption, Behind(kept.write, _QUEUE) as keeper:
        made = computation.made(_after(computation.source, kept.point), target.name, kept)
        try:
            with contextlib.closing(made):
                for each in made:
                    keeper.put(replace(each, best_so_far=interruption.cancelled))
                    if interruption.cancelled:
                        stopped = KeyboardInterrupt()
                        break
        except (Cancelled, KeyboardInterrupt) as error:
            stopped = error
        except BaseException:
            kept.stopping.set()
            with contextlib.suppress(Exception):  # the reason why there is no more is the one to tell
                keeper.finish()
            raise
        if stopped is not None:
            kept.stopping.set()
            if keep_partial or interruption.cancelled:
                kept.showing.set()
        keeper.finish()
    return stopped


def _after(source: Source, point: Point | None) -> Generator[Frame, None, None]:
    """The frames after `point`, sought where the film shows the same there as if it were read from its beginning."""
    if point is None:
        yield from source.frames(Fraction(0), _QUEUE)
        return
    if not point.damaged:
        with contextlib.closing(source.frames(point.time, _QUEUE)) as frames:
            if _is_at(next(frames, None), point):
                yield from frames
                return
    with contextlib.closing(source.frames(Fraction(0), _QUEUE)) as frames:
        if not any(_is_at(frame, point) for frame in frames):
            raise BadMedia(f"{source.header.name} has changed since this film was begun; remove what is kept of it")
        yield from frames


def _is_at(frame: Frame | None, point: Point) -> bool:
    return frame is not None and frame.time == point.time and thumbprint(frame.array) == point.seen


def _between(frames: Generator[Frame, None, None], begin: int, end: int | None) -> Generator[Frame, None, None]:
    with contextlib.closing(frames):
        for frame in frames:
            if end is not None and frame.time >= end:
                return
            if frame.time >= begin:
                yield frame
