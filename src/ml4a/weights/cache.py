"""The cache: verified files by their SHA-256, at `<cache>/weights/<sha256>/<name>`.

A file enters through `publish` alone, which hashes it from the first byte to the last. Each later use compares size,
modification time and a quick hash with the stamp that was written beside it then; if they differ, the whole file is
hashed again. A cache that cannot be written can still be read.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ml4a._core import paths
from ml4a._core.errors import BadWeights, CannotWrite, Ml4aError
from ml4a._core.files import reason

from . import pins, stamp
from .schema import File

log = logging.getLogger("ml4a")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 20
_ABANDONED = 7 * 24 * 3600.0  # seconds


def root() -> Path:
    """The folder of all cached weights; it may not exist yet."""
    return paths.cache_dir() / "weights"


def path_of(file: File) -> Path | None:
    """Where `file` lies, or would lie, in the cache; None as long as nobody knows its SHA-256."""
    file = pins.known(file)
    return root() / file.sha256 / file.name if file.sha256 else None


def find(file: File) -> Path | None:
    """The cached file, if it is there and still what it was. One that was damaged since is removed, and said to be."""
    file = pins.known(file)
    path = path_of(file)
    if path is None:
        return None
    try:
        about = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(about.st_mode):
        return None
    if stamp.agrees(path):
        return path
    try:
        problem = difference(path, file.name, file.size, file.sha256)
    except OSError:
        return None
    if problem is None:
        stamp.write(path)
        return path
    log.warning("not used from the cache: %s", problem)
    if stamp.path_of(path).exists():  # else it is not ours: someone may be copying it there right now
        with contextlib.suppress(OSError):
            path.unlink()
            stamp.path_of(path).unlink()
    return None


def publish(temporary: Path, file: File) -> Path:
    """Move a finished file, which must lie on the cache's own disk, to its place; verify it before.

    A file whose SHA-256 nobody knows is held to the one that it has now, from now on.

    Raises:
        BadWeights: it is not the file that the card means; it has been removed.
        CannotWrite: the disk is full or read-only.
    """
    file = pins.known(file)
    try:
        file = _verified(temporary, file)
    except BadWeights:
        temporary.unlink(missing_ok=True)
        raise
    path = root() / file.sha256 / file.name
    with writing(file.limit):
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.replace(path)
        except PermissionError:
            # Windows does not replace a file that another process, which was faster, has open.
            if find(file) is None:
                raise
            temporary.unlink(missing_ok=True)
    stamp.write(path)
    return path


def _verified(path: Path, file: File) -> File:
    """`file` with everything known, if `path` is it.

    Raises:
        BadWeights: it is another file.
    """
    if file.sha256:
        problem = difference(path, file.name, file.size, file.sha256)
        if problem is not None:
            raise BadWeights(problem + pins.advice(file))
        return file
    size = path.stat().st_size
    if size != (file.size or size) or size > file.limit:
        raise BadWeights(f"{file.name} has {size} bytes, but should have {'at most ' * (not file.size)}{file.limit}")
    _refuse_stand_in(path, file.name)
    return pins.keep(file, size, sha256_of(path))


def _refuse_stand_in(path: Path, name: str) -> None:
    """Raise if `path` is a web page, a git-lfs pointer or empty: that must not be what counts from now on."""
    from .formats.mapped import reading  # it needs NumPy, which the command line can do without

    try:
        with reading(path):
            return
    except BadWeights as error:
        raise BadWeights(str(error).replace(str(path), name)) from None


def difference(path: Path, name: str, size: int | None, sha256: str) -> str | None:
    """What tells the file at `path` from the one that a card calls `name`; None if nothing does."""
    found_size = path.stat().st_size
    if found_size != (size or found_size):
        return f"{name} has {found_size} bytes, but should have {size}"
    found = sha256_of(path)
    return None if found == sha256 else wrong_hash(name, found, sha256)


def wrong_hash(name: str, found: str, sha256: str) -> str:
    """What to say of a file that is another one than it should be."""
    return f"{name} has SHA-256 {found[:12]}…, but should have {sha256[:12]}…"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored() -> list[Path]:
    """Every file in the cache, whatever card means it, and whether or not it is sound."""
    folders = sorted(path for path in root().glob("*") if _SHA256.fullmatch(path.name))
    return [path for folder in folders for path in sorted(folder.glob("[!.]*")) if path.is_file()]


def distrust(path: Path) -> None:
    """Have a stored file hashed as a whole before its next use, whatever its stamp says."""
    with contextlib.suppress(OSError):
        if stamp.path_of(path).exists():  # else it will be anyway, and is not ours to remove
            stamp.path_of(path).write_bytes(b"")


def discard(path: Path) -> None:
    """Remove a stored file.

    Raises:
        CannotWrite: the cache cannot be written, or the file is in use.
    """
    with writing():
        path.unlink(missing_ok=True)
        stamp.path_of(path).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # the folder holds another file with the same content
        path.parent.rmdir()


class Readable(Protocol):
    """What bytes can be read from, piece by piece."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def copy(source: Readable, target: Path, size: int) -> None:
    """Write at most `size` + 1 bytes of `source` to the new file `target`: one too many shows that it is too long.

    Raises:
        CannotWrite: the disk is full or read-only.
    """
    left = size + 1
    with writing(size), target.open("xb") as file:
        while left and (block := source.read(min(_BLOCK, left))):
            file.write(block)
            left -= len(block)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new folder on the cache's own disk, gone afterwards.

    Raises:
        CannotWrite: the cache cannot be written.
    """
    with writing():
        root().mkdir(parents=True, exist_ok=True)
        _sweep()
        folder = root() / f".{secrets.token_hex(6)}.tmp"
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove what processes that were killed have left, long enough ago that it is nobody's."""
    for folder in root().glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def writing(size: int = 0) -> Iterator[None]:
    """Say in one line why the cache cannot be written, and how many bytes were to be.

    Raises:
        CannotWrite: in place of any other OSError.
    """
    try:
        yield
    except Ml4aError:  # some of them are OSErrors, and say already what is wrong
        raise
    except OSError as error:
        needed = f" ({size / 1e6:.1f} MB are needed)" if size else ""
        raise CannotWrite(
            f"cannot write to the cache {root()}: {reason(error)}{needed}; ML4A_HOME=FOLDER puts it elsewhere"
        ) from None


def require_space(size: int) -> None:
    """Raise before a download whose `size` bytes the cache's disk has no room for.

    Raises:
        CannotWrite: the disk is too full, or the cache cannot be made.
    """
    with writing(size):
        root().mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(root()).free
    if free < size:
        raise CannotWrite(
            f"the disk of the cache {root()} is too full: {size / 1e6:.1f} MB are needed and {free / 1e6:.1f} MB free; "
            "ML4A_HOME=FOLDER puts it elsewhere"
        )
