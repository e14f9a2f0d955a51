"""What foreign modules replace in other modules while they are imported, as in `torch.load = partial(torch.load, …)`.

For the program it is put back. The tree that did it is told, so that it alone goes on seeing it. Public functions and
classes count. Libraries patch one another, too: their functions and classes stay. So does what is new, as in
`numpy.float = float`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from operator import is_
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, Protocol

PREFIX = "ml4a_external_"
"""What the top-level names of all trees begin with."""

_NOTHING = object()


class Visitor(Protocol):
    """A tree whose modules are being imported."""

    name: str

    def patch(self, module: str, name: str, value: Any) -> None:
        """Let this tree alone see `value` under this name in this module."""
        ...


class _Patch(NamedTuple):
    module: str
    held: dict[str, Any]
    name: str
    was: Any
    now: Any


class Patches:
    """The visits that are going on, and what all modules held before."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # of garbage that is collected meanwhile, a finaliser may import something
        self._going_on = 0
        self._visitors: dict[str, Visitor] = {}
        self._before: dict[str, dict[str, Any]] = {}

    def begin(self, visitor: Visitor) -> None:
        """Begin a visit: of several at once, the first."""
        with self._lock:
            if not self._going_on:
                self._note()
            self._going_on += 1
            self._visitors[visitor.name] = visitor

    def end(self, visitor: Visitor) -> None:
        """End a visit: with the last, or if others are going on that could overwrite it, put everything back."""
        with self._lock:
            self._going_on -= 1
            if self._going_on and len(self._visitors) == 1:
                return
            patches = [patch for name, was in self._before.items() for patch in _patches(name, was)]
            visitors = dict(self._visitors)
            for patch in patches:
                patch.held[patch.name] = patch.was
            if not self._going_on:
                self._before.clear()
                self._visitors.clear()
        for patch in patches:
            whose = visitors.get(_home(patch.now).partition(".")[0], visitor)
            if patch.now is not _NOTHING:
                whose.patch(patch.module, patch.name, patch.now)

    def note(self) -> None:
        """Remember what libraries hold that were loaded since the visit began."""
        with self._lock:
            if self._going_on:
                self._note()

    def _note(self) -> None:
        for name, module in sys.modules.copy().items():
            if name not in self._before and isinstance(module, ModuleType) and not name.startswith(PREFIX):
                self._before[name] = vars(module).copy()


def _patches(module: str, before: dict[str, Any]) -> Iterator[_Patch]:
    loaded = sys.modules.get(module)
    if loaded is None or module in ("builtins", "sys"):
        return
    held = vars(loaded)
    now = held.copy()  # others may be importing
    if len(now) == len(before) and all(map(is_, now.values(), before.values())):
        return
    for name, was in before.items():
        new = now.get(name, _NOTHING)
        if new is not was and not name.startswith("_") and callable(was) and not _of_a_library(new):
            yield _Patch(module, held, name, was, new)


def _of_a_library(value: Any) -> bool:
    return isinstance(value, FunctionType | type) and not _home(value).startswith(PREFIX)


def _home(value: Any) -> str:
    """The name of the module that a function or class was written in."""
    if isinstance(value, FunctionType):
        return str(value.__globals__.get("__name__"))
    return str(value.__module__) if isinstance(value, type) else ""
