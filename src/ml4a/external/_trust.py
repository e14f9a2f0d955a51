"""Which repositories the user knows, the commit that each is kept to, and whether its code may run.

There is one small file for each, `<config>/external/NAME.json`, so that two processes lose nothing of each other's:

    {"source": "github:OWNER/NAME@main", "commit": "5f3c…", "submodules": false, "trusted": true}

Trust is for one commit, or for a folder; what is at another commit is asked about again.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from ml4a._core import paths
from ml4a._core.errors import BadValue, CannotWrite, Ml4aError, OutputExists, UnknownName
from ml4a._core.files import atomic, reason

from ._source import Source, is_commit, parse

log = logging.getLogger("ml4a")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST = 8192  # bytes
_KEYS = {"source": str, "commit": str, "submodules": bool, "trusted": bool}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is recorded of a repository."""

    name: str
    source: str
    """As `_source.Source.text` has it."""
    commit: str
    """What it is kept to; empty for a folder."""
    submodules: bool = False
    trusted: bool = False

    def same_code(self, other: Entry) -> bool:
        """Whether both are the same files: one folder, or one commit of one address."""
        mine, others = ((_place(each.source), each.commit, each.submodules) for each in (self, other))
        return mine == others


def is_name(text: str) -> bool:
    """Whether a repository may be called so."""
    return _NAME.fullmatch(text) is not None and not text.endswith((".", ".json"))


def entries() -> list[Entry]:
    """All that are known, by name. A file that cannot be read is left out, and said to be: it allows nothing."""
    every = []
    for path in sorted(_folder().glob("*.json")):
        try:
            every.append(read(path.stem))
        except BadValue as error:
            log.warning("left out: %s", error)
    return every


def read(name: str) -> Entry:
    """What is recorded under a name.

    Raises:
        UnknownName: nothing is.
        BadValue: the record is broken; the message names its file.
    """
    path = _path(name)
    if not exists(name):
        others = [path.stem for path in _folder().glob("*.json") if is_name(path.stem)]
        if not others:
            raise BadValue(f"there is no repository named {name!r}; none has been added yet (ml4a external add)")
        raise UnknownName("repository", name, others)
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(_LONGEST))
        return _checked(name, data)
    except (OSError, ValueError, RecursionError) as error:
        raise BadValue(f"{path}, which says what is allowed of a repository, cannot be read: {error}") from None


def exists(name: str) -> bool:
    """Whether something is recorded under a name, be it broken."""
    return is_name(name) and _path(name).is_file()


def find(source: Source, *, submodules: bool = False) -> Entry | None:
    """What is recorded of a source, under whatever name."""
    return next((each for each in entries() if (each.source, each.submodules) == (source.text, submodules)), None)


def is_trusted(entry: Entry) -> bool:
    """Whether the code of an entry may run, by what is recorded now: under this name or under another one."""
    return any(each.trusted and each.same_code(entry) for each in entries())


def create(entry: Entry, *, exact: bool = False) -> Entry:
    """Record a new entry, under its name or, unless the name is the user's own, the nearest that is free.

    Raises:
        OutputExists: the name is taken, and it must be this one.
        CannotWrite: the folder of settings cannot be written.
    """
    for number in range(1, 1000):
        name = entry.name if number == 1 else f"{entry.name[:60]}-{number}"
        try:
            return _write(Entry(name, entry.source, entry.commit, entry.submodules, entry.trusted), overwrite=False)
        except OutputExists:
            if exact:
                raise OutputExists(f"another repository is called {name}; choose another name") from None
    raise OutputExists(f"too many repositories are called {entry.name}; choose another name")


def replace(entry: Entry) -> Entry:
    """Record what has become of an entry.

    Raises:
        CannotWrite: the folder of settings cannot be written.
    """
    return _write(entry, overwrite=True)


def delete(name: str) -> None:
    """Forget an entry.

    Raises:
        CannotWrite: the folder of settings cannot be written.
    """
    try:
        _path(name).unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot write to the settings {_folder()}: {reason(error)}") from None


def _place(text: str) -> str:
    """The address or the folder of a source, without a revision."""
    try:
        source = parse(text)
    except Ml4aError:  # a folder that is gone
        return text
    return source.address or text


def _folder() -> Path:
    return paths.config_dir() / "external"


def _path(name: str) -> Path:
    return _folder() / f"{name}.json"


def _write(entry: Entry, *, overwrite: bool) -> Entry:
    data = asdict(entry)
    del data["name"]
    with atomic(_path(entry.name), overwrite=overwrite) as path:
        path.write_text(json.dumps(data), encoding="ascii")
    return entry


def _checked(name: str, data: object) -> Entry:
    if not isinstance(data, dict) or data.keys() != _KEYS.keys():
        raise ValueError(f"it should hold {', '.join(_KEYS)}, and nothing else")
    for key, kind in _KEYS.items():
        if type(data[key]) is not kind:
            raise ValueError(f"{key} is not a {kind.__name__}")
    source, commit = data["source"], data["commit"]
    if not source.isprintable() or source.startswith("-"):
        raise ValueError("source is no source")
    if not is_commit(commit) and (commit or not Path(source).is_absolute()):
        raise ValueError("commit has not 40 hexadecimal digits")
    return Entry(name, **data)
