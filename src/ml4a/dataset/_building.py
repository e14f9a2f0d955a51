"""A build under way: what is read, looked at, made by workers, kept until all is made, and packed in order."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ml4a._core import files, progress
from ml4a._core.errors import BadValue, Ml4aError, OutputExists
from ml4a.jobs import settings as job_settings
from ml4a.jobs.engine import Begin, Engine, Here, Outcome, reason_of
from ml4a.jobs.journal import Journal
from ml4a.media import image, sources

from . import augment, filters, inputs, packing, split
from . import labels as label_files
from ._alike import as_a_worker, begin_making_here
from ._store import Result, Store
from .inputs import Input, Read, Source
from .recipe import Facts, Recipe, Task, begin_looking, begin_making, face_crop, look

FOLDER = ".ml4a-dataset"
"""Where a build keeps what it has made so far, in the folder of the data set."""
SAMPLES = 48
"""Pictures that the report shows."""
_OURS = re.compile(r"f\d{5,}(_\d{2,})?_.*\.(png|jpg|txt)")
"""Names that this module gives."""
_FOLDERS = ("", "train", "test", "train_A", "train_B", "train/train_A", "train/train_B", "test/test_A", "test/test_B")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built, as `build` was told it."""

    recipe: Recipe
    target: Path
    max_count: int | None
    shuffle: bool
    every: float | None
    test_share: float
    split: str
    labels: bool
    captions: bool
    container: str
    shard_size: int
    report: bool
    seed: int | None
    overwrite: bool

    def settings(self) -> dict[str, Any]:
        """All that decides what is made, as JSON values."""
        plain = dataclasses.asdict(dataclasses.replace(self, recipe=dataclasses.replace(self.recipe, actions=())))
        plain = {**plain.pop("recipe"), **plain}
        plain["actions"] = [
            each if isinstance(each, str) else job_settings.described(each) for each in self.recipe.actions
        ]
        return {name: value for name, value in plain.items() if name not in ("target", "overwrite", "report")}


