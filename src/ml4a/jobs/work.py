"""What is done to one item of a job: a picture, or a film, or nothing, becomes a file."""

from __future__ import annotations

import os
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ml4a._core import record as records
from ml4a._core.record import Record
from ml4a.models._operation import Operation, describe, recording

from .items import is_camera


@dataclass(frozen=True, slots=True)
class Work:
    """A model and how it is applied; called with an item, in whichever process."""

    model: Any
    steady: float
    parameters: dict[str, Any] = field(default_factory=dict)
    record: bool = True

    def __call__(self, task: Task) -> Any:
        """Write what becomes of the task's source.

        Returns:
            Of a task that carries its source, the bytes of the file; of a segment, the `film.Part`; else None.
        """
        with recording(self.record and records.enabled()):
            if not isinstance(task.source, Carried):
                return self._do(task.source, task)
            with tempfile.TemporaryDirectory(prefix="ml4a-") as folder:
                return self._carried(task.source, task, Path(folder))

    def _carried(self, source: Carried, task: Task, folder: Path) -> Any:
        here = folder / "in" / source.name
        here.parent.mkdir()
        here.write_bytes(source.data())
        moved = replace(task, source=here, target=folder / "out" / task.target.name, folder=folder / "film")
        try:
            part = self._do(here, moved)
        except Exception as error:
            error.args = tuple(str(each).replace(str(here), source.label) for each in error.args)
            raise
        return moved.target.read_bytes() if part is None else part

    def _do(self, source: Any, task: Task) -> Any:
        from ml4a.media import image, sources, video

        model, target = self.model, task.target
        if is_made_of_nothing(model, source):
            return save(model(None, **self.parameters), target, task.overwrite)
        if isinstance(source, video.Clip) or is_camera(source):
            clip = source if isinstance(source, video.Clip) else video.open(source)
            return self._film(clip, task, camera=is_camera(source))
        if isinstance(source, str | os.PathLike):
            source = sources.locate(source)
        if isinstance(source, Path) and video.is_film(source):
            return self._film(video.open(source), task, file=source)
        picture, bits = image.load_deep(source)
        if operation_of(model) is None:  # a function of yours gets the same of files as of frames
            picture = image.to_array(picture)
        result = model(picture, **self.parameters)
        if bits == 8 or isinstance(result, video.Clip):  # a PIL image carries its record itself, and so does a clip
            return save(result, target, task.overwrite)
        made_by = last_record(model)
        if made_by is not None:
            made_by = records.of_file(made_by, image.file_input(source))
        image.save(result, target, bits=image.most_bits(target), record=made_by, overwrite=task.overwrite)
        return None

    def _film(self, clip: Any, task: Task, *, file: Path | None = None, camera: bool = False) -> Any:
        from . import film

        if (part := task.segment) is not None:
            return film.render_segment(
                self.model, clip, task.target, part.number, part.count, parameters=self.parameters
            )
        film.render(
            self.model,
            clip,
            task.target,
            folder=task.folder,
            steady=self.steady,
            parameters=self.parameters,
            overwrite=task.overwrite,
            file=file,
            camera=camera,
        )
        return None


@dataclass(frozen=True, slots=True)
class Task:
    """One item, as it is sent to whoever does it."""

    source: Any
    """As `Item.source`, or `Carried`."""
    target: Path
    """Where to write."""
    folder: Path
    """Where a film is kept while it is made."""
    overwrite: bool = False
    segment: Segment | None = None
    """The only part of a film that is wanted."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One of the segments into which a film is cut for several workers."""

    number: int
    count: int


@dataclass(frozen=True, slots=True)
class Carried:
    """A file that is sent along, to a worker that may not see this disk."""

    name: str
    label: str
    """What the user knows it by."""
    data: Callable[[], bytes]


def save(result: Any, target: Path, overwrite: bool) -> None:
    """Write what a model made of one picture: a picture or a film, which Ctrl-C leaves as it is by then."""
    from ml4a.media import image, video

    if isinstance(result, video.Clip):
        result.save(target, overwrite=overwrite, keep_partial=True)
    else:
        image.save(result, target, overwrite=overwrite)


def operation_of(model: Any) -> Operation | None:
    """What is known of a model's call, a model's method, or a stand-in with an `operation`."""
    method = getattr(model, "__func__", type(model).__call__)
    return describe(method) if hasattr(method, "__operation__") else getattr(model, "operation", None)


def is_made_of_nothing(model: Any, source: Any) -> bool:
    """Whether no picture is given to a model that does without one."""
    known = operation_of(model)
    return source is None and known is not None and not known.main.required


def for_film(model: Any) -> Any:
    """`model`, a model's method or a stand-in with a `for_film`, as it is called for the frames of one film."""
    if isinstance(model, types.MethodType):
        owner = for_film(model.__self__)
        return model if owner is model.__self__ else types.MethodType(model.__func__, owner)
    begin = getattr(model, "for_film", None)
    return model if begin is None else begin()


def last_record(model: Any) -> Record | None:
    """What its last call was, of what keeps records."""
    return getattr(getattr(model, "__self__", model), "last_record", None)
