"""Where media come from: a path, a URL or `sample:NAME`, found and checked before anything is opened."""

from __future__ import annotations

import io
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from ml4a._core import files, limits
from ml4a._core.errors import BadMedia, BadValue, NotFound, TooLarge

from . import samples

SAMPLE = "sample:"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|(data|file):", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\u200a\u2010-\u2027\u2030-\ud7ff\ue000-\uffef\U00010000-\U000effff]")


def locate(source: str | os.PathLike[str]) -> Path | bytes:
    """The regular file that `source` names, or the bytes behind a URL.

    Args:
        source: A path, an http(s) URL (public addresses only), or `sample:NAME`.

    Raises:
        NotFound: there is no such file.
        BadMedia: it is a folder, a pipe or a device, is empty, or may not be read.
        UnknownName: no sample has this name.
        UnsafeURL, DownloadFailed, TooLarge: see `ml4a._core.net.read`.
    """
    name = os.fsdecode(source)
    if name.startswith(SAMPLE):
        return samples.path(name.removeprefix(SAMPLE))
    if isinstance(source, str) and is_url(name):
        from ml4a._core import net

        return net.read(name, limit=limits.URL_BYTES)
    path = Path(name)
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    _check(status, path)
    return path


def is_url(source: str) -> bool:
    """Whether `source` has a scheme, and so names no local file."""
    return _URL.match(source) is not None


def read(source: str | bytes | os.PathLike[str]) -> bytes:
    """The content of a picture file; `bytes` are taken to be that content already.

    Raises:
        TooLarge: more than `limits.PICTURE_BYTES`.
        NotFound, BadMedia, UnknownName, UnsafeURL, DownloadFailed: as `locate`.
    """
    found = source if isinstance(source, bytes) else locate(source)
    if isinstance(found, bytes):
        return found
    with open_file(found) as file:
        try:
            data = file.read(limits.PICTURE_BYTES + 1)
        except OSError as error:
            raise _unreadable(found, error) from None
    if len(data) > limits.PICTURE_BYTES:
        raise TooLarge(f"{shown(found)} is larger than {limits.PICTURE_BYTES >> 20} MiB, the most a picture may have")
    return data


def open_file(path: Path | bytes) -> BinaryIO:
    """A regular file, or the bytes of one, open for reading.

    Raises:
        NotFound, BadMedia: as `locate`.
    """
    if isinstance(path, bytes):
        return io.BytesIO(path)
    # Without waiting, and checked once more: the name may have become a pipe since it was looked at.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = os.fdopen(os.open(path, flags), "rb")
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        _check(os.fstat(file.fileno()), path)
    except BadMedia:
        file.close()
        raise
    return file


def shown(source: str | bytes | os.PathLike[str]) -> str:
    """`source` as it may be printed: no control characters, no undecodable bytes, at most 120 characters."""
    if isinstance(source, bytes):
        return "the picture"
    text = printable(os.fsdecode(source))
    return text if len(text) <= 120 else f"{text[:70]}…{text[-49:]}"


def printable(text: str) -> str:
    """A text in one line, with what could do anything to a terminal but show a character written out."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def _check(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise BadMedia(f"{shown(path)} is a folder; name a file in it, or give the folder to ml4a.apply")
    if not stat.S_ISREG(status.st_mode):
        raise BadMedia(f"{shown(path)} is a pipe or a device; only regular files are read")
    if status.st_size == 0:
        raise BadMedia(f"{shown(path)} is empty; was its download or export cut short?")


def _unreadable(path: Path, error: OSError | ValueError) -> Exception:
    if not isinstance(error, OSError):  # a NUL in the name
        return BadValue(f"{shown(path)!r} cannot be the name of a file")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        what = "is a link to nothing" if path.is_symlink() else "does not exist"
        return NotFound(f"{shown(path)} {what}; check its spelling and folder")
    return BadMedia(f"cannot read {shown(path)}: {files.reason(error)}")
