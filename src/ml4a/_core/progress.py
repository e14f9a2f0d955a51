"""How long work tells where it is, and how it is stopped.

Work calls `report(...)` between its steps and knows nothing of who listens. Whoever started it decides:

    with listening(print_it, cancel):
        upscale(photo)

Work that a user stops by Ctrl-C may give the best so far instead of nothing: it catches the KeyboardInterrupt, calls
`interrupted()` and returns. Whoever saves results listens by `interruptible()`.

The listener belongs to the thread (and task) that set it, so two jobs in two threads do not hear each other.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from .errors import Cancelled

S = TypeVar("S")

_PREVIEW_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a piece of work is."""

    stage: str
    """What is being done, for the user: `"photo.jpg"`, `"downloading hed.h5"`."""
    done: float
    total: float | None
    """None while nobody knows."""
    unit: str = ""
    """`"frames"`, `"tiles"`, `"B"` …"""
    preview: Any = None
    """An H×W×3 float32 array in [0, 1] of the result so far, now and then."""


OnProgress: TypeAlias = Callable[[Progress], None]


class Cancel:
    """A switch that stops work from another thread: hand it over, then call `cancel()`."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Cancelled` if it was asked to stop."""
        if self.cancelled:
            raise Cancelled("stopped by the user")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, after which the best so far was saved; the message says where."""

    def __init__(self, where: object) -> None:
        super().__init__(f"stopped; the best so far was written to {where}")


_listener: ContextVar[tuple[OnProgress | None, Cancel | None]] = ContextVar("listener", default=(None, None))
_interruption: ContextVar[Cancel | None] = ContextVar("interruption", default=None)


@contextlib.contextmanager
def listening(on_progress: OnProgress | None = None, cancel: Cancel | None = None) -> Iterator[None]:
    """Send the progress of everything called inside to `on_progress`, and let `cancel` stop it.

    A part left out stays what it was outside.
    """
    outer_progress, outer_cancel = _listener.get()
    token = _listener.set((on_progress or outer_progress, cancel or outer_cancel))
    try:
        yield
    finally:
        _listener.reset(token)


def report(stage: str, done: float, total: float | None = None, unit: str = "", preview: Any = None) -> None:
    """Tell the listener, if there is one.

    Raises:
        Cancelled: the work was asked to stop.
    """
    check()
    on_progress, _ = _listener.get()
    if on_progress is not None:
        on_progress(Progress(stage, done, total, unit, preview))


def check() -> None:
    """Raise `Cancelled` if the work was asked to stop; for work that waits and has nothing to tell."""
    _, cancel = _listener.get()
    if cancel is not None:
        cancel.check()


def reported(
    stage: str, steps: Iterable[S], total: float, preview: Callable[[S], Any], *, done: int = 0
) -> Iterator[S]:
    """Steps of some work, each told to the listener once it is made, with a preview now and then.

    Args:
        stage: What is being done, for the user.
        steps: They are made by being asked for.
        total: How many there are, those that are done already included.
        preview: Shows a step.
        done: How many had been made before.

    Raises:
        Cancelled: the work was asked to stop.
    """
    shown = 0.0
    for number, step in enumerate(steps, done + 1):
        due = time.monotonic() - shown >= _PREVIEW_SECONDS
        report(stage, number, total, "steps", preview(step) if due else None)
        shown = time.monotonic() if due else shown
        yield step


@contextlib.contextmanager
def interruptible() -> Iterator[Cancel]:
    """Yield a switch that `interrupted` turns on: the user wants to stop after what is being made.

    Nothing is raised inside; whoever listens saves the result and stops. The innermost listener hears it.
    """
    switch = Cancel()
    token = _interruption.set(switch)
    try:
        yield switch
    finally:
        _interruption.reset(token)


def interrupted() -> None:
    """Say that the user has pressed Ctrl-C, and that what is returned now is the best so far.

    Where nobody listens, as in an interactive session, the result is just returned.
    """
    switch = _interruption.get()
    if switch is not None:
        switch.cancel()
