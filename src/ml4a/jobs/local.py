"""Workers on this machine: processes that are started afresh, and replaced when they die."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ml4a._core import progress
from ml4a._core.errors import BadValue, Ml4aError

from ._pickling import pickled
from ._waiting import Task, Waiting
from .engine import Begin, Outcome

BUDGET = "2G"
"""What a worker takes for its tiles, unless `ML4A_MEMORY` says: tiles decide bits, so it is not shared out."""

_BOOT = """
import os, pickle, sys
orders = os.fdopen(os.dup(0), "rb")
sys.path[:] = pickle.load(orders)
from ml4a.jobs._worker import main
main(orders)
"""
FALSE_STARTS = 10
"""How many workers may die one after the other before any of them can begin."""
_POLL = 0.25
"""Seconds between looks at memory and at whether to stop."""


class Local:
    """Processes on this machine, with one thread each.

    Args:
        workers: How many.
        memory: Bytes that one of them may hold; one that holds more is stopped, and its item has failed.

    Raises:
        BadValue: a limit of memory on a system that does not tell what a process holds.
    """

    carry = None

    def __init__(self, workers: int, *, memory: int | None = None) -> None:
        if memory is not None and not Path("/proc/self/statm").exists():
            raise BadValue("this system does not tell what a process holds; leave the limit of memory out")
        self.workers = workers
        self._memory = memory
        self._false_starts = 0

    def run(self, begin: Begin, items: Iterable[Any | None]) -> Iterator[Outcome]:
        """See `Engine`."""
        payload = pickled(begin, "what workers begin with")
        waiting = Waiting(items)
        heard: queue.SimpleQueue[tuple[_Process, tuple[Any, ...] | None]] = queue.SimpleQueue()
        processes: list[_Process] = []
        try:
            while True:
                for idle in (process for process in processes if process.task is None):
                    idle.give(waiting.take())
                while len(processes) < self.workers and (task := waiting.take()) is not None:
                    processes.append(_Process(payload, heard))
                    processes[-1].give(task)
                if all(process.task is None for process in processes):
                    return
                outcome = self._heard(heard, processes, waiting)
                if outcome is not None:
                    yield outcome
        finally:
            for process in processes:
                process.kill()

    def _heard(
        self,
        heard: queue.SimpleQueue[tuple[_Process, tuple[Any, ...] | None]],
        processes: list[_Process],
        waiting: Waiting,
    ) -> Outcome | None:
        """React to the next word from a worker; what became of its item, if the word says so."""
        progress.check()
        try:
            process, message = heard.get(timeout=_POLL)
        except queue.Empty:
            process, message = None, ("nothing",)
        self._look_at(processes)
        if process is None:
            return None
        if message is None:
            processes.remove(process)
            return self._over(process, waiting)
        kind, *content = message
        if kind == "unable":
            reason, error = content
            raise error if isinstance(error, Ml4aError) else BadValue(f"no worker can begin: {reason}")
        if kind == "ready":
            process.is_ready = True
            self._false_starts = 0
        if kind == "progress":
            event = content[0]
            progress.report(event.stage, event.done, event.total, event.unit)
        if kind not in ("done", "failed"):
            return None
        task = process.task
        assert task is not None
        process.give(waiting.take())  # before anybody looks at the result
        value, reason = (content[0], None) if kind == "done" else (None, content[0])
        return Outcome(task.number, task.item, value, reason)

    def _over(self, process: _Process, waiting: Waiting) -> Outcome | None:
        """What follows from a worker's end."""
        ending = process.kill()
        task = process.task
        if task is None:
            return None
        if process.is_ready and not process.was_given:
            waiting.give_back(task)
            return None
        if process.greedy:
            limit = f"{(self._memory or 0) / 2**30:.3g} GiB"
            return Outcome(task.number, task.item, reason=f"it took more memory than a worker may hold, {limit}")
        if process.is_ready:
            return waiting.died(task, f"its worker died ({ending})")
        self._false_starts += 1
        if self._false_starts > FALSE_STARTS:
            raise BadValue(f"workers die as soon as they begin ({ending})")
        waiting.give_back(task)
        return None

    def _look_at(self, processes: list[_Process]) -> None:
        for process in processes:
            process.greedy = process.greedy or (self._memory is not None and process.holds() > self._memory)
            if process.greedy or process.is_over():
                process.kill()


class _Process:
    """One worker, and a thread that hears it."""

    def __init__(self, payload: bytes, heard: queue.SimpleQueue[tuple[_Process, tuple[Any, ...] | None]]) -> None:
        self.task: Task | None = None
        self.was_given = False
        """Whether it can have begun with its task: it was not over already."""
        self.is_ready = False
        self.greedy = False
        self._is_stopped = False
        environment = {"ML4A_MEMORY": BUDGET, **os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603  # this Python
            [sys.executable, "-c", _BOOT],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the process that started it
        )
        self._send(pickle.dumps(sys.path))
        self._send(pickle.dumps(payload))
        self._thread = threading.Thread(target=self._listen, args=(heard,), name="ml4a-worker", daemon=True)
        self._thread.start()

    def give(self, task: Task | None) -> None:
        """Let it do a task, or nothing for now."""
        self.task = task
        self.was_given = task is not None and self._send(pickle.dumps(pickled(task.item, "an item")))

    def holds(self) -> int:
        """Bytes that it holds in memory, as far as that is known."""
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def is_over(self) -> bool:
        """Whether it has ended, which is not heard while a process that it started holds its pipes."""
        return self._process.poll() is not None

    def kill(self) -> str:
        """Stop it, if it still runs, and what it started; say how it ended."""
        if not self._is_stopped:
            self._is_stopped = True
            with contextlib.suppress(OSError):
                if hasattr(os, "killpg"):
                    os.killpg(self._process.pid, signal.SIGKILL)
                else:
                    self._process.kill()
        status = self._process.wait()
        with contextlib.suppress(OSError):
            self._pipe("stdin").close()
        if self._thread is not threading.current_thread():
            self._thread.join()
        if status >= 0:
            return f"exit status {status}"
        return signal.Signals(-status).name

    def _listen(self, heard: queue.SimpleQueue[tuple[_Process, tuple[Any, ...] | None]]) -> None:
        with self._pipe("stdout") as answers:
            while True:
                try:
                    message = pickle.load(answers)  # noqa: S301  # from a process of our own
                except Exception:  # it ended, perhaps in the middle of a word
                    heard.put((self, None))
                    return
                heard.put((self, message))

    def _send(self, data: bytes) -> bool:
        """Whether it still listens; that it is gone is heard at the other pipe."""
        pipe = self._pipe("stdin")
        try:
            pipe.write(data)
            pipe.flush()
        except (OSError, ValueError):  # of a pipe that it, or we, have closed
            return False
        return True

    def _pipe(self, name: str) -> Any:
        return getattr(self._process, name)
