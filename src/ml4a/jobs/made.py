"""Films that are made rather than changed, such as walks and feedback: one that was stopped goes on where it was."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Generator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core import files, progress
from ml4a._core.errors import BadMedia
from ml4a._core.progress import Cancel, Interrupted, OnProgress

from . import film
from .journal import FILMS, FOLDER, Journal, stamp_of

if TYPE_CHECKING:
    from ml4a.media.video import Clip


def render(
    make: Callable[[int], Clip],
    target: str | os.PathLike[str],
    settings: Mapping[str, Any],
    *,
    seed: int | None = None,
    overwrite: bool = False,
    keep_partial: bool = False,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> Path:
    """Make a film and write it; called again in the same way after it was stopped, it goes on.

        jobs.render(lambda seed: gan.walk(seconds=60, seed=seed), "walk.mp4", {"walk": 60})

    Args:
        make: Gives the clip, for a seed. Clips of which any frame can be had, and feedback, go on at once; others are
            computed from their beginning, up to where there are frames already.
        target: The film, animation or pattern of pictures to write.
        settings: All that decides what is made, as `settings_of` tells it: a film of others is not gone on with.
        seed: Drawn if it is None; then a film that goes on has the seed that it began with.
        overwrite: Whether `target` may be replaced.
        keep_partial: Whether, when it is stopped, the frames so far become the film, until it goes on.
        on_progress: Called with `Progress` after each frame.
        cancel: Stops the work from another thread.

    Raises:
        OutputExists: the target is there, or a film of other settings was begun.
        CannotWrite: no space, no permission.
        Cancelled, Interrupted, KeyboardInterrupt: it was stopped; what there is by then is kept.
    """
    target = Path(target)
    folder = target.parent / f".{target.name}{FOLDER}"
    if not (folder / "journal.jsonl").exists():
        files.refuse_existing(target, overwrite)
    with progress.listening(on_progress, cancel), Journal(folder, dict(settings), overwrite=overwrite) as journal:
        there = stamp_of(target)
        if not journal.is_ours(target.name, there):
            files.refuse_existing(target, overwrite)
        journal.begin({target.name: ("", there)})
        if not journal.is_done(target.name, there):
            settled: int = journal.kept("seed", lambda: secrets.randbelow(2**32)) if seed is None else seed
            place = target if film.is_numbered(target) else journal.parts / target.name
            try:
                _render(make(settled), place, journal.folder / FILMS / target.name, overwrite, keep_partial)
            except Interrupted:
                _publish(place, target, journal, overwrite)
                journal.stopped(target.name, stamp_of(target))
                raise Interrupted(target) from None
            _publish(place, target, journal, overwrite)
        journal.finish()
    return target


def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a command was given, as a journal tells it: of files, also their size and time."""
    return {name: _told(value) for name, value in given.items()}


def _told(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_told(each) for each in value]
    if isinstance(value, str | os.PathLike):
        stamp = stamp_of(Path(value)) if len(os.fspath(value)) < 4096 else None
        return str(value) if stamp is None else [str(value), *stamp[:2]]
    return value if isinstance(value, bool | int | float | None) else repr(value)


def _publish(place: Path, target: Path, journal: Journal, overwrite: bool) -> None:
    if place != target:
        files.publish(place, target, overwrite=overwrite or journal.is_ours(target.name, stamp_of(target)))


def _render(clip: Clip, target: Path, folder: Path, overwrite: bool, keep_partial: bool) -> None:
    from ml4a.media.video import _kept, _resumable

    pictures = getattr(clip.source, "unfolding", lambda: None)()
    unfolding = None if pictures is None else _Unfolding(pictures)
    source = clip.source if unfolding is None else _Clock(clip.source)
    kept = _kept.Kept(folder, target, source, film.QUALITY)
    if unfolding is not None and kept.point is not None:
        unfolding.go_on(kept.point.state)
    computation = (
        _resumable.Computation(source, lambda frame: frame)
        if unfolding is None
        else _resumable.Computation(source, unfolding, unfolding.state)
    )
    try:
        _resumable.render(
            computation, target, kept, record=lambda: clip.record, overwrite=overwrite, keep_partial=keep_partial
        )
    finally:
        getattr(pictures, "close", lambda: None)()


class _Unfolding:
    """Pictures that follow from each other, as a function of frames that says nothing but that it is time."""

    def __init__(self, pictures: Any) -> None:
        self._pictures = pictures

    def __call__(self, frame: Any) -> Any:
        """The next picture."""
        from ml4a.media import image

        return image.to_array(next(self._pictures))

    def state(self) -> dict[str, Any]:
        """What it goes on with."""
        return self._pictures.film_state()

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state` gave.

        Raises:
            BadMedia: it gave nothing like that.
        """
        try:
            self._pictures.set_film_state(state)
        except (KeyError, TypeError, ValueError):
            raise BadMedia("what is kept of the film was damaged; remove its folder to begin anew") from None


class _Clock:
    """The times of a source's frames, and its sound."""

    size = (1, 1)
    damaged = 0

    def __init__(self, source: Any) -> None:
        self.header, self.track = source.header, source.track

    def frames(self, start: Fraction, queue: int) -> Generator[Any, None, None]:
        """See `Source`."""
        from ml4a.media.video import Frame

        step = 1 / self.header.rate
        numbers = itertools.count(int(start / step))
        for number in numbers if self.header.count is None else itertools.takewhile(self._is_there, numbers):
            yield Frame(np.zeros((1, 1, 3), np.uint8), number * step, step)

    def _is_there(self, number: int) -> bool:
        return number < self.header.count
