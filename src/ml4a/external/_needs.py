"""What other people's code imports that is not installed here, told before it is run, all at once."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.metadata
import importlib.util
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ml4a._core import limits
from ml4a._core.errors import BadValue

from ._hub import parse

_DISTRIBUTIONS = {
    "Crypto": "pycryptodome",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "ffmpeg": "ffmpeg-python",
    "fitz": "pymupdf",
    "git": "gitpython",
    "moviepy.editor": "moviepy",
    "pytorch_lightning": "pytorch-lightning",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skvideo": "scikit-video",
    "yaml": "pyyaml",
}
"""What brings a module that is called otherwise."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_MOST_FILES = 500


def missing(tree: Path, starts: Iterable[Path], declared: Iterable[str] = ()) -> list[str]:
    """Modules that are not installed, but needed at once when files of a tree are imported.

    Args:
        tree: The folder of the source tree.
        starts: Files in it; what they import from the tree is looked through, too.
        declared: What the tree itself says that it needs: modules or distributions.

    Returns:
        Names of top-level modules, in order. An import inside a function, or one that is tried, is not counted.
    """
    names = {name for name in declared if not installed(name)}
    waiting, seen = list(starts), set[Path]()
    if not (names or waiting):
        return []
    own = own_names(tree)
    names -= own
    while waiting and len(seen) < _MOST_FILES:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in _imported(path):
            top = module.lstrip(".").partition(".")[0]
            if module.startswith(".") or top in own:
                waiting += _files(tree, path, module)
            else:
                names.add(top)
    return sorted(name for name in names if not installed(name))


def files_of(tree: Path, module: str) -> list[Path]:
    """The files that are run when a tree's module is imported."""
    return _files(tree, tree / "__init__.py", module)


def own_names(tree: Path) -> set[str]:
    """Names under which a tree's own modules may be imported: many trees put folders of theirs on the path."""
    names: set[str] = set()
    for path in _modules(tree, (*importlib.machinery.SOURCE_SUFFIXES, *importlib.machinery.EXTENSION_SUFFIXES)):
        names |= {path.name.partition(".")[0], *path.relative_to(tree).parts[:-1]}
    return names


def python_files(tree: Path) -> list[Path]:
    """The Python files of a tree, without hidden folders; of very many, the first few hundred."""
    return list(itertools.islice(_modules(tree, importlib.machinery.SOURCE_SUFFIXES), _MOST_FILES))


def _modules(tree: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    """Files that end so, without hidden folders; no more are looked at than a repository may have."""
    looked_at = 0
    for where, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__pycache__")))
        yield from (Path(where, name) for name in sorted(names) if name.endswith(tuple(suffixes)))
        looked_at += len(names) + 1
        if looked_at > limits.REPOSITORY_FILES:
            return


def installed(name: str) -> bool:
    """Whether a module, or a distribution of that name, is here; nothing is imported."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names:
        return True
    try:
        if importlib.util.find_spec(top) is not None:
            return True
    except (ImportError, ValueError):  # a module that somebody has put there by hand
        return top in sys.modules
    if _NAME.fullmatch(name) is None:
        return False
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def advice(names: Iterable[str]) -> str:
    """The line that installs modules; those whose names are none of the package index's are left out."""
    wanted = [_DISTRIBUTIONS.get(name, name) for name in names]
    safe = [name for name in wanted if _NAME.fullmatch(name)]
    return f"pip install {' '.join(safe)}" if safe else "see what the repository itself says about that"


def _imported(path: Path) -> Iterator[str]:
    """Modules that a file imports as soon as it is imported; names relative to it begin with a point."""
    try:
        module = parse(path)
    except BadValue:  # it will be said if the file is imported
        return
    for statement in _at_once(module.body):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            yield module
            yield from (f"{module.rstrip('.')}.{alias.name}" for alias in statement.names if statement.module)
            yield from (f"{module}{alias.name}" for alias in statement.names if not statement.module)


def _at_once(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.ClassDef):
            yield from _at_once(statement.body)
        elif isinstance(statement, ast.Try):
            yield from _at_once([*statement.orelse, *statement.finalbody])
            if not statement.handlers:
                yield from _at_once(statement.body)


def _files(tree: Path, path: Path, module: str) -> list[Path]:
    """Files that are run when the file `path` imports a module of its own tree; its folder may be on the path, too."""
    level = len(module) - len(module.lstrip("."))
    tops = [path.parents[level - 1]] if level and level <= len(path.parents) else [tree, path.parent]
    found = []
    for place in dict.fromkeys(tops):
        for part in module.lstrip(".").split("."):
            place = place / (part or ".")
            found += [each for each in (place.parent / f"{part}.py", place / "__init__.py") if each.is_file()]
    return [each for each in found if each.is_relative_to(tree)]
