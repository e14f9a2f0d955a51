"""`apply`: a model on a picture, a folder, a glob, a GIF or a film; here, in several processes, or on a cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml4a._core import progress
from ml4a._core.errors import BadValue
from ml4a._core.files import refuse_existing
from ml4a._core.params import Parameter, Range, check
from ml4a._core.progress import Cancel, Interrupted, OnProgress
from ml4a.models import _media
from ml4a.models._operation import Operation, recording_enabled

from ._journaled import JournaledJob, with_seed
from .engine import EngineName, Here
from .engine import engine as make_engine
from .items import Item, is_film, plan
from .summary import Summary
from .work import Task, Work, operation_of

_STEADY = Parameter("steady", float, 0.0, Range(0, 1), "", None, True)


def apply(
    model: Callable[..., Any],
    source: Any,
    target: str | os.PathLike[str],
    /,
    *,
    steady: float = 0.0,
    overwrite: bool = False,
    record: bool = True,
    workers: int | None = None,
    engine: EngineName = "local",
    address: str | None = None,
    gpus: float = 0.0,
    worker_memory: str | None = None,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
    **parameters: Any,
) -> Summary:
    """Apply a picture → picture function to a picture, a folder, a glob, a GIF or a film.

    A job of several files, or a film, that was stopped, however that was, goes on when it is called again in the same
    way: what is done is not done twice.

    Args:
        model: A model, a model's method, or any function from a picture, an H×W×C float32 array in [0, 1], to one.
        source: A file, folder, glob, URL, `sample:NAME`, `camera:N` (until Ctrl-C, which keeps what there is), a
            picture or a `Clip` in memory, or a list of these. None for what a model makes of nothing.
        target: The output file; for several inputs, a folder.
        steady: For films: how far each frame is held to the one before it along the motion, between 0 and 1.
        overwrite: Whether outputs that exist may be replaced.
        record: Whether outputs carry what made them.
        workers: How many processes do it, with one thread each: the same bits however many there are. By default this
            process, with all its threads.
        engine: `"local"`, or `"ray"`: a cluster.
        address: The Ray cluster's; `"auto"` is the one that this machine belongs to. By default one is started here.
        gpus: With Ray, the part of a GPU that each worker has.
        worker_memory: What a worker may hold, such as `"3G"`; an input for which one takes more has failed.
        on_progress: Called with `Progress` between frames, tiles and files.
        cancel: Stops the work from another thread.
        **parameters: Handed to `model` with every picture.

    Returns:
        What was done. Of several inputs, those that fail are listed with their reasons and the others go on.

    Raises:
        Ml4aError: the only input failed, or the job could not begin.
        Cancelled: the work was stopped; outputs that were finished remain.
        Interrupted: Ctrl-C stopped a model that then returned its best, which was saved; a KeyboardInterrupt.
    """
    started = time.monotonic()
    by = make_engine(engine, workers, address=address, gpus=gpus, memory=worker_memory)
    steady = check(_STEADY, steady)
    known = operation_of(model)
    given = _settled(known, parameters)
    items = plan(source, target, overwrite=True, transparent=known is not None and known.transparent)
    with progress.listening(on_progress, cancel):
        work = Work(model, steady, given, record and recording_enabled())
        if isinstance(by, Here) and len(items) == 1 and not _is_worth_a_journal(items[0], Path(target)):
            summary = _at_once(work, items[0], overwrite)
        else:
            summary = JournaledJob(work, by, items, Path(target), overwrite=overwrite).run()
    summary.seconds = time.monotonic() - started
    return summary


def _settled(known: Operation | None, parameters: dict[str, Any]) -> dict[str, Any]:
    """Check parameters and load media once, so that all frames and files share them."""
    if known is None:
        return parameters
    for name, value in parameters.items():
        if name not in known.parameters:
            raise BadValue(f"{known.name} takes no {name}; it takes {', '.join(list(known.parameters)[1:])}")
        parameter = known.parameters[name]
        parameters[name] = check(parameter, value) if parameter.kind is None else _media.loaded(parameter, value)
    return parameters


def _is_worth_a_journal(item: Item, target: Path) -> bool:
    """Whether a job of one item is long, or may be gone on with: a film that has an end, or the first of a folder."""
    return item.target != target or is_film(item.source)


def _at_once(work: Work, item: Item, overwrite: bool) -> Summary:
    """Do the only item, in this process."""
    refuse_existing(item.target, overwrite)
    with progress.interruptible() as interruption:
        with_seed(work, lambda draw: draw())(Task(item.source, item.target, item.target.parent, overwrite))
    if interruption.cancelled:
        raise Interrupted(item.target)
    return Summary([item.target])
