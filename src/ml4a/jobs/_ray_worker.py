"""What runs in a worker of a Ray cluster: an actor that begins once, does items one by one, and can be looked at."""

from __future__ import annotations

import importlib.metadata
import io
import os
import pickle
import platform
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml4a._core import progress
from ml4a._core.progress import Progress

from ._pickling import pickled
from ._worker import begun, picklable, throttled
from .engine import reason_of

_REMEMBERED = 1000
"""Events of progress that are kept until somebody looks."""


class Worker:
    """An actor. It is sent and gives back bytes and plain values, so that no error of an item becomes one of Ray.

    `look` runs beside the others, in a thread of its own.
    """

    def __init__(self) -> None:
        self._function: Callable[[Any], Any] | None = None
        self._heard: deque[Progress] = deque(maxlen=_REMEMBERED)
        self._listen = throttled(self._heard.append)

    def hello(self) -> dict[str, str]:
        """The versions that results depend on."""
        return versions()

    def begin(self, payload: bytes) -> tuple[str, BaseException | None] | None:
        """Begin with a pickled `Begin`; why that cannot be, or None if it could."""
        try:
            with progress.listening(self._listen):
                self._function = begun(payload)
        except BaseException as error:
            return reason_of(error), picklable(error)
        return None

    def do(self, payload: bytes, *carried: bytes) -> bytes:
        """Do one packed item; gives back, pickled, `("done", value, events)` or `("failed", reason, events)`."""
        assert self._function is not None
        try:
            with progress.listening(self._listen):
                answer = "done", self._function(_unpacked(payload, carried))
            return pickle.dumps((*answer, self._events()))
        except Exception as error:
            return pickle.dumps(("failed", reason_of(error), self._events()))

    def look(self) -> tuple[int, list[Progress]]:
        """Bytes that this process holds in memory, 0 if that is not known, and what it was told since the last look."""
        return _held(), self._events()

    def _events(self) -> list[Progress]:
        events = []
        while self._heard:
            events.append(self._heard.popleft())
        return events


class Carried:
    """Bytes that go along with items by reference: into the cluster's memory, and from there once to each machine.

    Where it is called, it gives the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data: bytes | None = data
        self._reference: Any = None

    def __call__(self) -> bytes:
        import ray

        return ray.get(self._reference) if self._data is None else self._data

    def reference(self) -> Any:
        """To the bytes in the cluster's memory, where they are put when they are first needed."""
        import ray

        if self._data is not None:
            self._reference, self._data = ray.put(self._data), None
        return self._reference


def packed(item: Any) -> tuple[bytes, list[Any]]:
    """An item, pickled, and the references of what is carried along with it.

    Raises:
        BadValue: it cannot be sent.
    """
    references: list[Any] = []
    return pickled(item, "an item", lambda value: _packed(value, references)), references


def _packed(item: Any, references: list[Any]) -> bytes:
    import cloudpickle

    class Packer(cloudpickle.Pickler):
        def persistent_id(self, obj: Any) -> int | None:
            if not isinstance(obj, Carried):
                return None
            references.append(obj.reference())
            return len(references) - 1

    file = io.BytesIO()
    Packer(file).dump(item)
    return file.getvalue()


def _unpacked(payload: bytes, carried: tuple[bytes, ...]) -> Any:
    class Unpacker(pickle.Unpickler):
        def persistent_load(self, pid: int) -> Callable[[], bytes]:
            return lambda: carried[pid]

    return Unpacker(io.BytesIO(payload)).load()


def versions() -> dict[str, str]:
    """The versions here of what decides bits."""
    known = {"Python": platform.python_version()}
    for name in ("ml4a", "torch", "numpy", "opencv-python-headless"):
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            known[name] = "none"
    return known


def _held() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
