"""Items done by an engine and kept account of: what a run of the same job did before is not done again."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml4a._core import files, progress
from ml4a._core.errors import BadValue, Ml4aError
from ml4a._core.progress import Cancel, Interrupted

from . import settings
from ._cut_films import CutFilm
from .engine import Engine, Here, Outcome
from .film import is_numbered
from .items import Item, is_film
from .journal import FILMS, FOLDER, Journal, stamp_of
from .summary import Summary
from .work import Carried, Task, Work, operation_of


class JournaledJob:
    """A job of several files, or of a film.

    Args:
        work: What is done to each.
        engine: Who does it.
        items: Of one, its failure is raised; of several, failures are listed.
        target: The folder of the results, or the only result.
        overwrite: Whether outputs that exist may be replaced.
    """

    def __init__(self, work: Work, engine: Engine, items: list[Item], target: Path, *, overwrite: bool) -> None:
        self._work = work
        self._engine = engine
        self._items = items
        self._overwrite = overwrite
        single = len(items) == 1 and items[0].target == target
        self._folder = target.parent / f".{target.name}{FOLDER}" if single else target / FOLDER
        self._stage = f"{target.name}/"
        self._begun: dict[int, tuple[Item, Task, CutFilm | None]] = {}
        self._count = 0
        self._summary = Summary()

    def run(self) -> Summary:
        """Do what is not done yet.

        Raises:
            OutputExists: an output exists, or the journal of a job with other settings.
            Ml4aError: the only item failed, or workers cannot begin.
            Interrupted, KeyboardInterrupt: Ctrl-C.
        """
        if not (self._folder / "journal.jsonl").exists():
            self._refuse_taken(None)
        with Journal(self._folder, self._settings(), overwrite=self._overwrite) as self._journal:
            self._refuse_taken(self._journal)
            known = {each.target.name: (stamp_of_input(each), stamp_of(each.target)) for each in self._items}
            self._changed = self._journal.begin(known)
            self._work = with_seed(self._work, lambda draw: self._journal.kept("seed", draw))
            self._do()
            if self._summary.failed:
                self._journal.end()
            else:
                self._journal.finish()
        order = {item.target: number for number, item in enumerate(self._items)}
        self._summary.done.sort(key=order.__getitem__)
        labels = {item.label: number for number, item in enumerate(self._items)}
        self._summary.failed.sort(key=lambda failure: labels[failure[0]])
        return self._summary

    def _settings(self) -> dict[str, Any]:
        known = operation_of(self._work.model)
        return {
            "work": settings.described(self._work.model),
            "parameters": settings.parameters_of(known, self._work.parameters),
            "steady": self._work.steady,
            "record": self._work.record,
        }

    def _refuse_taken(self, journal: Journal | None) -> None:
        for item in self._items:
            if journal is None or not journal.is_ours(item.target.name, stamp_of(item.target)):
                files.refuse_existing(item.target, self._overwrite)

    def _do(self) -> None:
        work = self._work
        self._report()
        with progress.interruptible() as interruption:
            try:
                for outcome in self._engine.run(lambda: work, self._tasks()):
                    self._take(outcome, interruption)
                    self._report()
            except Interrupted:
                for item, task, _ in self._begun.values():  # a film, which was written as far as it had come
                    self._publish(item, task, None)
                    self._journal.stopped(item.target.name, stamp_of(item.target))
                    raise Interrupted(item.target) from None
                raise

    def _report(self) -> None:
        if len(self._items) > 1:
            settled = len(self._summary.done) + len(self._summary.failed)
            progress.report(self._stage, settled, len(self._items), "files")

    def _tasks(self) -> Iterator[Task]:
        """What is to be done; taken one by one when somebody has nothing to do."""
        for item in self._items:
            if self._journal.is_done(item.target.name, stamp_of(item.target)):
                self._summary.done.append(item.target)
                self._summary.resumed += 1
                continue
            folder = self._film_folder(item)
            if item.target.name in self._changed:
                shutil.rmtree(folder, ignore_errors=True)
            try:
                film = self._cut(item, folder)
                task = Task(self._source(item), self._place(item), folder, self._overwrite)
            except Ml4aError as error:  # an input that cannot be read
                self._fail(item, Outcome(0, item, reason=str(error), error=error))
                continue
            if film is not None and film.is_complete:  # an earlier run was stopped before it joined them
                self._join(item, film)
                continue
            for each in [task] if film is None else film.tasks(task):
                if film is not None and film.failed:
                    break
                self._begun[self._count] = (item, each, film)
                self._count += 1
                yield each

    def _place(self, item: Item) -> Path:
        """Where a worker writes: aside, until it is published; numbered pictures of a film where they belong."""
        if not is_numbered(item.target):
            return self._journal.parts / str(self._count) / item.target.name
        if self._engine.carry is not None:
            raise BadValue(
                f"{item.target}: a cluster makes films, not numbered pictures; write a film, or leave it out"
            )
        return item.target

    def _cut(self, item: Item, folder: Path) -> CutFilm | None:
        """A film that several workers make, segment by segment; None of what one makes as a whole."""
        if isinstance(self._engine, Here) or not is_film(item.source):
            return None
        return CutFilm.of(self._work, item, folder)

    def _source(self, item: Item) -> Any:
        carry = self._engine.carry
        if carry is None or not isinstance(item.source, str | os.PathLike):
            return item.source
        from ml4a.media import sources

        found = sources.locate(item.source)
        data = found if isinstance(found, bytes) else found.read_bytes()
        name = item.target.name if isinstance(found, bytes) else found.name
        return Carried(name, item.label, carry(data))

    def _take(self, outcome: Outcome, interruption: Cancel) -> None:
        """Publish what became of a task, or note that it failed."""
        item, task, film = self._begun.pop(outcome.number)
        if film is not None:
            self._take_segment(item, film, outcome)
        elif outcome.reason is not None:
            if interruption.cancelled:
                raise KeyboardInterrupt from outcome.error
            self._fail(item, outcome)
        else:
            self._publish(item, task, outcome.value)
            if interruption.cancelled:
                self._journal.stopped(item.target.name, stamp_of(item.target))
                raise Interrupted(item.target)
            self._note_done(item)

    def _take_segment(self, item: Item, film: CutFilm, outcome: Outcome) -> None:
        if film.failed:
            return
        if outcome.reason is not None:
            film.failed = True
            self._fail(item, outcome)
        elif film.take(outcome.value):
            self._join(item, film)

    def _join(self, item: Item, film: CutFilm) -> None:
        film.join(overwrite=self._may_replace(item))
        self._note_done(item)

    def _note_done(self, item: Item) -> None:
        self._journal.done(item.target.name)
        shutil.rmtree(self._film_folder(item), ignore_errors=True)
        self._summary.done.append(item.target)

    def _film_folder(self, item: Item) -> Path:
        return self._journal.folder / FILMS / item.target.name

    def _publish(self, item: Item, task: Task, data: bytes | None) -> None:
        if data is not None:
            task.target.parent.mkdir(parents=True)
            task.target.write_bytes(data)
        if task.target != item.target:
            files.publish(task.target, item.target, overwrite=self._may_replace(item))

    def _fail(self, item: Item, outcome: Outcome) -> None:
        if len(self._items) == 1:
            raise outcome.error or BadValue(f"{item.label}: {outcome.reason}")
        reason = outcome.reason or ""
        self._journal.failed(item.target.name, reason)
        self._summary.failed.append((item.label, reason))

    def _may_replace(self, item: Item) -> bool:
        return self._overwrite or self._journal.is_ours(item.target.name, stamp_of(item.target))


def with_seed(work: Work, settle: Callable[[Callable[[], int]], int]) -> Work:
    """`work` with a seed, so that all frames and files share one."""
    known = operation_of(work.model)
    if known is None or "seed" not in known.parameters or work.parameters.get("seed") is not None:
        return work
    return replace(work, parameters={**work.parameters, "seed": settle(lambda: secrets.randbelow(2**32))})


def stamp_of_input(item: Item) -> str:
    """By what an input is known again: a file's size and time, else what it is called."""
    if isinstance(item.source, str | os.PathLike) and (found := stamp_of(Path(item.source))) is not None:
        return f"{found[0]} {found[1]}"
    return item.label
