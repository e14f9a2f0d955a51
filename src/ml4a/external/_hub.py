"""What a repository offers, read from its `hubconf.py` without running it: PyTorch Hub's convention.

The public functions and classes of `hubconf.py` are entry points, also those that it imports from the repository
itself; a list called `dependencies` names what must be installed. https://docs.pytorch.org/docs/stable/hub.html
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml4a._core.errors import BadValue

from ._git import plain

HUBCONF = "hubconf.py"

_LARGEST = 4 << 20  # bytes
_LONGEST_SIGNATURE = 200
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A function or class that a repository offers."""

    name: str
    signature: str
    """As it is written: `"(pretrained=False, **kwargs)"`."""
    doc: str = ""
    """Its docstring, with all lines; may be empty."""

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return self.doc.lstrip("# \n").partition("\n")[0].strip()


def entry_points(tree: Path) -> list[EntryPoint]:
    """The entry points of the repository in the folder `tree`, by name; none if it has no `hubconf.py`.

    Raises:
        BadValue: the file cannot be read as Python.
    """
    path = tree / HUBCONF
    if not path.is_file():
        return []
    reading = _Reading(tree)
    try:
        found = [reading.find(path, name, set()) for name in sorted(reading.public(path, set()))]
    except RecursionError:
        raise BadValue(f"{path} leads through too many files to be read") from None
    return [entry for entry in found if entry is not None]


def dependencies(tree: Path) -> list[str]:
    """What `hubconf.py` says must be installed; none if it says nothing.

    Raises:
        BadValue: the file cannot be read as Python.
    """
    path = tree / HUBCONF
    names: list[str] = []
    if not path.is_file():
        return names
    for statement in parse(path).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        if any(isinstance(target, ast.Name) and target.id == "dependencies" for target in targets):
            value = getattr(statement, "value", None)
            parts = value.elts if isinstance(value, ast.List | ast.Tuple) else []
            names = [each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return names


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file that a stranger wrote.

    Raises:
        BadValue: it is too large, or no Python of today.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise BadValue(f"{path} is too large to be read: {path.stat().st_size / 1e6:.1f} MB")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about strings and comparisons that are none of ours
            return ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise BadValue(f"{path} is no Python 3 (line {error.lineno}: {plain(error.msg)})") from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise BadValue(f"{path} cannot be read: {plain(str(error)) or type(error).__name__}") from None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that are run as a module is imported, also those below `if`, `try` and `with`."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if isinstance(statement, ast.If | ast.Try | ast.With):
                yield from _statements(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


class _Reading:
    """Looks names up through a tree's files, each of which is read once."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._read: dict[Path, list[ast.stmt]] = {}

    def public(self, path: Path, seen: set[Path]) -> set[str]:
        """Names of a module that do not begin with an underscore, whatever they stand for."""
        names: set[str] = set()
        if path in seen:
            return names
        seen.add(path)
        for statement in self._statements(path):
            if isinstance(statement, _Function | ast.ClassDef):
                names.add(statement.name)
            elif isinstance(statement, ast.Assign):
                names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
            elif isinstance(statement, ast.ImportFrom):
                module = self._module(path, statement)
                for alias in statement.names:
                    if alias.name != "*":
                        names.add(alias.asname or alias.name)
                    elif module is not None:
                        names |= self.public(module, seen)
        return {name for name in names if not name.startswith("_")}

    def find(self, path: Path, name: str, seen: set[tuple[Path, str]]) -> EntryPoint | None:
        """The function or class that a module calls `name`; None if it is something else, or not the tree's own."""
        if (path, name) in seen:
            return None
        seen.add((path, name))
        found: EntryPoint | None = None
        for statement in self._statements(path):
            if isinstance(statement, _Function | ast.ClassDef) and statement.name == name:
                found = _described(statement)
            elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name):
                if any(isinstance(target, ast.Name) and target.id == name for target in statement.targets):
                    found = self.find(path, statement.value.id, seen)
            elif isinstance(statement, ast.ImportFrom):
                module = self._module(path, statement)
                for alias in statement.names:
                    if module is not None and alias.name != "*" and (alias.asname or alias.name) == name:
                        found = self.find(module, alias.name, seen)
                    elif module is not None and alias.name == "*":
                        found = self.find(module, name, seen) or found
        return found and EntryPoint(name, found.signature, found.doc)

    def _statements(self, path: Path) -> list[ast.stmt]:
        if path not in self._read:
            self._read[path] = list(_statements(parse(path).body))
        return self._read[path]

    def _module(self, path: Path, statement: ast.ImportFrom) -> Path | None:
        """The file that is imported from, if it is one of the tree's own."""
        folder = self._tree
        if statement.level:
            folder = path.parent
            for _ in range(statement.level - 1):
                folder = folder.parent
        place = folder.joinpath(*(statement.module or "").split("."))
        for candidate in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if candidate.is_relative_to(self._tree) and candidate.is_file():
                return candidate
        return None


def _described(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> EntryPoint:
    doc = ast.get_docstring(node) or ""
    if isinstance(node, ast.ClassDef):
        makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        return EntryPoint(node.name, _signature(makers[0].args, 1) if makers else "(…)", doc)
    return EntryPoint(node.name, _signature(node.args), doc)


def _signature(arguments: ast.arguments, without: int = 0) -> str:
    """The arguments as they are written, the first ones left out."""
    first = arguments.posonlyargs or arguments.args
    del first[: without if len(first) > len(arguments.defaults) else 0]
    return plain(f"({ast.unparse(arguments)})", _LONGEST_SIGNATURE)
