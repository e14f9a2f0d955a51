"""One downloader at a time, by a side file that says who it is.

This only saves a second download: whoever is wrongly taken for dead goes on writing to files of its own names, and
whatever is published is verified first. So nothing breaks where clocks differ or a network disk locks badly.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ml4a._core import progress

from . import cache

SILENCE = 60.0
"""Seconds without a sign of life after which an owner is taken for dead."""

_BEAT = 1.0
_POLL = 0.1


@contextlib.contextmanager
def owned(path: Path, stage: str) -> Iterator[Callable[[], None]]:
    """Wait until no living process owns `path`, own it, and give it back in the end.

    Args:
        path: The side file, in a folder that exists.
        stage: What is waited for, for the user.

    Yields:
        A function to call now and then, as a sign of life.

    Raises:
        CannotWrite: the disk is full or read-only.
    """
    token = f"{os.getpid()} {secrets.token_hex(8)} {socket.gethostname()}".encode()
    watch = _Watch(path)
    while not _create(path, token):
        if watch.dead():
            with cache.writing():
                path.unlink(missing_ok=True)
            continue
        progress.report(stage, 0)
        time.sleep(_POLL)
    try:
        yield _heart(path)
    finally:
        with contextlib.suppress(OSError):
            if path.read_bytes() == token:
                path.unlink()


def _create(path: Path, token: bytes) -> bool:
    with cache.writing():
        try:
            file = path.open("xb")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(token)
        except OSError:
            path.unlink(missing_ok=True)
            raise
    return True


def _heart(path: Path) -> Callable[[], None]:
    last = time.monotonic()

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last > _BEAT:
            last = time.monotonic()
            with contextlib.suppress(OSError):  # taken for dead, or the disk is full: no reason to stop
                os.utime(path)

    return beat


class _Watch:
    """Looks at another's side file; its age is measured by our clock, because the disk's may differ."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, bytes] | None = None
        self._since = time.monotonic()

    def dead(self) -> bool:
        """Whether the owner's process is gone, or has been silent for too long."""
        try:
            seen = (self._path.stat().st_mtime_ns, self._path.read_bytes())
        except OSError:
            return False
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return _gone(seen[1]) or time.monotonic() - self._since > SILENCE


def _gone(token: bytes) -> bool:
    """Whether `token` names a process of this machine that does not exist."""
    pid, _, rest = token.partition(b" ")
    _, _, host = rest.partition(b" ")
    if os.name != "posix" or host != socket.gethostname().encode() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
