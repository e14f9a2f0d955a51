"""A run whose state is kept in a file while it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ml4a._core.errors import BadValue

from . import state_file
from .engine import Step, Synthesis


class Kept:
    """Restores a run from its file, if there is one, and writes it now and then, and in the end however it ends.

    Args:
        path: The file.
        synthesis: The run, which has not begun.
        run: What tells runs apart, in plain values.
        seconds: Between two writes.

    Raises:
        BadValue: the file holds another run, or none.
    """

    def __init__(self, path: Path, synthesis: Synthesis, run: Mapping[str, Any], seconds: float) -> None:
        self._path, self._synthesis, self._run, self._seconds = path, synthesis, run, seconds
        if path.exists():
            state = state_file.load(path, run)
            try:
                synthesis.restore(state)
            except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
                raise BadValue(f"{path} does not hold the state of this run ({error}); name another file") from None
        self._written = time.monotonic()

    def step(self, step: Step) -> None:
        """Write the state if it is time; called after each step."""
        if time.monotonic() - self._written >= self._seconds:
            self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._synthesis.number:
            self._write()

    def _write(self) -> None:
        state_file.save(self._path, self._synthesis.state(), self._run)
        self._written = time.monotonic()
