"""What foreign modules change of the process while they are imported, and how it is put back.

Scripts set seeds, filters, environment variables and PyTorch's switches at the top of their files, where the rest of
the program would get them too. `visit` is put around the running of such a file. Visits within visits, and visits of
several threads at once, are one: what was before the first began is put back when the last ends. If another part of the
program changes the same things meanwhile, that is put back as well.

Libraries that are imported on a visit for the first time are no visitors: what they set up for themselves stays.
"""

from __future__ import annotations

import builtins
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from ._isolated_patches import Patches, Visitor


class _Place(NamedTuple):
    """Where some state of the process is kept. `get` and `put` are given the module; it may not be loaded yet."""

    module: str
    get: Callable[[Any], Any]
    put: Callable[[Any, Any], object]


def _attribute(module: str, name: str) -> _Place:
    return _Place(module, lambda at: getattr(at, name), lambda at, value: setattr(at, name, value))


def _functions(module: str, get: str, put: str) -> _Place:
    return _Place(module, lambda at: getattr(at, get)(), lambda at, value: getattr(at, put)(value))


def _list(module: str, name: str) -> _Place:
    return _Place(
        module, lambda at: list(getattr(at, name)), lambda at, was: getattr(at, name).__setitem__(slice(None), was)
    )


def _put_mapping(now: Any, was: dict[str, Any]) -> None:
    for name in [name for name in now if name not in was]:
        del now[name]
    now.update({name: value for name, value in was.items() if name not in now or now[name] is not value})


def _put_filters(at: Any, was: list[Any]) -> None:
    at.resetwarnings()  # tells those who remember what was filtered that this has changed; setting the list does not
    at.filters[:] = was


def _put_signals(at: Any, was: dict[Any, Any]) -> None:
    for number, handler in was.items():
        if handler is not None and at.getsignal(number) is not handler:
            at.signal(number, handler)


def _put_logging(at: Any, was: tuple[list[Any], int, int]) -> None:
    at.root.handlers[:], at.root.level, at.root.manager.disable = was
    at.root.setLevel(was[1])  # forgets which levels were found to be on


_ENVIRONMENT = _Place("os", lambda at: dict(at.environ), lambda at, was: _put_mapping(at.environ, was))
_BUILTINS = _Place("builtins", lambda at: dict(vars(at)), lambda at, was: _put_mapping(vars(at), was))
_FILTERS = _Place("warnings", lambda at: list(at.filters), _put_filters)

_OF_THE_PROCESS = (
    _ENVIRONMENT,
    _FILTERS,
    _BUILTINS,
    _list("sys", "path"),
    _list("sys", "argv"),
    _functions("sys", "getrecursionlimit", "setrecursionlimit"),
    _functions("os", "getcwd", "chdir"),
    _Place("signal", lambda at: {number: at.getsignal(number) for number in at.valid_signals()}, _put_signals),
    _Place("logging", lambda at: (list(at.root.handlers), at.root.level, at.root.manager.disable), _put_logging),
    _Place("locale", lambda at: at.setlocale(at.LC_ALL), lambda at, was: at.setlocale(at.LC_ALL, was)),
    _functions("socket", "getdefaulttimeout", "setdefaulttimeout"),
    _attribute("ssl", "_create_default_https_context"),
    _attribute("urllib.request", "_opener"),
    _attribute("warnings", "showwarning"),
    _Place(
        "multiprocessing",
        lambda at: at.get_start_method(allow_none=True),
        lambda at, was: at.set_start_method(was, force=True),
    ),
    _functions("random", "getstate", "setstate"),
    _Place("numpy", lambda at: at.random.get_state(), lambda at, was: at.random.set_state(was)),
    _attribute("PIL.Image", "MAX_IMAGE_PIXELS"),
    _attribute("PIL.ImageFile", "LOAD_TRUNCATED_IMAGES"),
    _functions("cv2", "getNumThreads", "setNumThreads"),
    _functions("torch", "get_rng_state", "set_rng_state"),
    _functions("torch", "get_default_dtype", "set_default_dtype"),
    _functions("torch", "get_num_threads", "set_num_threads"),
    _functions("torch", "get_float32_matmul_precision", "set_float32_matmul_precision"),
    _functions("torch", "get_deterministic_debug_mode", "set_deterministic_debug_mode"),
    _attribute("torch.backends.cudnn", "enabled"),
    _attribute("torch.backends.cudnn", "benchmark"),
    _attribute("torch.backends.cudnn", "deterministic"),
)

