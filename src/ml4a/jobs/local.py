"""`apply`: a model on a picture, a folder, a glob, a GIF or a film, in this process."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core import progress
from ml4a._core import record as records
from ml4a._core.errors import BadValue, Cancelled, Ml4aError
from ml4a._core.params import Parameter, Range, check
from ml4a._core.progress import Cancel, Interrupted, OnProgress
from ml4a._core.record import Input, Record
from ml4a.models import _media
from ml4a.models._operation import Operation, describe, recording, recording_enabled

from .items import Item, is_camera, plan

if TYPE_CHECKING:
    from ml4a.media.video import Clip

_STEADY = Parameter("steady", float, 0.0, Range(0, 1), "", None, True)


@dataclass(slots=True)
class Summary:
    """What a job did."""

    done: list[Path] = field(default_factory=list)
    """The outputs, in order."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Each input that failed, with its reason."""
    seconds: float = 0.0


def apply(
    model: Callable[..., Any],
    source: Any,
    target: str | os.PathLike[str],
    /,
    *,
    steady: float = 0.0,
    overwrite: bool = False,
    record: bool = True,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
    **parameters: Any,
) -> Summary:
    """Apply a picture → picture function to a picture, a folder, a glob, a GIF or a film.

    Args:
        model: A model, a model's method, or any function of an H×W×C float32 array in [0, 1] that returns a picture.
        source: A file, folder, glob, URL, `sample:NAME`, `camera:N` (until Ctrl-C, which keeps what there is), a
            picture or a `Clip` in memory, or a list of these. None for what a model makes of nothing.
        target: The output file; for several inputs, a folder.
        steady: For films: how far each frame is held to the one before it along the motion, between 0 and 1.
        overwrite: Whether outputs that exist may be replaced.
        record: Whether outputs carry what made them.
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
    steady = check(_STEADY, steady)
    parameters = _settled(model, parameters)
    known = operation_of(model)
    items = plan(source, target, overwrite=overwrite, transparent=known is not None and known.transparent)
    summary, started = Summary(), time.monotonic()
    with progress.listening(on_progress, cancel), recording(record and recording_enabled()):
        for number, item in enumerate(items):
            if len(items) > 1:
                progress.report(item.label, number, len(items), "files")
            with progress.interruptible() as interruption:
                try:
                    _run(model, item, steady, parameters, overwrite)
                except Cancelled:
                    raise
                except Ml4aError as error:
                    if len(items) == 1:
                        raise
                    if interruption.cancelled:
                        raise KeyboardInterrupt from error
                    summary.failed.append((item.label, str(error)))
                else:
                    summary.done.append(item.target)
            if interruption.cancelled:
                raise Interrupted(item.target)
    summary.seconds = time.monotonic() - started
    return summary


def _settled(model: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    """Load media and draw the seed once, so that all frames and files share them."""
    known = operation_of(model)
    if known is None:
        return parameters
    for name, value in parameters.items():
        if name not in known.parameters:
            raise BadValue(f"{known.name} takes no {name}; it takes {', '.join(list(known.parameters)[1:])}")
        parameter = known.parameters[name]
        parameters[name] = check(parameter, value) if parameter.kind is None else _media.loaded(parameter, value)
    if "seed" in known.parameters and parameters.get("seed") is None:
        parameters["seed"] = secrets.randbelow(2**32)
    return parameters


def _run(model: Any, item: Item, steady: float, parameters: dict[str, Any], overwrite: bool) -> None:
    from ml4a.media import image, sources, video

    source = item.source
    if _is_made_of_nothing(model, source):
        _save(model(None, **parameters), item.target, overwrite)
        return
    if isinstance(source, video.Clip) or is_camera(source):
        clip = source if isinstance(source, video.Clip) else video.open(source)
        _run_film(model, clip, item.target, steady, parameters, overwrite, camera=is_camera(source))
        return
    if isinstance(source, str | os.PathLike):
        source = sources.locate(source)
    if isinstance(source, Path) and video.is_film(source):
        _run_film(model, video.open(source), item.target, steady, parameters, overwrite, file=source)
        return
    picture, bits = image.load_deep(source)
    result = model(picture, **parameters)
    if bits == 8 or isinstance(result, video.Clip):  # a PIL image carries its record itself, and so does a clip
        _save(result, item.target, overwrite)
        return
    made_by = _last_record(model)
    if made_by is not None:
        made_by = records.of_file(made_by, image.file_input(source))
    image.save(result, item.target, bits=image.most_bits(item.target), record=made_by, overwrite=overwrite)


def _save(result: Any, target: Path, overwrite: bool) -> None:
    """Write what a model made of one picture: a picture or a film, which Ctrl-C leaves as it is by then."""
    from ml4a.media import image, video

    if isinstance(result, video.Clip):
        result.save(target, overwrite=overwrite, keep_partial=True)
    else:
        image.save(result, target, overwrite=overwrite)


def _run_film(
    model: Any,
    clip: Clip,
    target: Path,
    steady: float,
    parameters: dict[str, Any],
    overwrite: bool,
    *,
    file: Path | None = None,
    camera: bool = False,
) -> None:
    from ml4a.media import image
    from ml4a.media.motion import Steady

    model = for_film(model)
    hold = Steady(steady) if steady else None
    made_by: list[Record] = []
    keep_record = recording_enabled()

    def step(frame: Any) -> Any:
        first = keep_record and not made_by
        with recording(first):  # the frames after the first need not be hashed
            result = image.to_array(model(frame, **parameters))
        if first and (record := _last_record(model)) is not None:
            film = record.inputs[0] if file is None else _film_input(file, clip.size)
            made_by.append(records.of_file(record, film, steady=steady))
        return result if hold is None else hold(frame, result)

    film = clip.map(step)
    keep_partial = camera or bool(getattr(getattr(model, "__self__", model), "keeps_partial_films", False))
    film.save(target, overwrite=overwrite, record=lambda: made_by[0] if made_by else None, keep_partial=keep_partial)


def _film_input(path: Path, size: tuple[int, int]) -> Input:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Input("", "file", sha256, f"{size[0]}x{size[1]}")


def operation_of(model: Any) -> Operation | None:
    """What is known of a model's call, a model's method, or a stand-in with an `operation`."""
    method = getattr(model, "__func__", type(model).__call__)
    return describe(method) if hasattr(method, "__operation__") else getattr(model, "operation", None)


def _is_made_of_nothing(model: Any, source: Any) -> bool:
    """Whether no picture is given to a model that does without one."""
    known = operation_of(model)
    return source is None and known is not None and not known.main.required


def for_film(model: Any) -> Any:
    """`model`, a model's method or a stand-in with a `for_film`, as it is called for the frames of one film."""
    if isinstance(model, types.MethodType):
        begin = getattr(model.__self__, "for_film", None)
        return model if begin is None else types.MethodType(model.__func__, begin())
    begin = getattr(model, "for_film", None)
    return model if begin is None else begin()


def _last_record(model: Any) -> Record | None:
    return getattr(getattr(model, "__self__", model), "last_record", None)
