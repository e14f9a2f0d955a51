"""Foreign code in a child process, with packages of its own if it needs them."""

from __future__ import annotations

import os
import re
import sys
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image

from ml4a._core import devices
from ml4a._core.errors import BadValue, ExternalFailed, NotFound

from . import _environment
from ._runner import Runner

TIMEOUT = 600.0
"""Seconds for one call, unless said otherwise: the first of a network may download its weights."""

_NAMES = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_TARGET = re.compile(rf"{_NAMES}:{_NAMES}")


def process(
    path: str | os.PathLike[str],
    *,
    requirements: Sequence[str] = (),
    build: bool = False,
    timeout: float = TIMEOUT,
    memory: str | int | None = None,
) -> Process:
    """Other people's code in a process of its own: for packages that clash with ours, and for code that may crash.

        with external.process("their/repository", requirements=["numpy==1.26.4"], memory="2G") as tree:
            style = tree.function("stylise:apply")
            ml4a.apply(style, "clip.mp4", "styled.mp4")

    Pictures pass as arrays by shared memory; nothing that the process says is unpickled or evaluated here. If it
    crashes, hangs, leaks, floods or answers nonsense, the call raises an error and the next call starts it anew.
    It is given no tokens and none of ml4a's settings. It is no prison: it runs with your rights, so your files and
    the network are within its reach, and a program that it starts and sends away on purpose outlives it.

    Args:
        path: The folder that its imports begin in; also the working directory, so that its data files are found.
        requirements: Packages as pip knows them, `["numpy==1.26.4", "scipy"]`: they, and nothing else, are there,
            installed once into an environment in the cache. Without any, the packages of this Python are.
        build: Whether packages without a wheel may be built, which runs code of theirs.
        timeout: Seconds that one call may take, imports included.
        memory: The most memory, `"2G"` or bytes, that it may reserve, held on Linux. What uses a GPU reserves much more
            than it needs.

    Returns:
        What its functions are taken from. Nothing is started before the first of them is called.

    Raises:
        NotFound: there is no such folder.
        BadValue: a requirement, a time or a size that is none; or a system where this cannot be done.
    """
    return Process(path, requirements=requirements, build=build, timeout=timeout, memory=memory)


class Process:
    """A source tree whose code runs in a child process. See `process`.

    Calls from several threads wait for each other. It can be pickled: the copy starts a process of its own. The
    process ends with `close`, at the end of a `with`, or when nobody refers to it any more.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        requirements: Sequence[str] = (),
        build: bool = False,
        timeout: float = TIMEOUT,
        memory: str | int | None = None,
    ) -> None:
        if os.name != "posix":
            raise BadValue("foreign code runs in a process of its own on Linux and macOS only")
        self._path = Path(path).absolute()
        if not self._path.is_dir():
            raise NotFound(f"there is no folder {self._path}")
        self._requirements = _environment.checked(requirements, build=build)
        self._build = build
        if not 0 < timeout < 1e9:
            raise BadValue(f"timeout must be seconds above 0, not {timeout}")
        self._timeout = float(timeout)
        self._memory = devices.parse_bytes(memory) if isinstance(memory, str) else memory
        if self._memory is not None and (not isinstance(self._memory, int) or self._memory <= 0):
            raise BadValue(f"memory must be bytes above 0, or a text like '2G', not {memory!r}")
        self._begin()

    def function(self, target: str) -> Function:
        """What is at `"module:function"` or `"package.module:Class.method"`, to be called like any function."""
        return Function(self, _checked(target))

    def create(self, target: str, /, *arguments: Any, **named: Any) -> Instance:
        """Call a class, or whatever makes something, and leave what it made in the process.

        Args:
            target: `"module:Class"`.
            *arguments: What it is called with: see `Function`.
            **named: The same, by name.

        Raises:
            ExternalFailed: it failed.
        """
        with self._lock_here():
            number = self._ask(target, _checked(target), arguments, named, keep=True)
            return Instance(self, self._running(), number, target)

    @property
    def output(self) -> str:
        """The last of what the process has printed; empty if it does not run."""
        return "" if self._runner is None else self._runner.output

    def close(self) -> None:
        """End the process. The next call would start it again."""
        with self._lock_here():
            if self._runner is not None:
                self._runner.close()
            self._runner = None

    def __enter__(self) -> Process:
        with self._lock_here():
            self._running()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"external.process({str(self._path)!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_runner", "_lock", "_owner")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def _begin(self) -> None:
        self._runner: Runner | None = None
        self._lock = threading.RLock()
        self._owner = os.getpid()

    def _lock_here(self) -> threading.RLock:
        """The lock; a fork of this process begins with nothing, since one child cannot serve two."""
        if self._owner != os.getpid():
            self._begin()
        return self._lock

    def _running(self) -> Runner:
        if self._runner is None or not self._runner.running:
            self._runner = None
            python = Path(sys.executable)
            if self._requirements:
                python = _environment.interpreter(self._requirements, build=self._build)
            self._runner = Runner(python, self._path, self._memory)
        return self._runner

    def _call(self, name: str, target: str | Instance, method: str, arguments: Any, named: Any) -> Any:
        """Call a function, or an instance's method; a PIL image goes as an array, and the result comes back as PIL."""
        from ml4a.media import image

        shown = bool(arguments) and isinstance(arguments[0], Image.Image)
        with self._lock_here():
            if isinstance(target, Instance):
                result = self._ask(name, [self._number_of(target), method], arguments, named, keep=False)
            else:
                result = self._ask(name, target, arguments, named, keep=False)
        return image.as_kind(result, "pil") if shown and getattr(result, "ndim", 0) in (2, 3) else result

    def _ask(self, name: str, target: str | list[Any], arguments: Any, named: Any, *, keep: bool) -> Any:
        both = [tuple(_plain(each) for each in arguments), {key: _plain(each) for key, each in named.items()}]
        return self._running().ask(name, target, both, keep=keep, seconds=self._timeout, number_of=self._number_or_none)

    def _number_or_none(self, value: Any) -> int | None:
        return self._number_of(value) if isinstance(value, Instance) else None

    def _number_of(self, instance: Instance) -> int:
        if instance.runner is not self._runner or not instance.runner.running:
            raise ExternalFailed(f"{instance.name} was lost when its process ended; create it again")
        return instance.number


