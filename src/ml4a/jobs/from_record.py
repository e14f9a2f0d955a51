"""Make a file again from the record that it carries."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core import limits, progress
from ml4a._core import record as records
from ml4a._core.errors import BadValue, NotFound
from ml4a._core.params import Parameter
from ml4a._core.progress import Interrupted, OnProgress
from ml4a._core.record import Input, Record
from ml4a.models import _media
from ml4a.models._operation import Operation

from .items import FILMS, PICTURES, SOUNDS, TEXTS
from .job import apply

if TYPE_CHECKING:
    from PIL import Image

_WHOLE = ("film", "sound", "text", "latents")
"""Kinds of which, or into which, something is made as a whole, and not picture by picture."""
_LATENTS = {".safetensors", ".npy", ".npz"}
_KNOWN = PICTURES | FILMS | SOUNDS | TEXTS | _LATENTS
_LOAD_OPTIONS = {"size", "autocrop", "allow_truncated"}
"""The options of `image.load` that a record may ask for."""


def repeat(
    file: str | os.PathLike[str],
    inputs: list[Path] | None = None,
    target: str | os.PathLike[str] | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> tuple[Path, list[str]]:
    """Make `file` again from its record.

    Args:
        file: A picture, film, sound or file of latents that carries a record.
        inputs: Files and folders in which to look for the inputs, besides the samples and what lies beside `file`.
        target: Where to write; by default beside `file`, and never over anything.
        on_progress: Called with `Progress`.

    Returns:
        What was written, and what may make it differ: versions and devices that are not those of the record.

    Raises:
        BadValue: there is no record, or one that cannot be followed.
        NotFound: an input is missing; the message says which.
        OutputExists: `target` is there already.
        Interrupted: as of `apply`.
    """
    file = Path(file)
    record = read_record(file)
    target = Path(target) if target is not None else file.with_name(f"{file.stem}-repeat{file.suffix}")
    found = _Inputs([*(inputs or []), file.parent])
    with progress.listening(on_progress), _threads_of(record):
        _make(record, found, target)
        return target, differences(record)


def read_record(file: str | os.PathLike[str]) -> Record:
    """The record that a picture, film, sound or file of latents carries.

    Raises:
        BadValue: there is none, or one that no ml4a wrote.
    """
    from ml4a.media import latents, video

    if Path(file).suffix.lower() in _LATENTS:
        record = latents.load(file).record
    else:
        text = video.read_record_text(file)
        record = None if text is None else Record.from_json(text)
    if record is None:
        raise BadValue(f"{file} carries no record: no model of ml4a made it, or the record was left out")
    return record


def differences(record: Record) -> list[str]:
    """Versions that are not those of the record, in words."""
    from ml4a.models import registry

    here = records.versions(*registry.model_class(record.model).depends_on) | _threads()
    return [
        f"{name} is {here.get(name, 'not here')} and was {version}: pixels may differ"
        for name, version in record.versions.items()
        if here.get(name) != version
    ]


@contextlib.contextmanager
def _threads_of(record: Record) -> Iterator[None]:
    """Compute with as many threads as the record tells, if this machine has so many; workers have one."""
    told = record.versions.get("threads", "")
    if not (told.isdecimal() and len(told) < 5 and 1 <= int(told) <= (os.cpu_count() or 1)):
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(int(told))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _threads() -> dict[str, str]:
    torch = sys.modules.get("torch")
    return {} if torch is None else {"threads": str(torch.get_num_threads())}


def _make(record: Record, found: _Inputs, target: Path) -> None:
    about = _operation(record)
    given = _given(record, about)
    arguments = _arguments(record, about, given, found)
    if about.main.kind in _WHOLE or about.gives in _WHOLE:
        main = [_medium(about.main, item, found) for item in given[about.main.name]]  # maybe none
        _save(lambda: _call(record, found)(*main, **arguments), target)
        return
    source: Any = None
    for main in given[about.main.name]:
        as_file = main.kind == "file" and not main.options and found.search(main) is not None
        source = found.path(main) if as_file else _picture(main, found)
    apply(_call(record, found), source, target, steady=record.steady, **arguments)


def _save(make: Callable[[], Any], target: Path) -> None:
    """Write what `make` makes; after Ctrl-C, as far as it has come."""
    from PIL import Image

    from ml4a.media import image, video

    with progress.interruptible() as interruption:
        made = make()
    if isinstance(made, video.Clip):
        made.save(target, keep_partial=True)
    elif isinstance(made, Image.Image):
        image.save(made, target)
    else:
        made.save(target)
    if interruption.cancelled:
        raise Interrupted(target)


def _remade(record: Record, found: _Inputs) -> Any:
    """What a record describes, in memory."""
    about = _operation(record)
    given = _given(record, about)
    arguments = _arguments(record, about, given, found)
    main = [_medium(about.main, item, found) for item in given[about.main.name]]
    main = main or ([] if about.main.name in arguments else [None])
    with progress.interruptible() as interruption:
        made = _call(record, found)(*main, **arguments)
    if interruption.cancelled:  # what was to be made of it shall not be made of something unfinished
        raise KeyboardInterrupt
    return made


def _medium(parameter: Parameter, item: Input, found: _Inputs) -> Any:
    """An input as its parameter takes it: a picture; of films, sounds, texts and latents the file, or what made it."""
    if parameter.kind not in _WHOLE or item.options:  # of a film, a picture that was loaded before
        return _picture(item, found)
    if item.record is not None and (item.kind == "result" or found.search(item) is None):
        return _remade(item.record, found)
    return found.path(item)


def _picture(item: Input, found: _Inputs) -> Image.Image:
    """An input as a picture: loaded as it was, or made again from its own record."""
    from ml4a.media import image

    if not item.options.keys() <= _LOAD_OPTIONS:
        raise BadValue("the record asks for options of loading that no record has")
    if item.record is not None and (item.kind == "result" or found.search(item) is None):
        return _remade(item.record, found)
    return image.load(found.path(item), **dict(item.options))  # type: ignore[return-value]


def _operation(record: Record) -> Operation:
    """The operation that a record names.

    Raises:
        BadValue: it or the parameters are none of that model's, or a file is to be opened.
    """
    from ml4a.models import registry, styles

    known = registry.model_class(record.model).operations()
    if record.operation not in known:
        raise BadValue(f"{record.model} has no operation {record.operation!r}")
    about = known[record.operation]
    unknown = record.parameters.keys() - {name for name, each in about.parameters.items() if each.recorded}
    if unknown:
        raise BadValue(f"{record.model} takes no {', '.join(sorted(unknown))}")
    for parameter in about.media:
        value = record.parameters.get(parameter.name)
        if value is None or (parameter.kind == "text" and isinstance(value, str)):
            continue
        if not (parameter.kind == "style" and isinstance(styles.read(value), styles.Blend)):
            raise BadValue(f"the record names a file for {parameter.name}, which no record does")
    return about


def _given(record: Record, about: Operation) -> dict[str, list[Input]]:
    """The record's inputs by parameter, in order.

    Raises:
        BadValue: an input has no place in the operation, or the main one is missing.
    """
    by_role = {item.role: item for item in record.inputs}
    given = {parameter.name: _taken(parameter, by_role) for parameter in about.media}
    if sum(map(len, given.values())) != len(record.inputs):
        raise BadValue(f"the record has inputs that {record.model} does not take")
    if about.main.required and not given[about.main.name] and about.main.name not in record.parameters:
        raise BadValue("the record names no input; there is nothing to make it from")
    return given


def _taken(parameter: Parameter, by_role: dict[str, Input]) -> list[Input]:
    """Take the inputs of one parameter out of `by_role`."""
    most = limits.ITEMS if parameter.kind == "pictures" else 1
    roles = (_media.role(parameter.name, number) for number in range(most))
    return [by_role.pop(role) for role in itertools.takewhile(by_role.__contains__, roles)]


def _arguments(record: Record, about: Operation, given: dict[str, list[Input]], found: _Inputs) -> dict[str, Any]:
    """Everything but the main input, as keywords."""
    media: dict[str, Any] = {}
    for parameter in about.media[1:]:
        several = [_medium(parameter, item, found) for item in given[parameter.name]]
        if several:
            media[parameter.name] = several if parameter.kind == "pictures" else several[0]
    seed = {} if record.seed is None else {"seed": record.seed}
    return {**record.parameters, **media, **seed}


def _call(record: Record, found: _Inputs) -> Any:
    """The model's operation that a record names, set up as it was.

    Raises:
        BadValue: the weights have changed.
        NotFound: the weights were a file of the user's own, and it is missing.
    """
    from ml4a.models import registry

    model = registry.load(record.model, _weights(record, found), device=record.device, dtype=record.dtype)
    digests = {role: file.sha256 for role, file in model.weights.files.items()}
    if digests != dict(record.digests):
        raise BadValue(f"the weights {record.model}/{record.weights} are not those that made this file")
    return getattr(model, record.operation)


def _weights(record: Record, found: _Inputs) -> str | Path:
    """A name on the model's card; or a file that the user named now, never one that a record names."""
    from ml4a import weights
    from ml4a.models import registry

    about = weights.card(registry.model_class(record.model).card)
    if record.weights in about.weights:
        return record.weights
    files = [found.file(sha256) for sha256 in record.digests.values()]
    if not files or files[0] is None:
        hashes = ", ".join(f"{sha256[:12]}…" for sha256 in record.digests.values())
        raise NotFound(
            f"{record.model} has no weights {record.weights!r} on its card; if they are a file of your own "
            f"(SHA-256 {hashes}), name it after the first file"
        )
    return files[0]


