"""What of a job is done, failed or not begun, kept beside its results until all is done.

A job that was killed is run again by the same command: what is done is not done twice, what failed is tried again.
Results are published by the one process that keeps the journal, each by a rename, so that half a file is never seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ml4a._core import files
from ml4a._core.errors import BadValue, CannotWrite, OutputExists

if TYPE_CHECKING:
    from typing import Self

FOLDER = ".ml4a-job"
"""What the folder of a job is called, in the folder of its results."""

FILMS = "films"
"""Its folder of films that are being made."""

Stamp: TypeAlias = list[int] | None
"""See `stamp_of`."""

_VERSION = 1
_FIELDS = {"stamp", "before", "ours"}
_TOLD = {"done", "failed"}
_LARGEST = 1 << 30
"""Bytes of a journal that is read back: of some millions of items."""


class Journal:
    """A job's journal, open and locked. Leaving its `with` keeps the folder, unless `finish` was called.

    Args:
        folder: Hidden, beside the results; it is the job's own.
        settings: What the job does, as JSON values.
        overwrite: Whether a journal of other settings may be thrown away.

    Raises:
        OutputExists: another process is at this job, or there is the journal of a job with other settings.
        CannotWrite: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], *, overwrite: bool = False) -> None:
        self.folder = folder
        self._made_parent = not folder.parent.exists()
        files.parent_of(folder / "journal.jsonl")
        self._lock = _locked(folder)
        try:
            self._kept: dict[str, Any] = {}
            self._items: dict[str, dict[str, Any]] = {}
            self._noted = False
            text = json.loads(json.dumps(settings))  # as it will be read back
            self.resumed = self._read(text, overwrite)
            self.parts = folder / "parts"
            shutil.rmtree(self.parts, ignore_errors=True)  # what was being written when another process ended
            self.parts.mkdir()
            self._file = _opened(folder / "journal.jsonl", fresh=not self.resumed)
            if not self.resumed:
                self._write({"version": _VERSION, "settings": text}, at_once=True)
        except BaseException:
            self._unlock()
            raise

    @classmethod
    def open(cls, folder: Path, settings: dict[str, Any], *, overwrite: bool = False) -> Self:
        """The journal in `folder`, begun if there is none; see the class."""
        return cls(folder, settings, overwrite=overwrite)

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """A value of the whole job, such as its seed: made the first time, and the same whenever it is gone on with."""
        if name not in self._kept:
            self._kept[name] = make()
            self._write({"kept": name, "value": self._kept[name]}, at_once=True)
        return self._kept[name]

    def begin(self, items: dict[str, tuple[str, Stamp]]) -> set[str]:
        """Note of each item, before any work, what its input is and what is where its output will be.

        What is found there later and differs from that is the result, even if nobody lived to note it.

        Args:
            items: By their keys, what the inputs are known by and `stamp_of` the outputs.

        Returns:
            The items whose inputs have changed since they were begun.
        """
        changed = {
            key for key, (stamp, _) in items.items() if key in self._items and self._items[key]["stamp"] != stamp
        }
        begun = {
            key: {"stamp": stamp, "before": there, "ours": self.is_ours(key, there)}
            for key, (stamp, there) in items.items()
            if key not in self._items or key in changed or there is None
        }
        begun = {key: entry for key, entry in begun.items() if self._items.get(key) != entry}
        if begun:
            self._items.update(begun)
            self._write({"begin": begun}, at_once=True)
        return changed

    def is_done(self, key: str, there: Stamp) -> bool:
        """Whether what is `there` is the result of an item."""
        return there is not None and key in self._items and there != self._items[key]["before"]

    def is_ours(self, key: str, there: Stamp) -> bool:
        """Whether what is `there` was written by this job, whole or not, so that it may be replaced."""
        return self.is_done(key, there) or (key in self._items and self._items[key]["ours"])

    def done(self, key: str) -> None:
        """Note that an item is done."""
        self._write({"done": key})

    def failed(self, key: str, reason: str) -> None:
        """Note that an item failed, and why; it is tried again when the job is."""
        self._write({"failed": key, "reason": reason})

    def stopped(self, key: str, there: Stamp) -> None:
        """Note that what is `there` is the best so far of an item that Ctrl-C ended: it will be done again."""
        self._items[key] = {**self._items[key], "before": there, "ours": True}
        self._noted = True
        self._write({"begin": {key: self._items[key]}}, at_once=True)

    def end(self) -> None:
        """Note that nothing is left that was not begun; what failed is tried again if the job is."""
        self._write({"ended": True}, at_once=True)

    def finish(self) -> None:
        """Everything is done: the folder goes away, with what is left in it."""
        self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        shutil.rmtree(self.parts, ignore_errors=True)
        if not self._noted and not any(self._films()):
            shutil.rmtree(self.folder, ignore_errors=True)  # there is nothing to go on with
            with contextlib.suppress(OSError):
                if self._made_parent:
                    self.folder.parent.rmdir()
        self._unlock()

    def _films(self) -> Iterator[Path]:
        """Films that are begun."""
        with contextlib.suppress(OSError):
            yield from (self.folder / FILMS).iterdir()

    def _write(self, entry: dict[str, Any], *, at_once: bool = False) -> None:
        self._noted |= not entry.keys().isdisjoint(_TOLD)
        try:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
            if at_once:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise CannotWrite(f"cannot write {self._file.name}: {files.reason(error)}") from None

    def _read(self, settings: dict[str, Any], overwrite: bool) -> bool:
        """Read what there is; return whether it is gone on with."""
        path = self.folder / "journal.jsonl"
        try:
            if path.stat().st_size > _LARGEST:
                raise BadValue(f"{path} is larger than any journal; remove {self.folder}")
            lines = path.read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return False
        entries = list(_entries(lines))
        first = entries[0] if entries else {}
        if first.get("version") != _VERSION or first.get("settings") != settings:
            if not overwrite and "ended" not in (entries or [{}])[-1]:
                raise OutputExists(
                    f"{self.folder} is of a job that was stopped and had other settings{_difference(first, settings)}; "
                    "give those again to go on with it, remove that folder, or allow overwriting (--overwrite)"
                )
            self._clear()
            return False
        for entry in entries[1:]:
            self._take(entry)
        return True

    def _take(self, entry: dict[str, Any]) -> None:
        """Take one line over; what no journal of ours would say is passed over."""
        if isinstance(begun := entry.get("begin"), dict):
            told = {key: each for key, each in begun.items() if isinstance(each, dict) and each.keys() == _FIELDS}
            self._items.update(told)
            self._noted |= any(each["ours"] for each in told.values())
        elif isinstance(name := entry.get("kept"), str):
            self._kept[name] = entry.get("value")
        self._noted |= not entry.keys().isdisjoint(_TOLD)

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name == "lock":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _unlock(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)