class Building:
    """One build. What is made is kept beside the target, file by file, until all is made, and then packed.

    Args:
        plan: What is to be built.
        source: Where inputs come from.
        root: The folder of the inputs, if they have one.
        engine: What makes it.

    Raises:
        OutputExists: the target is taken, or a build with other settings was begun there.
        CannotWrite: the target's folder cannot be written.
    """

    def __init__(self, plan: Plan, source: Source, root: Path | None, engine: Engine) -> None:
        self._plan, self._source, self._root, self._engine = plan, source, root, engine
        place = _job_folder(plan)
        _refuse(plan, place, root)
        self._had_target = plan.target.exists()
        self._journal = Journal(place, plan.settings(), overwrite=plan.overwrite).__enter__()
        self._store = Store(place / "made")
        self.seed: int = self._journal.kept("seed", lambda: _drawn(plan.seed))
        self._recipe = dataclasses.replace(plan.recipe, seed=self.seed)
        self._results: dict[int, Result] = {}
        self._facts: dict[int, Facts] = {}
        self._order: list[int] | None = None
        self.pictures: dict[str, int] = {}
        self.resumed = 0

    @property
    def kept(self) -> list[Result]:
        """The inputs of which pictures were made, in order."""
        return [each for _, each in sorted(self._results.items()) if not each.refused]

    @property
    def rejected(self) -> list[tuple[str, str]]:
        """The inputs that were left out, in order, with the reasons."""
        return [(each.input.key, each.refused) for _, each in sorted(self._results.items()) if each.refused]

    def run(self, labels: dict[Path, int]) -> None:
        """Make everything and pack it.

        Args:
            labels: The class of each file.

        Raises:
            BadValue: not one input was kept.
        """
        wanted, limit = self._choose()
        if self._source.clip is None and self._recipe.selection.looks:
            self._look_at_all(wanted, limit)
        begin_with = begin_making_here if isinstance(self._engine, Here) else begin_making
        begin = functools.partial(begin_with, self._recipe)
        with self._work(begin, self._tasks(wanted, limit)) as outcomes:
            for outcome in outcomes:
                self._take(outcome)
        if not self.kept:
            name, reason = self.rejected[0] if self._results else ("", "there are none")
            self.finish()
            if not self._had_target:
                with contextlib.suppress(OSError):  # a zip, or not empty
                    self._plan.target.rmdir()
            raise BadValue(f"none of {len(self._results)} inputs is good for the data set; the first, {name}: {reason}")
        self._divide()
        for result in self.kept:
            result.label = None if result.input.path is None else labels.get(result.input.path)
        self._pack()

    def finish(self) -> None:
        """All is done: what was kept to go on with goes away."""
        self._store.close()
        self._journal.finish()

    def close(self) -> None:
        """Let go of the journal; unless all is done it stays, and so does what was made."""
        self._store.close()
        self._journal.__exit__(None, None, None)

    def write_report(self, classes: list[str]) -> Path:
        """The page that shows what was made."""
        from . import report

        entries = [
            report.Entry(
                each.input.key, "rejected" if each.refused else "kept", each.refused, each.width, each.height,
                each.part, each.label, each.sharpness,
            )
            for _, each in sorted(self._results.items())
        ]  # fmt: skip
        settings = {**self._plan.settings(), "seed": self.seed}
        settings |= {"classes": classes} if classes else {}
        return report.write(report_folder(self._plan.target), entries, self._samples(), settings)

    def _choose(self) -> tuple[Callable[[int], bool], int | None]:
        """Which inputs are used, by their numbers, and beyond which number none is."""
        plan = self._plan
        if not plan.shuffle:
            return (lambda number: True), plan.max_count
        rng = augment.chance(self.seed, "shuffle")
        self._order = inputs.choose(self._source.count(), plan.max_count, True, rng)
        return set(self._order).__contains__, None

    def _look_at_all(self, wanted: Callable[[int], bool], limit: int | None) -> None:
        """Let workers find out what pictures are, where that decides which are kept."""

        def tasks() -> Iterator[Task]:
            for read in self._source.read(wanted, limit):
                known = self._store.facts(read.digest)
                if known is not None:
                    self._facts[read.input.number] = known
                elif read.content is not None:
                    yield Task(read.input, read.content, read.digest)

        with self._work(begin_looking, tasks()) as outcomes:
            for outcome in outcomes:
                task, facts = outcome.item, outcome.value
                if facts is not None:
                    self._facts[task.input.number] = facts
                    self._store.note_facts(task.digest, facts)
                progress.report("looking at pictures", outcome.number + 1, self._total(), "pictures")

    def _work(self, begin: Begin, tasks: Iterator[Task]) -> contextlib.closing[Generator[Outcome, None, None]]:
        """What comes of the tasks, to be used with `with`: whatever happens inside, the workers end with it."""
        return contextlib.closing(cast("Generator[Outcome, None, None]", self._engine.run(begin, tasks)))

    def _tasks(self, wanted: Callable[[int], bool], limit: int | None) -> Iterator[Task]:
        """What workers have to do: the inputs that are good enough, but for those that were done before."""
        selection = self._recipe.selection
        alike = None if selection.duplicates is None else filters.Duplicates(selection.duplicates)
        follow = _following(self._recipe, self._source)
        for read in self._source.read(wanted, limit):
            result = self._results[read.input.number] = Result(read.input, read.digest, refused=read.reason)
            if read.content is None:
                continue
            facts = self._facts_of(read) if selection.looks else None
            if facts is not None:
                result.width, result.height, result.sharpness = facts.width, facts.height, facts.sharpness
                result.refused = _refused(self._recipe, facts, read.input.key, alike)
            task = Task(read.input, read.content, read.digest)
            if follow is not None and not result.refused:
                task = follow(task, result)
            if result.refused:
                continue
            if self._store.recall(result):
                self.resumed += 1
            else:
                yield task

    def _facts_of(self, read: Read) -> Facts | None:
        """What a picture is: of a file, workers have found out; what they could not read, nobody can."""
        assert read.content is not None
        if self._source.clip is None:
            return self._facts.get(read.input.number)
        return look(read.content, read.input.key)

    def _take(self, outcome: Outcome) -> None:
        """Keep what a worker has made of an input."""
        result = self._results[outcome.item.input.number]
        if outcome.reason is not None:
            result.refused = outcome.reason
            self._journal.failed(result.input.key, outcome.reason)
        else:
            self._store.put(result, outcome.value)
            self._journal.done(result.input.key)
        progress.report("making pictures", self.resumed + outcome.number + 1, self._total(), "pictures")

    def _total(self) -> int | None:
        """How many inputs there are to do, as far as that is known."""
        if self._order is not None:
            return len(self._order)
        whole = self._source.expected()
        limit = self._plan.max_count
        return limit if whole is None else whole if limit is None else min(limit, whole)

    def _divide(self) -> None:
        """Say of each input whether it is for training or testing."""
        plan = self._plan
        if not plan.test_share:
            return
        order = self._order or sorted(self._results)
        regular = {order[place] for place in split.regular(len(order), plan.test_share)}
        last = max((each.input.second or 0.0 for each in self._results.values()), default=0.0)
        duration = last * (1 + 1 / max(1, len(order) - 1))
        for number, result in self._results.items():
            if plan.split == "regular":
                test = number in regular
            elif result.input.second is not None:
                test = split.by_time(result.input.second, duration, plan.test_share)
            else:
                test = split.by_content(result.digest, self.seed, plan.test_share)
            result.part = "test" if test else "train"

    def _pack(self) -> None:
        plan = self._plan
        overwrite = plan.overwrite or self._journal.resumed
        if overwrite and plan.container == "folder":
            _clear(plan.target)
        kept = self.kept
        with packing.writer(plan.container, plan.target, shard_size=plan.shard_size, overwrite=overwrite) as writer:
            for number, result in enumerate(kept):
                progress.report("packing", number, len(kept), "pictures")
                caption = self._caption(result)
                for copy in range(len(result.sizes)):
                    data = self._store.read(result, copy)
                    name = item_name(result.input, copy, len(result.sizes))
                    writer.add(name, data, part=result.part, label=result.label, caption=caption)
                    self.pictures[result.part] = self.pictures.get(result.part, 0) + 1

    def _caption(self, result: Result) -> str | None:
        path = result.input.path
        if not self._plan.captions or path is None:
            return None
        return label_files.caption_of(path, self._root)

    def _samples(self) -> list[Any]:
        """Some of the pictures that were made, from all over; of pairs, both."""
        made = [(result, copy) for result in self.kept for copy in range(len(result.sizes))]
        step = max(1, -(-len(made) // SAMPLES))
        return [self._sample(result, copy) for result, copy in made[::step]]

    def _sample(self, result: Result, copy: int) -> Any:
        pictures = [image.load(data) for data in self._store.read(result, copy).values()]
        return pictures[0] if len(pictures) == 1 else image.concatenate(pictures)


def item_name(of: Input, copy: int, copies: int) -> str:
    """What one copy is called: the input's number, the copy's if there are several, and the input's name."""
    return f"f{of.number:05d}{f'_{copy:02d}' if copies > 1 else ''}_{of.name}"


def report_folder(target: Path) -> Path:
    """Where the report of a data set is: beside it, so that no trainer takes its pictures for data."""
    return target.parent / f"{target.stem if target.suffix == '.zip' else target.name}-report"


def _refused(recipe: Recipe, facts: Facts, name: str, alike: filters.Duplicates | None) -> str:
    """Why a picture is not kept, or nothing."""
    selection = recipe.selection
    if refused := selection.refuses(facts.width, facts.height):
        return refused
    if facts.sharpness is not None and facts.sharpness < selection.min_sharpness:
        return f"its sharpness is {facts.sharpness:.1f} and the least is {selection.min_sharpness:g}"
    first = None if alike is None or facts.hash is None else alike.first_like(name, facts.hash)
    return "" if first is None else f"it looks like {first}"


def _following(recipe: Recipe, source: Source) -> Callable[[Task, Result], Task] | None:
    """What cuts a film's frames out around a face that is followed: in one process, since each depends on the last."""
    if recipe.face is None or source.clip is None or recipe.face.smooth == 1:
        return None
    missing, crop = recipe.face.missing, face_crop(recipe.face, recipe.size)

    def follow(task: Task, result: Result) -> Task:
        picture = inputs.picture_of(task.content, task.input.key)
        result.width, result.height = picture.size
        result.refused = recipe.selection.refuses(*picture.size)
        try:
            with as_a_worker():
                found = None if result.refused else crop(picture)
        except Ml4aError as error:
            result.refused = reason_of(error)
            return task
        if found is None:
            result.refused = result.refused or missing
            return task
        return dataclasses.replace(task, content=np.asarray(image.to_picture(found).convert("RGB")), is_cut_out=True)

    return follow


def _job_folder(plan: Plan) -> Path:
    if plan.container == "zip":
        return plan.target.parent / f".{plan.target.name}{FOLDER}"
    return plan.target / FOLDER


def _refuse(plan: Plan, place: Path, root: Path | None) -> None:
    """Raise before any work is done if what is there may not be replaced."""
    target = plan.target
    if root is not None and target.resolve().is_relative_to(root.resolve()) and (
        plan.labels or target.resolve() == root.resolve()
    ):  # fmt: skip
        raise OutputExists(f"{sources.shown(target)} is in the input itself; choose another folder")
    if plan.report and not plan.overwrite and report_folder(target).exists() and not place.exists():
        raise OutputExists(f"{report_folder(target)} exists; choose another name or allow overwriting (--overwrite)")
    if place.exists():  # a build that goes on, or whose journal says why it cannot
        return
    packing.writer(plan.container, target, shard_size=plan.shard_size, overwrite=plan.overwrite)


def _clear(target: Path) -> None:
    """Take away what an earlier build has left, so that no picture of it is among the new ones."""
    for folder in (target / name for name in _FOLDERS):
        if not files.is_folder(folder):
            continue
        for path in list(folder.iterdir()):
            if _OURS.fullmatch(path.name) and path.is_file():
                path.unlink()
        if folder != target and not any(folder.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)


def _drawn(seed: int | None) -> int:
    return secrets.randbelow(2**32) if seed is None else seed
