"""A repository of somebody else's, used like a library."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ml4a._core.errors import ExternalFailed, MissingExtra, NotFound, UnknownName, Untrusted

from . import _hub, _licence, _manifest, _needs, _trust
from ._hub import EntryPoint
from ._licence import Licence
from ._prints import said_by
from ._source import Source
from ._trust import Entry

if TYPE_CHECKING:
    from ._isolated import Tree
    from ._process import Process


class Repository:
    """A source tree of somebody else's, see `repository`. It can be pickled, and is opened again by its source."""

    def __init__(self, source: Source, path: Path, entry: Entry) -> None:
        self.name = entry.name
        """What it is called here."""
        self.source = source.text
        """Where it comes from."""
        self.commit = entry.commit
        """The forty digits of its commit; empty for a folder that is used where it is."""
        self.submodules = entry.submodules
        """Whether the repositories in it were fetched with it."""
        self.path = path
        """The folder of its files."""
        self._entry = entry
        self._tree: Tree | None = None
        self._lock = threading.Lock()

    @property
    def trusted(self) -> bool:
        """Whether its code may run."""
        return _trust.is_trusted(self._entry)

    def require_trust(self) -> None:
        """Make sure that its code may run.

        Raises:
            Untrusted: nobody has allowed it; the message says how to.
        """
        if not self.trusted:
            which = f"{self.source} (commit {self.commit[:12]})" if self.commit else f"the folder {self.source}"
            raise Untrusted(
                f"{which} is other people's code, which would run with your rights, on your files and network; "
                f"look at it (ml4a external info {self.name}), then allow it: ml4a external add {self.name} --trust, "
                "or trust=True"
            )

    def entry_points(self) -> list[EntryPoint]:
        """What its `hubconf.py` offers, by name; read without running it. None if it has no such file.

        Raises:
            BadValue: the file is no Python.
        """
        return _hub.entry_points(self.path)

    def dependencies(self) -> list[str]:
        """What its `hubconf.py` says that it needs.

        Raises:
            BadValue: the file is no Python.
        """
        return _hub.dependencies(self.path)

    def missing(self) -> list[str]:
        """Modules that are not installed, but imported by `hubconf.py` or, without one, by any of its files.

        Raises:
            BadValue: `hubconf.py` is no Python.
        """
        hubconf = self.path / _hub.HUBCONF
        starts = [hubconf] if hubconf.is_file() else _needs.python_files(self.path)
        return _needs.missing(self.path, starts, self.dependencies())

    def how_to_install(self, missing: Sequence[str]) -> str:
        """What to do about modules that are missing: `"pip install pyyaml"`."""
        return _needs.advice(missing)

    def licence(self) -> Licence:
        """A guess at its licence, by the file that is called so."""
        return _licence.guess(self.path)

    def manifest(self) -> _manifest.Manifest | None:
        """The files of a checkout; None for a folder.

        Raises:
            Untrusted: the checkout is broken.
        """
        return _manifest.read(self.path) if self.commit else None

    def load(
        self,
        entry_point: str,
        /,
        *arguments: Any,
        process: bool = False,
        requirements: Sequence[str] = (),
        **named: Any,
    ) -> Any:
        """Call an entry point of `hubconf.py`, as `torch.hub.load` does.

        Args:
            entry_point: Its name, one of `entry_points()`.
            *arguments: What it is called with.
            process: Call it in a process of its own, and leave there what it makes: see `external.process`, whose
                `create` this is.
            requirements: What is installed for that process, as pip knows it; by default it has what is here.
            **named: What it is called with, by name.

        Raises:
            Untrusted: nobody has allowed it.
            NotFound: it has no `hubconf.py`.
            UnknownName: no such entry point.
            MissingExtra: it needs modules that are not installed; all are named.
            ImportFailed: its code failed as it was imported.
            ExternalFailed: the entry point ended the program, or its process failed.
        """
        self.require_trust()
        if not (self.path / _hub.HUBCONF).is_file():
            raise NotFound(f"{self.name} has no {_hub.HUBCONF}, so that it offers nothing by name; use import_module")
        if process or requirements:
            self._require_entry_point(entry_point, [each.name for each in self.entry_points()])
            return self.process(requirements=requirements).create(f"hubconf:{entry_point}", *arguments, **named)
        if _needs.missing(self.path, (), self.dependencies()):
            raise self._missing(self.missing())
        module = self.import_module("hubconf")
        public = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        self._require_entry_point(entry_point, public)
        return self._called(entry_point, getattr(module, entry_point), arguments, named)

    def import_module(self, name: str) -> ModuleType:
        """Import a module of it, apart from the rest of the program: see `external.isolated`.

        Args:
            name: As within the repository: `"models.networks"`.

        Raises:
            Untrusted: nobody has allowed it.
            MissingExtra: it needs modules that are not installed; all are named.
            ImportFailed: there is no such module, or its code failed.
        """
        from ._isolated import MissingModule

        self.require_trust()
        try:
            with said_by(self.name):
                return self.tree().import_module(name)
        except MissingModule as error:
            missing = _needs.missing(self.path, _needs.files_of(self.path, name))
            top = (error.name or "").partition(".")[0]
            if top and top not in _needs.own_names(self.path):
                missing = sorted({*missing, top})
            if not missing:
                raise
            raise self._missing(missing) from error

    def tree(self) -> Tree:
        """Its modules, apart from the rest of the program; always the same.

        Raises:
            Untrusted: nobody has allowed it.
        """
        from ._isolated import isolated

        self.require_trust()
        with self._lock:
            if self._tree is None:
                self._tree = isolated(self.path)
            return self._tree

    def process(self, **options: Any) -> Process:
        """It in a process of its own, see `external.process`, which has the options.

        Raises:
            Untrusted: nobody has allowed it.
        """
        from ._process import process

        self.require_trust()
        return process(self.path, **options)

    def __repr__(self) -> str:
        at = f" at {self.commit[:12]}" if self.commit else ""
        return f"<repository {self.name!r}: {self.source}{at}>"

    def __reduce__(self) -> tuple[Callable[..., Repository], tuple[str, bool]]:
        from ._known import reopened

        return reopened, (self.source, self.submodules)

    def _require_entry_point(self, name: str, known: Sequence[str]) -> None:
        if name not in known:
            raise UnknownName(f"entry point of {self.name}", name, known)

    def _called(self, name: str, function: Callable[..., Any], arguments: Any, named: Any) -> Any:
        try:
            with said_by(self.name):
                return function(*arguments, **named)
        except SystemExit as error:
            raise ExternalFailed(f"{name} of {self.name} ended the program (exit status {error.code!r})") from error
        except Exception as error:
            error.add_note(f"raised by {name} of {self.source}, which is not part of ml4a")
            raise

    def _missing(self, names: Sequence[str]) -> MissingExtra:
        return MissingExtra(
            f"{self.name} needs {', '.join(names)}, which {'is' if len(names) == 1 else 'are'} not installed; "
            f"{_needs.advice(names)}"
        )