class _Inputs:
    """Where inputs are looked for, by their content."""

    def __init__(self, places: list[Path]) -> None:
        self._files = list(_files(places))
        self._known: dict[str, Path] = {}

    def search(self, item: Input) -> Path | None:
        """The file or the sample with this content, if there is one."""
        return self.file(item.sha256) or _sample(item.sha256)

    def file(self, sha256: str) -> Path | None:
        """The file with this SHA-256, if there is one."""
        while sha256 not in self._known and self._files:
            path = self._files.pop(0)
            self._known.setdefault(_sha256(path), path)
        return self._known.get(sha256)

    def path(self, item: Input) -> Path:
        """The file with this content.

        Raises:
            NotFound: there is none.
        """
        path = self.search(item)
        if path is None:
            raise NotFound(
                f"the input {item.role!r} ({item.size}, SHA-256 {item.sha256[:12]}…) is missing; "
                "name the file, or a folder that it lies in, after the first file"
            )
        return path


def _files(places: list[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_file():
            yield place
        elif place.is_dir():
            media = (path for path in sorted(place.iterdir()) if path.suffix.lower() in _KNOWN)
            yield from (path for path in media if path.is_file())
        else:
            raise NotFound(f"{place} does not exist; name files or folders that hold the inputs")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sample(sha256: str) -> Path | None:
    from ml4a.media import samples

    return next((path for path in samples.cached() if _sha256(path) == sha256), None)
