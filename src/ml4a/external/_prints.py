"""What other people's code prints goes to standard error, line by line, with its name before it.

Standard output is for results: a stranger's greeting there would be taken for one. Other threads print as before.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def said_by(name: str) -> Iterator[None]:
    """Let what this thread prints inside be said by `name`."""
    if isinstance(sys.stdout, _Divided) and sys.stdout.speaks():
        yield  # one foreign function has led to another
        return
    with _Divided.lock:
        divided = sys.stdout if isinstance(sys.stdout, _Divided) else _Divided(sys.stdout)
        divided.lines[threading.get_ident()] = [name, ""]
        sys.stdout = divided  # type: ignore[assignment]
    try:
        yield
    finally:
        with _Divided.lock:
            name, rest = divided.lines.pop(threading.get_ident())
            if sys.stdout is divided and not divided.lines:
                sys.stdout = divided.real
        if rest:
            _say(name, rest)


class _Divided:
    """Standard output for most threads, and standard error for those that run other people's code."""

    lock = threading.Lock()

    def __init__(self, real: TextIO | None) -> None:
        self.real = real
        self.lines: dict[int, list[str]] = {}

    def speaks(self) -> bool:
        return threading.get_ident() in self.lines

    def write(self, text: str) -> int:
        mine = self.lines.get(threading.get_ident())
        if mine is None:
            return 0 if self.real is None else self.real.write(text)
        *whole, mine[1] = (mine[1] + text).split("\n")
        for line in whole:
            _say(mine[0], line)
        return len(text)

    def flush(self) -> None:
        if self.real is not None:
            self.real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def _say(name: str, line: str) -> None:
    shown = "".join(letter if letter.isprintable() else "?" for letter in line.expandtabs())
    print(f"{name}: {shown}", file=sys.stderr)  # noqa: T201
