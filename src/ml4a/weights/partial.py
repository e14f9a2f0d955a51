"""A download under way, kept on disk so that it can be continued after a broken connection, Ctrl-C or a power cut.

A partial has one writer for ever: its name is its own, and what another process left behind is copied, not continued.
So no process can write into a file that another one has verified and published.
"""

from __future__ import annotations

import contextlib
import secrets
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from . import cache
from .schema import File


class Partial:
    """The first bytes of `file`, at `<cache>/weights/<sha256>.<token>.part`. A context manager."""

    def __init__(self, file: File) -> None:
        """Take over what was left behind, or begin anew.

        Raises:
            CannotWrite: the disk is full or read-only.
        """
        self._file = file
        self.path = cache.root() / f"{file.sha256}.{secrets.token_hex(6)}.part"
        with cache.writing(file.size):
            left = sorted(_left_behind(file), key=lambda path: path.stat().st_size)
            if left:
                with left[-1].open("rb") as source:
                    cache.copy(source, self.path, file.size)
            else:
                self.path.touch(exist_ok=False)
            for path in left:
                path.unlink(missing_ok=True)
            self._data = self.path.open("ab", buffering=0)
        self.size = self.path.stat().st_size
        """Bytes so far."""
        self.continued = self.size > 0
        """Whether the bytes come from more than one answer; if their hash is wrong, the joint may be to blame."""
        if self.size > file.size:
            self.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()
        if self.size == 0:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def write(self, data: bytes) -> None:
        """Add `data` at the end.

        Raises:
            CannotWrite: the disk is full; what was written before stays.
        """
        rest = memoryview(data)
        with cache.writing(self._file.size):
            while rest:
                written = self._data.write(rest)
                self.size += written
                rest = rest[written:]

    def clear(self) -> None:
        """Throw away what there is."""
        with cache.writing():
            self._data.truncate(0)
        self.size = 0
        self.continued = False


def _left_behind(file: File) -> list[Path]:
    """Other processes' partials: files, and not links or pipes that someone has planted."""
    found = cache.root().glob(f"{file.sha256}.*.part")
    return [path for path in found if stat.S_ISREG(path.lstat().st_mode)]
