"""The namespace of a foreign tree: how its modules find one another, and nobody else finds them.

Every tree has a top-level name that nobody else has. Its modules are real modules below that name, such as
`ml4a_external_pix2pix_3f2a91c0.models.networks`: Python's own machinery gives them locks, circular and relative
imports, and `pickle`, `dataclasses` and `inspect` find them in `sys.modules`. What makes them believe that they are
top-level is the `__import__` in the `__builtins__` of each, which looks into the tree first, at any time and from any
thread, and is nobody else's. Their `sys`, `builtins` and `importlib` are stand-ins that speak of the tree; so is
every module that they have patched.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from importlib import machinery
from pathlib import Path
from types import ModuleType
from typing import Any

from ._isolated_loaders import Source, finder
from ._isolated_patches import PREFIX
from ._isolated_state import library

_names = threading.Lock()


class Space:
    """The namespace of the tree at `path`. Without a `name`, or if that is taken, it gets a free one."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path = path
        self._root = _Root(self, name)
        self.name = self._root.__name__
        self._begin()

    def modules(self) -> dict[str, ModuleType]:
        """The modules that are loaded, by their names within the tree."""
        start = f"{self.name}."
        found = [name for name in sys.modules.copy() if name.startswith(start)]
        return {name.removeprefix(start): sys.modules[name] for name in found if name in sys.modules}

    def forget(self) -> None:
        """Forget all modules, and what they did to their `sys` and `builtins`."""
        for name in self.modules():
            sys.modules.pop(f"{self.name}.{name}", None)
            vars(self._root).pop(name, None)
        self._begin()

    def _begin(self) -> None:
        util = _StandIn(importlib.util, find_spec=self._find_spec, spec_from_file_location=self._spec_from_file)
        self.stand_ins: dict[str, ModuleType] = {
            "builtins": _StandIn(builtins, **dict(vars(builtins), __import__=self._import)),
            "importlib": _StandIn(importlib, import_module=self._import_module, util=util),
            "importlib.util": util,
            "sys": _StandIn(sys, path=[str(self.path), *sys.path], argv=[str(self.path)], modules=_Modules(self)),
        }
        self._builtins = vars(self.stand_ins["builtins"])
        self.forget_folders()

    def patch(self, module: str, name: str, value: Any) -> None:
        """Let this tree alone see `value` under this name in a module that is not its own."""
        vars(self._stand_in(module))[name] = value

    def _stand_in(self, name: str) -> ModuleType:
        if name not in self.stand_ins:
            real = sys.modules[name]
            self.stand_ins[name] = stand_in = _StandIn(real)
            package, _, last = name.rpartition(".")
            if package in sys.modules:
                vars(self._stand_in(package))[last] = stand_in
            for names in [vars(module) for module in self.modules().values() if isinstance(module, ModuleType)]:
                names.update({name: stand_in for name, value in names.copy().items() if value is real})
        return self.stand_ins[name]

    # Finding modules

    def find(self, fullname: str, folders: Sequence[str] | None = None) -> machinery.ModuleSpec | None:
        """Find a module in the folders of its package, or at the top; in all of them if it is a namespace package."""
        portions: list[str] = []
        for folder in self._top() if folders is None else folders:
            if folder not in self._folders:
                self._folders[folder] = finder(folder, self, self._builtins)
            spec = self._folders[folder].find_spec(fullname)
            if spec is not None and spec.loader is not None:
                return spec
            portions += (spec and spec.submodule_search_locations) or []
        if not portions:
            return None
        spec = machinery.ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = portions
        return spec

    def forget_folders(self) -> None:
        """Look into the folders again: files may be new."""
        self._folders: dict[str, machinery.FileFinder] = {}

    def _top(self) -> list[str]:
        """The tree, and what its modules have added to their `sys.path`; what is relative there is so to the tree."""
        mine = [entry for entry in self.stand_ins["sys"].path if isinstance(entry, str) and entry not in sys.path]
        path = str(self.path)
        return list(dict.fromkeys([path, *(os.path.normpath(os.path.join(path, entry)) for entry in mine)]))  # noqa: PTH118  # quick

    def owns(self, name: str) -> bool:
        """Whether an absolute name, dotted or not, means a module of the tree."""
        top, _, rest = name.partition(".")
        package = sys.modules.get(f"{self.name}.{top}")
        if f"{self.name}.{name}" in sys.modules or getattr(package, "__file__", None):
            return True
        if top == self.name or top in sys.builtin_module_names or machinery.FrozenImporter.find_spec(top):
            return False
        spec = self.find(f"{self.name}.{top}")
        if spec is None or spec.loader is not None:
            return spec is not None
        # A folder without __init__.py: as everywhere in Python, any installed module of its name comes first, …
        installed = _installed(top)
        if installed is None or installed.loader is not None:
            return installed is None
        # … and where several such folders share the name, each has its part.
        part = rest.partition(".")[0]
        return not part or self.find(f"{self.name}.{top}.{part}", spec.submodule_search_locations) is not None

    # What the modules of the tree call

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """Do what `builtins.__import__` does."""
        top = name.partition(".")[0]
        # C code (of datetime, pickle, …) asks with an empty list, and takes what is then in the real sys.modules.
        by_c = fromlist == [] and _installed(top) is not None
        fromlist = fromlist or ()
        with self._own_words():
            if level > 0:
                return builtins.__import__(name, globals, locals, fromlist, level)
            if not by_c and self.owns(name):
                module = builtins.__import__(f"{self.name}.{name}", globals, locals, fromlist)
                return module if fromlist else sys.modules.get(f"{self.name}.{top}") or importlib.import_module(top)
        with library():
            module = builtins.__import__(name, globals, locals, fromlist)
        return module if by_c else self.stand_ins.get(name if fromlist else top, module)

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        """Do what `importlib.import_module` does."""
        if name.startswith("."):
            owned = package is not None and self.owns(package)
            return importlib.import_module(name, f"{self.name}.{package}" if owned else package)
        with self._own_words():
            if self.owns(name):
                return importlib.import_module(f"{self.name}.{name}")
        with library():
            return self.stand_ins.get(name) or importlib.import_module(name)

    def _find_spec(self, name: str, package: str | None = None) -> machinery.ModuleSpec | None:
        """Do what `importlib.util.find_spec` does."""
        owned = not name.startswith(".") and self.owns(name)
        return importlib.util.find_spec(f"{self.name}.{name}" if owned else name, package)

    def _spec_from_file(self, name: str, location: Any = None, **more: Any) -> machinery.ModuleSpec | None:
        """Do what `importlib.util.spec_from_file_location` does."""
        if more.get("loader") is None and str(location).endswith(".py"):
            more["loader"] = Source(name, os.fspath(location), self, self._builtins)
        return importlib.util.spec_from_file_location(name, location, **more)

    @contextmanager
    def _own_words(self) -> Iterator[None]:
        """Let a module that is missing have the name that the tree's modules know."""
        try:
            yield
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith(f"{self.name}."):
                raise
            name = str(error.name).removeprefix(f"{self.name}.")
            raise ModuleNotFoundError(f"No module named {name!r} in {self.path}", name=name) from None


