"""One child process from its start to its end, and the talk with it. `_child.py` is the other side."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from ml4a._core import limits, progress
from ml4a._core.errors import BadValue, ExternalFailed
from ml4a.media.sources import printable

from . import _child, _wire
from ._wire import Block, Broken, Channel, Ended, Packed

START_SECONDS = 60.0
"""For the interpreter, and NumPy, to be there."""
KEPT = 1 << 16
"""Bytes of what the process printed last."""

_LEAST_BLOCK = 1 << 20
_LISTENED = 0.2  # seconds
_LINES = 4000
_ENVIRONMENT = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LD_LIBRARY_PATH"}
    | {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "CUDA_HOME"}
)
"""What of the environment foreign code is given, beside LC_…: no tokens, keys or settings of ours."""
_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""Else glibc gives memory back after each picture, and half of a short call's time goes into getting it again."""


class Runner:
    """A child process that runs the code of one tree.

    Args:
        python: The interpreter.
        tree: The folder that its imports begin in, and its working directory.
        memory: The most bytes of address space, or None.

    Raises:
        ExternalFailed: it does not start.
    """

    def __init__(self, python: Path, tree: Path, memory: int | None) -> None:
        self.dropped: list[int] = []
        """Numbers of things in the child that nobody here asks for any more."""
        self.pid = 0
        self._tree = tree
        self._given: Block | None = None
        self._results: Block | None = None
        near, far = socket.socketpair()
        with far:
            command = [str(python), "-I", "-B", "-u", _child.__file__, str(far.fileno()), str(memory or 0), str(tree)]
            try:
                # A session of its own: Ctrl-C is for the process that started it, and the whole group can be stopped.
                self._process = subprocess.Popen(  # noqa: S603  # a list, no shell
                    [*command, _wire.__file__],
                    cwd=tree,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(far.fileno(),),
                    start_new_session=True,
                )
            except OSError as error:
                near.close()
                raise ExternalFailed(f"{python} cannot be started in {tree}: {error.strerror or error}") from None
        self.pid = self._process.pid
        self._channel = Channel(near)
        self._output = _Output(self._process.stdout)
        self._end = weakref.finalize(self, _end, self._process, self._channel, self._output, os.getpid())
        with self._explained("the start", START_SECONDS):
            self._channel.receive(seconds=START_SECONDS, look=progress.check)

    @property
    def running(self) -> bool:
        """Whether it was not stopped, here or by what it did."""
        return self._end.alive

    @property
    def output(self) -> str:
        """The last of what it printed."""
        return self._output.text()

    def ask(
        self,
        name: str,
        target: str | list[Any],
        arguments: list[Any],
        *,
        keep: bool,
        seconds: float,
        number_of: Callable[[Any], int | None],
    ) -> Any:
        """Have something called, and give what it returns; with `keep`, its number in the child.

        Args:
            name: Of what is called, for messages.
            target: `"module:function"`, or a thing's number and the name of its method.
            arguments: A tuple of arguments, and a dict of those with names.
            keep: Whether the result stays in the child.
            seconds: How long it may take.
            number_of: See `Packed`.

        Raises:
            BadValue: an argument that cannot be passed.
            ExternalFailed: it raised an error, took too long, broke off or answered nonsense.
        """
        dropped = [self.dropped.pop() for _ in range(len(self.dropped))]
        given, block, text = self._request(name, target, arguments, keep, dropped, number_of)
        end = time.monotonic() + seconds
        with self._explained(name, seconds):
            if given.size and self._given is not None:
                given.write(self._given)
            self._channel.send(text, block, seconds=seconds)
            message, _ = self._channel.receive(seconds=end - time.monotonic(), look=progress.check)
            if "need" in message:
                self._grant(message["need"], seconds)
                message, _ = self._channel.receive(seconds=end - time.monotonic(), look=progress.check)
            if "result" in message:
                result = _wire.unpacked(message["result"], self._results, limit=limits.EXTERNAL_BYTES)
                if keep and type(result) is not int:
                    raise Broken("no number of what it made")
                return result
            failure = message.get("failed")
            if not isinstance(failure, list) or [type(each) for each in failure] != [str, str, str]:
                raise Broken("neither a result nor an error")
        raise self._failure(name, *failure)

    def stop(self) -> None:
        """End the process and all that it started, at once."""
        if self._end.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self.close()

    def close(self) -> None:
        """Let the process end by itself, and after a second end it."""
        self._end()
        for block in (self._given, self._results):
            if block is not None:
                block.close()

    def _request(
        self,
        name: str,
        target: str | list[Any],
        arguments: list[Any],
        keep: bool,
        dropped: list[int],
        number_of: Callable[[Any], int | None],
    ) -> tuple[Packed, Block | None, bytes]:
        """What is to be sent; nothing is, and the process lives on, if something in it cannot be."""
        try:
            given = Packed(arguments, number_of)
            if given.size > limits.EXTERNAL_BYTES:
                raise ValueError(f"{given.size} bytes of arrays cannot be passed, at most {limits.EXTERNAL_BYTES} can")
            request = {"target": target, "arguments": given.form, "keep": keep, "dropped": dropped}
            block = None
            if given.size > (self._given.size if self._given else 0):
                block = Block.new(_rounded(given.size))
                request["block"] = block.size
            text = _wire.encoded(request)
        except (TypeError, ValueError, RecursionError) as error:
            self.dropped += dropped
            raise BadValue(f"{name} cannot be called with this: {error}") from None
        if block is not None:
            if self._given is not None:
                self._given.close()
            self._given = block
        return given, block, text

    def _grant(self, size: Any, seconds: float) -> None:
        """Give the child a block for its results, if it asks for no more than is accepted."""
        if type(size) is not int or size < 0:
            raise Broken("a size that is none")
        if size > limits.EXTERNAL_BYTES:
            refusal = f"the result has {size} bytes of arrays, more than the {limits.EXTERNAL_BYTES} that are accepted"
            self._channel.send(_wire.encoded({"refused": refusal}), seconds=seconds)
            return
        if self._results is not None:
            self._results.close()
        self._results = Block.new(_rounded(size))
        self._channel.send(_wire.encoded({"block": self._results.size}), self._results, seconds=seconds)

    @contextlib.contextmanager
    def _explained(self, name: str, seconds: float) -> Iterator[None]:
        """Stop the process when anything goes wrong between it and us, and say what."""
        try:
            yield
        except TimeoutError:
            self._give_up(f"{name} of {self._tree} had not answered after {seconds:g} s; its process was stopped")
        except Ended:
            self._give_up(f"{name} of {self._tree} broke off: its process {self._ending()}")
        except Broken as error:
            self._give_up(f"{name} of {self._tree} answered with {error}; its process was stopped")
        except BaseException:
            self.stop()
            raise

    def _ending(self) -> str:
        """How the process ended, in words."""
        alone = self._output.wait()
        self.stop()
        status = self._process.returncode
        if status == -signal.SIGKILL and not alone:
            return "closed the connection and was stopped"
        if status < 0:
            number = -status
            return f"was ended by {signal.Signals(number).name if number in set(signal.Signals) else number}"
        return f"ended with status {status}"

    def _give_up(self, message: str) -> NoReturn:
        self.stop()
        last = self.output.strip().splitlines()[-1:]
        said = f"; the last that it said: {last[0][:200]}" if last else ""
        raise ExternalFailed(printable(message + said), output=self.output) from None

    def _failure(self, name: str, kind: str, message: str, lines: str) -> ExternalFailed:
        hint = "; `requirements` can bring it" if kind == "ModuleNotFoundError" else ""
        told = f"{kind}: {message}" if message else kind
        error = ExternalFailed(
            printable(f"{name} of {self._tree} failed: {' '.join(told.split())[:1000]}{hint}"),
            type=printable(kind[:200]),
            traceback=_shown(lines),
            output=self.output,
        )
        error.add_note(error.traceback)
        return error