class Function:
    """A function in the process.

    It takes and gives arrays, numbers, strings, bytes, None, and lists, tuples and dicts of these; also things that
    `create` made. Tensors go and come as arrays. A PIL image that is an argument goes as an H×W×C float32 array in
    [0, 1], and if it is the first, the picture that results comes back as PIL. So it can be applied to pictures and
    films. Arrays that come back are the caller's own.

    Raises:
        BadValue: it cannot be called with something like this.
        ExternalFailed: it raised an error, took too long, or brought its process down.
    """

    def __init__(self, process: Process, target: str) -> None:
        self._process = process
        self._target = target

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._process._call(self._target, self._target, "", arguments, named)  # noqa: SLF001

    def __repr__(self) -> str:
        return f"{self._process!r}.function({self._target!r})"


class Instance:
    """Something that was made in the process and stays there until nobody refers to this any more.

    Calling it calls the thing; `call` calls a method of it, with what a `Function` takes. When the process ends, it is
    lost. It cannot be pickled.
    """

    def __init__(self, process: Process, runner: Runner, number: int, target: str) -> None:
        self.name = target
        """What it was made by."""
        self.runner = runner
        self.number = number
        self._process = process
        weakref.finalize(self, runner.dropped.append, number).atexit = False

    def call(self, method: str, /, *arguments: Any, **named: Any) -> Any:
        """Call its method of this name.

        Raises:
            BadValue: that is no name, or cannot be passed.
            ExternalFailed: as of `Function`; or the process that it was in has ended.
        """
        if not method.isidentifier():
            raise BadValue(f"{method!r} is no name of a method")
        return self._process._call(f"{self.name}.{method}", self, method, arguments, named)  # noqa: SLF001

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.call("__call__", *arguments, **named)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self.name} stays in its process and cannot be pickled; pickle the process, and create it there"
        )

    def __repr__(self) -> str:
        return f"<{self.name} in {self._process!r}>"


def _checked(target: str) -> str:
    if not isinstance(target, str) or _TARGET.fullmatch(target) is None:
        raise BadValue(f"foreign code is named like 'module:function', not {target!r}")
    return target


def _plain(value: Any) -> Any:
    """A PIL image as an array; anything else as it is."""
    from ml4a.media import image

    return image.to_array(value) if isinstance(value, Image.Image) else value
