"""One member of a zip or tar archive, written to a place that the caller, and not the archive, decides.

Nothing is unpacked to the paths that an archive names, so none of them can lead anywhere. What is bounded besides: the
bytes of the member, the length of the directory, and how far a compressed tar may swell on the way to the member.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from ml4a._core.errors import BadWeights, CannotWrite

from . import cache, tar

_LARGEST_DIRECTORY = 1 << 20
"""Bytes of a zip's directory: some ten thousand members."""
_SWELLING = 50
"""How many times as large as its archive a tar may be; weights hardly compress at all."""
_SMALL = 64 << 20
"""Bytes to which any tar may swell."""
_COMPRESSED = {b"\x1f\x8b": gzip.GzipFile, b"BZh": bz2.BZ2File, b"\xfd7zXZ": lzma.LZMAFile}
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError),
    *(OverflowError, RuntimeError, LookupError, NotImplementedError, MemoryError),
)
"""What the standard library raises about archives that are damaged, or made to look so."""
_CHUNK = 1 << 20
_NAMED = 5


def extract(path: Path, name: str, member: str, limit: int, target: Path) -> None:
    """Write at most `limit` + 1 bytes of one member to the new file `target`.

    Args:
        path: The archive.
        name: What the user is told that the archive is called.
        member: A path in the archive, or the end of one: it is found in any folder.
        limit: One byte more shows that the member is too long.
        target: On the cache's own disk.

    Raises:
        BadWeights: it is no archive, is broken or hostile, or has no such member, or several.
        CannotWrite: the disk is full or read-only.
    """
    with path.open("rb") as file:
        head = file.read(6)
    read = _from_zip if head.startswith(b"PK") else _from_tar
    try:
        read(path, member, limit, target)
    except BadWeights as error:
        raise BadWeights(f"{name}: {error}") from None
    except CannotWrite:
        raise
    except _BROKEN as error:
        raise BadWeights(f"{name}: {member} cannot be read ({error}); the archive is broken or hostile") from None


def _from_zip(path: Path, member: str, limit: int, target: Path) -> None:
    with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        found = [info for info in infos if _is(info.filename, member)]
        _check_only(len(found), member, [info.filename for info in infos])
        (info,) = found
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise BadWeights(f"{member} is a link or a device; it is not followed")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadWeights(f"{member} is compressed in a way that is not read here; pack it again")
        with archive.open(info) as source:
            cache.copy(source, target, limit)


def _from_tar(path: Path, member: str, limit: int, target: Path) -> None:
    names, found = [], 0
    with path.open("rb") as raw, _swollen(raw, path.stat().st_size) as file:
        for entry in tar.entries(file):
            names.append(entry.name)
            if _is(entry.name, member):
                found += 1
                if not entry.is_file:
                    raise BadWeights(f"{member} is a link, a folder or a device; it is not followed")
                if found == 1:
                    cache.copy(entry.data, target, limit)
        while file.read(_CHUNK):  # the checksum of what was decompressed stands at the very end
            continue
    _check_only(found, member, names)


def _is(name: str, member: str) -> bool:
    return f"/{name}".endswith(f"/{member}")


def _check_only(found: int, member: str, names: list[str]) -> None:
    if found > 1:
        raise BadWeights(f"{found} of its members are called {member}; name one by its whole path")
    if found == 0:
        first = ", ".join("".join(c if c.isprintable() else "?" for c in name[-80:]) for name in names[:_NAMED])
        raise BadWeights(f"it has no member {member}; it has {len(names)}, the first being {first or 'none'}")


class _Bounded(io.BufferedReader):
    """A file of which no large piece is asked for at once: `zipfile` reads a directory of any length in one go."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"its directory is longer than {_LARGEST_DIRECTORY} bytes")
        return super().read(size)


class _Swollen(io.RawIOBase):
    """What comes out of a compressed archive, as long as it is not too much."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._left = most

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:  # gzip's and bz2's way to say that the data are broken
            raise BadWeights(f"it cannot be decompressed: {error}") from None
        self._left -= len(data)
        if self._left < 0:
            raise BadWeights(f"it swells to more than {_SWELLING} times its size; this is no archive of weights")
        return data


def _swollen(raw: IO[bytes], size: int) -> _Swollen:
    head = raw.read(6)
    raw.seek(0)
    opener = next((opener for magic, opener in _COMPRESSED.items() if head.startswith(magic)), None)
    if opener is None:
        return _Swollen(raw, size)
    file = opener(raw, mode="rb") if opener is not gzip.GzipFile else gzip.GzipFile(fileobj=raw, mode="rb")
    return _Swollen(file, max(_SMALL, _SWELLING * size))  # type: ignore[arg-type]