_OF_THE_THREAD = (
    _Place("numpy", lambda at: at.geterr(), lambda at, was: at.seterr(**was)),
    _Place("numpy", lambda at: at.get_printoptions(), lambda at, was: at.set_printoptions(**was)),
    _functions("torch", "is_grad_enabled", "set_grad_enabled"),
    _Place(
        "torch",
        lambda at: at.get_default_device(),
        lambda at, was: at.set_default_device(None if was.type == "cpu" else was),
    ),
)


class _Visits:
    """The visits that are going on, and what was before."""

    def __init__(self, places: tuple[_Place, ...]) -> None:
        self._places = places
        self._lock = threading.RLock()
        self.going_on = 0
        self._thread, self._alone = 0, True
        self._before: dict[_Place, Any] = {}

    def begin(self) -> None:
        with self._lock:
            thread = threading.get_ident()
            if not self.going_on:
                self._thread, self._alone = thread, True
                self._before.clear()
                self._note()
            self._alone &= thread == self._thread
            self.going_on += 1

    def end(self) -> None:
        with self._lock:
            self.going_on -= 1
            if self.going_on:
                return
            builtins.__dict__.update(self._before.get(_BUILTINS, {}))  # without a builtin, because any may be broken
            for place, was in self._before.items():
                with suppress(Exception):  # one that fails, such as a folder that is gone, keeps no other from it
                    if not _same(place.get(sys.modules[place.module]), was):
                        place.put(sys.modules[place.module], was)

    def note(self) -> None:
        """Remember the state of libraries that have been loaded since the visit began."""
        with self._lock:
            if self.going_on:
                self._note()

    def keep(self, environment: dict[str, str], filters: list[Any]) -> None:
        """Count what has changed since these were read as having been so before the visit."""
        with self._lock:
            if not self.going_on or not self._alone:  # or it may be the doing of a tree that another thread imports
                return
            now = _ENVIRONMENT.get(sys.modules["os"])
            self._before[_ENVIRONMENT].update({name: now[name] for name in now if environment.get(name) != now[name]})
            was = self._before[_FILTERS]
            was[:0] = [entry for entry in warnings.filters if entry not in filters and entry not in was]

    def _note(self) -> None:
        for place in self._places:
            if place not in self._before and place.module in sys.modules:
                with suppress(Exception):  # a library that is still being imported, a folder that is gone
                    self._before[place] = place.get(sys.modules[place.module])


class _Own(threading.local):
    def __init__(self) -> None:
        self.visits = _Visits(_OF_THE_THREAD)


_everywhere, _own, _patches = _Visits(_OF_THE_PROCESS), _Own(), Patches()


@contextmanager
def visit(visitor: Visitor) -> Iterator[None]:
    """Put back, at the end, what foreign code changes of this process."""
    mine = _own.visits
    _everywhere.begin()
    mine.begin()
    _patches.begin(visitor)
    try:
        yield
    finally:
        _everywhere.end()  # first, because the others want sound builtins
        mine.end()
        _patches.end(visitor)


@contextmanager
def library() -> Iterator[None]:
    """Let a library that is imported on a visit keep what it sets in the environment and the warnings' filters."""
    if not _everywhere.going_on:
        yield
        return
    environment, filters = _ENVIRONMENT.get(sys.modules["os"]), _FILTERS.get(warnings)
    yield
    _everywhere.keep(environment, filters)
    for visits in (_everywhere, _own.visits, _patches):
        visits.note()


def _same(now: Any, was: Any) -> bool:
    try:
        return now is was or bool(now == was)
    except Exception:  # arrays and tensors have no single answer
        return False
