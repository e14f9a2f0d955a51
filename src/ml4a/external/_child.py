"""What runs in a child process: it serves the ml4a that started it, until that one closes the connection or is gone.

Started by its path, with whatever Python is to run the foreign code; it needs the standard library and `_wire.py`.
Arguments: the connection's file descriptor, the most bytes of memory (0: any), the folder of the foreign code, and
the path of `_wire.py`.
"""

from __future__ import annotations

import sys

BEGINNING = frozenset(sys.modules)
"""What any Python has loaded before it runs a script."""

# ruff: noqa: E402
import atexit
import contextlib
import importlib
import importlib.util
import os
import select
import signal
import socket
import threading
import time
import traceback
from pathlib import Path
from typing import Any

GRACE = 1.0
"""Seconds that foreign code has for tidying up."""

_TEXT = 2000
"""Characters of an error's message; of its traceback, the last twice as many."""


class Server:
    """Does what it is asked to, one thing after the other."""

    def __init__(self, wire: Any, channel: Any) -> None:
        self._wire = wire
        self._channel = channel
        self._given: Any = None
        self._results: Any = None
        self._things: dict[int, Any] = {}
        self._counted = 0

    def serve(self) -> None:
        """Answer until the connection is closed."""
        while True:
            try:
                request, handle = self._channel.receive()
            except self._wire.Ended:
                return
            if handle is not None:
                self._take(handle, request["block"])
            try:
                value = self._do(request)
                packed = self._wire.Packed(value)
                if packed.size:
                    self._make_room(packed.size)
                    packed.write(self._results)
                answer = self._wire.encoded({"result": packed.form})
            except self._wire.Ended:
                return
            except BaseException as error:  # SystemExit, too: it is the foreign code that wants to end, not this
                answer = self._wire.encoded({"failed": _told(error)})
            value = packed = None
            self._channel.send(answer)

    def _take(self, handle: int, size: int) -> None:
        if self._given is not None:
            self._given.close()
        self._given = self._wire.Block(handle, size)

    def _make_room(self, size: int) -> None:
        """Ask for a larger block if the results need one."""
        if self._results is not None and self._results.size >= size:
            return
        self._channel.send(self._wire.encoded({"need": size}))
        answer, handle = self._channel.receive()
        if handle is None:
            raise MemoryError(answer["refused"])
        if self._results is not None:
            self._results.close()
        self._results = self._wire.Block(handle, answer["block"])

    def _do(self, request: dict[str, Any]) -> Any:
        for number in request["dropped"]:
            self._things.pop(number, None)
        target = request["target"]
        called = _found(target) if isinstance(target, str) else getattr(self._things[target[0]], target[1])
        arguments, named = self._wire.unpacked(request["arguments"], self._given, self._things.__getitem__)
        result = called(*arguments, **named)
        if not request["keep"]:
            return result
        self._counted += 1
        self._things[self._counted] = result
        return self._counted


def _found(target: str) -> Any:
    """What `module:name` or `module:name.name` is."""
    module, _, names = target.partition(":")
    found = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def _told(error: BaseException) -> list[str]:
    """An error's type, message and traceback, the latter from where the foreign code begins."""
    kind = type(error).__qualname__
    try:
        message = str(error)
    except Exception:
        message = ""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    try:
        lines = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:
        lines = ""
    return [kind[:_TEXT], message[:_TEXT], lines[-2 * _TEXT :]]


def limit(memory: int) -> None:
    """Hold this process, and each that it starts, to so many bytes; and let none of them dump its memory to disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def watch(connection: socket.socket) -> None:
    """End this process and those that it started soon after the one that started it is gone."""
    poll = select.poll()
    poll.register(connection, 0)  # that it was closed is told without being asked for
    poll.poll()
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


def put_first(tree: Path) -> None:
    """Have imports begin in `tree`, as for a script that lies there: its `queue` is found rather than Python's."""
    sys.path.insert(0, str(tree))
    sys.argv[:] = [str(tree)]
    own = {path.stem for path in tree.glob("*.py")} | {path.parent.name for path in tree.glob("*/__init__.py")}
    for name in list(sys.modules):
        top = name.partition(".")[0]
        if top in own and top not in (*BEGINNING, "numpy"):
            del sys.modules[name]


def end() -> None:
    """Let the foreign code tidy up, then end it and what it started; `watch` does so if it takes too long."""
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()  # noqa: SLF001  # an ordinary end could wait for its threads, beyond reach of `watch`
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Serve."""
    handle, memory, tree, wire_path = sys.argv[1:]
    limit(int(memory))
    specification = importlib.util.spec_from_file_location("_ml4a_wire", wire_path)
    assert specification is not None
    assert specification.loader is not None
    wire = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(wire)
    connection = socket.socket(fileno=int(handle))
    connection.set_inheritable(False)
    threading.Thread(target=watch, args=(connection,), daemon=True).start()
    with contextlib.suppress(ImportError):  # before the tree's own modules of whatever name are in its way
        import numpy  # noqa: F401, ICN001
    put_first(Path(tree))
    channel = wire.Channel(connection, trusted=True)
    channel.send(wire.encoded({"ready": True}))
    Server(wire, channel).serve()
    end()


if __name__ == "__main__":
    main()