def stamp_of(path: Path) -> Stamp:
    """By what a file is known again: its size, its time and its number on the disk; None if there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _entries(lines: list[str]) -> Iterator[dict[str, Any]]:
    """What the lines say; those that are broken, as the last may be, say nothing."""
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def _difference(first: dict[str, Any], settings: dict[str, Any]) -> str:
    """Which settings differ, and what they were."""
    before = first.get("settings")
    if not isinstance(before, dict):
        return ""
    names = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
    shown = [f"{name} was {str(before.get(name))[:60]}, not {str(settings.get(name))[:60]}" for name in names[:3]]
    return f" ({'; '.join(shown)})" if shown else ""


def _opened(path: Path, *, fresh: bool) -> Any:
    try:
        if not fresh:
            _cut_off_rest(path)
        return path.open("w" if fresh else "a", encoding="utf-8")
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {files.reason(error)}") from None


def _cut_off_rest(path: Path) -> None:
    """Leave whole lines only: what follows half a line would not be read."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def _locked(folder: Path) -> int | None:
    """Hold the folder for this process; the system lets go when it ends, however it does."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CannotWrite(f"cannot write {folder / 'lock'}: {files.reason(error)}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise OutputExists(
            f"another process is at this job ({folder}); wait for it, or choose another output"
        ) from None
    except OSError:  # a disk without locks
        os.close(lock)
        return None
    return lock