def living(name: str) -> Space | None:
    """The namespace of this name, if there is one."""
    root = sys.modules.get(name)
    return root.space() if isinstance(root, _Root) else None


def _installed(top: str) -> machinery.ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except ValueError:  # a module that was made by hand
        return None


class _Root(ModuleType):
    """The module above all modules of a tree. Their namespace holds it, and takes it along when it goes."""

    def __init__(self, space: Space, name: str | None) -> None:
        digest = hashlib.sha256(os.fsencode(space.path)).hexdigest()[:8]
        wanted = name or f"{PREFIX}{re.sub(r'[^A-Za-z0-9]+', '_', space.path.name)}_{digest}"
        with _names:
            taken, number = wanted, 1
            while taken in sys.modules:
                number += 1
                taken = f"{wanted}_{number}"
            super().__init__(taken, f"The modules of {space.path}.")
            self.space = weakref.ref(space)
            self.__path__ = []
            self.__spec__ = machinery.ModuleSpec(taken, None, is_package=True)
            sys.modules[taken] = self
            if not any(isinstance(other, _Finder) for other in sys.meta_path):
                sys.meta_path.insert(0, _Finder())
        weakref.finalize(space, sys.modules.pop, taken, None).atexit = False


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules of trees by their full names, and no others."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> machinery.ModuleSpec | None:
        if not fullname.startswith(PREFIX):
            return None
        root, _, name = fullname.partition(".")
        space = living(root)
        if space is None or not name:
            return None
        return space.find(fullname, list(path or ()) if "." in name else None)

    def invalidate_caches(self) -> None:
        for name in [name for name in sys.modules.copy() if name.startswith(PREFIX)]:
            if (space := living(name)) is not None:
                space.forget_folders()


class _StandIn(ModuleType):
    """A module as a tree sees it: some things are its own, what is set stays with it, all else is the real module's."""

    def __init__(self, real: ModuleType, **own: Any) -> None:
        super().__init__(real.__name__, real.__doc__)
        vars(self).update(own, __spec__=real.__spec__, _StandIn__real=real)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_StandIn__real"], name)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *dir(vars(self)["_StandIn__real"])})


class _Modules(MutableMapping[str, ModuleType]):
    """`sys.modules` as a tree sees it: its own modules by the names that they have there, and all others."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def __getitem__(self, name: str) -> ModuleType:
        own = self._own(name)
        if own in sys.modules:
            return sys.modules[own]
        if self._space.owns(name):
            raise KeyError(name)
        return self._space.stand_ins.get(name) or sys.modules[name]

    def __setitem__(self, name: str, module: ModuleType) -> None:
        sys.modules[self._own(name)] = module

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        sys.modules.pop(self._own(name), None)  # what is not the tree's stays

    def __iter__(self) -> Iterator[str]:
        others = [name for name in sys.modules.copy() if not name.startswith(PREFIX)]
        return iter(dict.fromkeys([*self._space.modules(), *others]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, ModuleType]:
        return dict(self)

    def _own(self, name: str) -> str:
        start = f"{self._space.name}."
        return name if name.startswith(start) else start + name
