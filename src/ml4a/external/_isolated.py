"""Foreign source trees: programs that were never made to be installed, imported apart from everything else.

Such programs import their files as if they were top-level modules: `import utils`, `from models import networks`. Two
of them in one process, or one beside an installed `utils`, take each other's. Here each has a namespace of its own, see
`_isolated_space`.
"""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from ml4a._core.errors import Ml4aError, NotFound

from ._isolated_space import Space, living


class ImportFailed(Ml4aError, ImportError):
    """A module of a foreign tree could not be imported; the message says which line of which file failed, and why.

    What was raised there is the `__cause__`; `path` is the tree.
    """


class MissingModule(ImportFailed, ModuleNotFoundError):
    """A module is neither in the foreign tree nor installed. `name` is the missing one: `wandb`, `models.resnet`."""


def isolated(path: str | os.PathLike[str]) -> Tree:
    """Open a foreign source tree, whose modules can then be imported without touching the rest of the program.

        tree = external.isolated("pytorch-CycleGAN")
        networks = tree.import_module("models.networks")
        network = networks.define_G(3, 3, 64, "resnet_9blocks")

    Nothing runs until something is imported; then the tree's code runs with all rights of this process. `sys.path` is
    left alone, and so is `sys.modules` but for names that begin with `ml4a_external_`. Several trees with modules of
    the same names live side by side; no `__pycache__` is written into them. A tree's own module wins over an installed
    one of its name, and over the standard library's but for what Python itself begins with (`sys`, `os`, `io`, …).

    What a module changes of the process while it is imported (`os.environ`, the working directory, filters of
    warnings, seeds, PyTorch's defaults: `_isolated_state` has the list) is put back, and what it replaces in other
    modules is seen by the tree alone. What it changes of other modules' classes, and what a function changes when it is
    called, is not put back: only a process of its own holds such code. Files that are opened relative to `__file__`
    are found. For files relative to the working directory, which all threads share, say
    `with contextlib.chdir(tree.path):`.

    Not seen as top-level: what a library imports for the tree by name (`pydoc.locate("models.Net")`, whole modules
    that another program pickled), absolute imports in compiled code, and processes that the tree starts by spawn.

    Raises:
        NotFound: `path` is not a folder.
    """
    return Tree(path)


class Tree:
    """A foreign source tree, see `isolated`.

    It can be pickled: it is opened again by its path, with the same name, so that objects of its classes can follow.
    """

    def __init__(self, path: str | os.PathLike[str], *, name: str | None = None) -> None:
        self.path = Path(path).expanduser().resolve()
        """The tree's folder."""
        if not self.path.is_dir():
            raise NotFound(f"{self.path} is not a folder; a source tree is wanted")
        known = living(name) if name else None
        self._space = known if known and known.path == self.path else Space(self.path, name)

    @property
    def name(self) -> str:
        """The top-level name of its modules as the rest of the program sees them, which nobody else has."""
        return self._space.name

    @property
    def modules(self) -> Mapping[str, ModuleType]:
        """The modules that are loaded, by their names within the tree."""
        return self._space.modules()

    def import_module(self, name: str) -> ModuleType:
        """Import a module by the name that it has within the tree: `"models.networks"`.

        Raises:
            MissingModule: there is no such module in the tree, or one of its modules needs what is not installed.
            ImportFailed: its code failed, or is a script that ended the program.
        """
        try:
            return importlib.import_module(f"{self.name}.{name}")
        except (Exception, SystemExit) as error:
            raise self._failure(name, error) from error

    def reload(self) -> None:
        """Forget the modules: the next import reads the files again, as they are then.

        Functions and classes that are in use stay what they are; what they import later is new. Only extension modules
        remain what they were: a process reads them once.
        """
        self._space.forget()

    def __repr__(self) -> str:
        return f"<source tree {str(self.path)!r}, {len(self.modules)} modules loaded>"

    def __reduce__(self) -> tuple[Callable[[str, str], Tree], tuple[str, str]]:
        return _opened, (str(self.path), self.name)

    def _failure(self, name: str, error: BaseException) -> ImportFailed:
        where = f"{self.path}: importing {name!r} failed"
        line = self._line(error)
        if line is not None:
            where += f" in {os.path.relpath(line[0], self.path)}, line {line[1]}"
        if isinstance(error, ModuleNotFoundError) and error.name:
            missing = error.name.removeprefix(f"{self.name}.")
            needs = f"it needs {missing!r}, which is neither there nor installed"
            what = needs if line is not None else f"there is no {missing!r}"
            return MissingModule(f"{where}: {what}", name=missing, path=str(self.path))
        if isinstance(error, SystemExit):
            what = f"it is a script that ends the program (exit status {error.code!r}), not a module"
        else:
            message = "".join(letter if letter.isprintable() else " " for letter in str(error))
            what = f"{type(error).__name__}: {' '.join(message.split())[:300]}".removesuffix(": ")
        return ImportFailed(f"{where}: {what}", name=name, path=str(self.path))

    def _line(self, error: BaseException) -> tuple[str, int | None] | None:
        """The last line of the tree on the way to the error, as (file, number)."""
        lines: list[tuple[str | None, int | None]] = [
            (frame.f_code.co_filename, number) for frame, number in traceback.walk_tb(error.__traceback__)
        ]
        if isinstance(error, SyntaxError):
            lines.append((error.filename, error.lineno))
        for file, number in reversed(lines):
            if file is not None and Path(file).is_relative_to(self.path):
                return file, number
        return None


def _opened(path: str, name: str) -> Tree:
    return Tree(path, name=name)