class _Output:
    """What a process prints: read as it comes, so that it never waits, and the end of it kept."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        assert pipe is not None
        self._pipe = pipe
        self._kept = b""
        self._thread = threading.Thread(target=self._listen, name="ml4a-external", daemon=True)
        self._thread.start()

    def wait(self, seconds: float = _LISTENED) -> bool:
        """Wait for the end of it, which is when nobody is left who could print; whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def text(self) -> str:
        """The last of it, with nothing that could do anything to a terminal."""
        return _shown(self._kept.decode("utf-8", "replace"))

    def _listen(self) -> None:
        with self._pipe:
            while piece := os.read(self._pipe.fileno(), KEPT):
                self._kept = (self._kept + piece)[-KEPT:]


def environment() -> dict[str, str]:
    """What foreign code sees of the environment."""
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith("LC_")}
    return kept | _ALLOCATOR


def _end(process: subprocess.Popen[bytes], channel: Channel, output: _Output, owner: int) -> None:
    """Close the connection, on which the child ends itself; kill what is left of its group then."""
    channel.close()
    if os.getpid() != owner:  # a copy of the process that owns it
        return
    output.wait(_child.GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    output.wait()


def _rounded(size: int) -> int:
    return -(-size // _LEAST_BLOCK) * _LEAST_BLOCK


def _shown(text: str) -> str:
    return "\n".join(printable(line) for line in text[-_LINES:].splitlines())
