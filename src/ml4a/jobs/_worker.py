"""What runs in a worker: items one by one, with one thread, and word of how they go."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from ml4a._core import progress
from ml4a._core.progress import Progress

from .engine import reason_of

_SECONDS_BETWEEN_REPORTS = 0.2


def use_one_thread() -> None:
    """Compute in one thread from now on: sums come in the same order then, however many workers there are."""
    import cv2

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    cv2.setNumThreads(1)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


def begun(payload: bytes) -> Callable[[Any], Any]:
    """The function that does one item, from a pickled `Begin`."""
    import cloudpickle

    use_one_thread()
    function = cloudpickle.loads(payload)()
    use_one_thread()  # beginning may have imported torch
    return function


def throttled(tell: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """A listener that passes some of what it hears on: the first and the last of each stage, and a few a second."""
    told: dict[str, float] = {}

    def listen(event: Progress) -> None:
        now = time.monotonic()
        if event.done == event.total or now - told.get(event.stage, 0) >= _SECONDS_BETWEEN_REPORTS:
            told[event.stage] = now
            tell(Progress(event.stage, event.done, event.total, event.unit))

    return listen


def main(orders_in: BinaryIO) -> None:
    """Serve the process that started this one, by its pipes, until it closes them or is gone.

    In, by `orders_in`: a pickled `Begin`, then pickled items. Out: what `Local` reads. What is printed goes to standard
    error, and nothing can be read from standard input, by programs that an item starts either.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one hears it, and decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = sys.stderr
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders_in, orders), daemon=True).start()
    try:
        function = begun(orders.get())
    except BaseException as error:
        _say(answers, "unable", reason_of(error), picklable(error))
        return
    _say(answers, "ready")
    hear = throttled(lambda event: _say(answers, "progress", event))
    while True:
        payload = orders.get()
        with progress.listening(hear):
            try:
                _say(answers, "done", function(pickle.loads(payload)))  # noqa: S301  # our own
            except Exception as error:
                _say(answers, "failed", reason_of(error))


def _listen(orders_in: BinaryIO, orders: queue.SimpleQueue[bytes]) -> None:
    """Take orders, so that the death of whoever gives them is noticed in the middle of an item."""
    while True:
        try:
            orders.put(pickle.load(orders_in))  # noqa: S301  # from the process that started this one
        except (EOFError, OSError, pickle.UnpicklingError):
            os._exit(1)


def _say(answers: BinaryIO, *message: Any) -> None:
    answers.write(pickle.dumps(message))  # as a whole, or, of what cannot be pickled, nothing
    answers.flush()


def picklable(error: BaseException) -> BaseException | None:
    """An error as it can be sent to another process; None if it could not be read back there."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    except Exception:
        return None
    return error
