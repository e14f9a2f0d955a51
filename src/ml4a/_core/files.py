"""Files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import CannotWrite, OutputExists

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the disk is read-only",
    errno.ENAMETOOLONG: "the name is too long",
}


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise before any work is done if `path` is taken and may not be replaced, or is no name that a file can have."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {reason(error)}") from None
    if is_folder(path):
        raise OutputExists(f"{path} is a folder; name a file in it")
    if not overwrite and os.path.lexists(path):
        raise OutputExists(f"{path} exists; choose another name or allow overwriting (--overwrite, overwrite=True)")


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is there; unlike `Path.is_dir`, false also for what is too long for a name, as addresses are."""
    return os.path.isdir(path)  # noqa: PTH112


def reason(error: OSError) -> str:
    """What went wrong, in words."""
    return _REASONS.get(error.errno or 0, error.strerror or str(error))


def parent_of(path: Path) -> Path:
    """Make the folder that `path` lies in; return the first one that had to be made, or the folder itself."""
    folder = path.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot make the folder {folder}: {reason(error)}") from None
    return folder


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path` (same suffix); on success it becomes `path`, on failure it is gone.

    Raises:
        OutputExists: `path` is there already and `overwrite` is false.
        CannotWrite: the folder cannot be made, or the disk is full.
    """
    path = Path(path)
    refuse_existing(path, overwrite)
    folder = parent_of(path)
    temporary = folder / f".{secrets.token_hex(6)}.part{path.suffix}"
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        _rename(temporary, path, overwrite)
    except OSError as error:
        raise _explained(error, path) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path, *, overwrite: bool = False) -> None:
    """Let a file that is whole, on the same disk, become `path`.

    Raises:
        OutputExists: `path` is there already and `overwrite` is false.
        CannotWrite: the folder cannot be made, or the disk is full.
    """
    refuse_existing(path, overwrite)
    parent_of(path)
    try:
        _rename(temporary, path, overwrite)
        temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _explained(error, path) from None


def _explained(error: OSError, path: Path) -> OSError:
    if isinstance(error, OutputExists | CannotWrite) or error.errno not in _REASONS:
        return error
    return CannotWrite(f"cannot write {path}: {reason(error)}")


def _rename(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        # A link fails if the name was taken meanwhile; a rename would replace it silently.
        os.link(temporary, path)
    except FileExistsError:
        raise OutputExists(f"{path} has appeared meanwhile; choose another name") from None
    except OSError:  # a file system without hard links
        refuse_existing(path, overwrite)
        temporary.replace(path)
