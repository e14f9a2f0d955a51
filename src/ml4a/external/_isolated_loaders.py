"""How files of a foreign tree become modules: run with builtins of their own, with nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import machinery
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from ._isolated_patches import Visitor
from ._isolated_state import visit

_extensions: set[str] = set()
"""File names of the extension modules that this process has loaded from trees."""


def finder(folder: str, visitor: Visitor, builtins: dict[str, Any]) -> machinery.FileFinder:
    """Find modules in a folder of a tree; what is found runs with these builtins."""
    kinds: Any = (
        (lambda name, path: Extension(name, path, visitor), machinery.EXTENSION_SUFFIXES),
        (lambda name, path: Source(name, path, visitor, builtins), machinery.SOURCE_SUFFIXES),
        (lambda name, path: Bytecode(name, path, visitor, builtins), machinery.BYTECODE_SUFFIXES),
    )
    return machinery.FileFinder(folder, *kinds)


class _Running:
    """A loader that runs what it has loaded with builtins that it was given."""

    def __init__(self, fullname: str, path: str, visitor: Visitor, builtins: dict[str, Any]) -> None:
        super().__init__(fullname, path)  # pyright: ignore[reportCallIssue]
        self._visitor, self._builtins = visitor, builtins

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._builtins
        with visit(self._visitor):
            super().exec_module(module)  # pyright: ignore[reportAttributeAccessIssue]


class Source(_Running, machinery.SourceFileLoader):
    """Runs a source file. It neither reads nor writes bytecode: what runs is the file, and the tree stays clean."""

    def get_code(self, fullname: str) -> CodeType | None:
        """Compile the file as it is now."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class Bytecode(_Running, machinery.SourcelessFileLoader):
    """Runs a compiled file whose source was not given."""


class Extension(machinery.ExtensionFileLoader):
    """Loads an extension module; of one that refuses to be loaded twice it says so."""

    def __init__(self, fullname: str, path: str, visitor: Visitor) -> None:
        super().__init__(fullname, path)
        self._visitor = visitor

    def create_module(self, spec: machinery.ModuleSpec) -> ModuleType:
        """Load the library."""
        with self._explained(), visit(self._visitor):
            return super().create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Let it set itself up."""
        with self._explained(), visit(self._visitor):
            super().exec_module(module)
        _extensions.add(Path(self.path).name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if Path(self.path).name not in _extensions:
                raise
            why = "it was loaded before, and many extension modules can be loaded only once in a process"
            raise ImportError(f"{self.path}: {error} ({why}; give it a process of its own)", path=self.path) from error
