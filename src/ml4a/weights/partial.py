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

_LONGEST_VERSION = 200


class Partial:
    """The first bytes of `file`, at `<cache>/weights/<its key>.<token>.part`. A context manager.

    What the server calls the version that they are of is kept beside, as `.version`, for the next process's If-Range.
    """

    def __init__(self, file: File) -> None:
        """Take over what was left behind, or begin anew.

        Raises:
            CannotWrite: the disk is full or read-only.
        """
        self._file = file
        self.path = cache.root() / f"{file.key}.{secrets.token_hex(6)}.part"
        self._version = ""
        with cache.writing(file.limit):
            left = sorted(_left_behind(file), key=lambda path: path.stat().st_size)
            if left:
                with left[-1].open("rb") as source:
                    cache.copy(source, self.path, file.limit)
                self.version = _version_of(left[-1])
            else:
                self.path.touch(exist_ok=False)
            for path in left:
                path.unlink(missing_ok=True)
                _beside(path).unlink(missing_ok=True)
            self._data = self.path.open("ab", buffering=0)
        self.size = self.path.stat().st_size
        """Bytes so far."""
        self.continued = self.size > 0
        """Whether the bytes come from more than one answer; if their hash is wrong, the joint may be to blame."""
        if self.size > file.limit:
            self.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()
        with contextlib.suppress(OSError):
            if kind is None or self.size == 0:
                _beside(self.path).unlink(missing_ok=True)
            if self.size == 0:
                self.path.unlink()

    @property
    def version(self) -> str:
        """What the server calls the version of the file that the bytes are of: an ETag or a date; may be empty."""
        return self._version

    @version.setter
    def version(self, version: str) -> None:
        if version != self._version:
            self._version = version
            with cache.writing():
                if version:
                    _beside(self.path).write_text(version, encoding="utf-8")
                else:
                    _beside(self.path).unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Add `data` at the end.

        Raises:
            CannotWrite: the disk is full; what was written before stays.
        """
        rest = memoryview(data)
        with cache.writing(self._file.limit):
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
        self.version = ""


def _left_behind(file: File) -> list[Path]:
    """Other processes' partials: files, and not links or pipes that someone has planted."""
    found = cache.root().glob(f"{file.key}.*.part")
    return [path for path in found if _is_file(path)]


def _beside(path: Path) -> Path:
    return path.with_suffix(".version")


def _version_of(path: Path) -> str:
    """What is written beside a partial; nothing that would not do as a header of a request."""
    beside = _beside(path)
    if not _is_file(beside):
        return ""
    text = beside.read_bytes()[:_LONGEST_VERSION].decode("ascii", errors="replace")
    return text if text.isprintable() and text.isascii() else ""


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # gone meanwhile
        return False
