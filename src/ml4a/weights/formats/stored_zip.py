"""The members of a stored zip archive, as slices of the mapped file.

Readers of zip files disagree about broken ones, and hostile members were led past scanners that way. So only what
`torch.save` writes is accepted: stored members, named once, not overlapping, on which the directory, the member's own
header, its trailer and its bytes agree.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any

from ..._core.errors import BadWeights
from .mapped import naming

_HEADER = struct.Struct("<4s5H3I2H")
_HEADER_MAGIC, _TRAILER_MAGIC = b"PK\3\4", b"PK\7\x08"
_HAS_TRAILER, _UTF8_NAME = 1 << 3, 1 << 11


def names(data: memoryview) -> list[str]:
    """What the archive's directory lists, unchecked.

    Raises:
        BadWeights: there is no directory.
    """
    return [info.orig_filename for info in _directory(data.obj)]


def members(data: memoryview) -> dict[str, memoryview]:
    """Each member's bytes by its name, in the directory's order. Every byte is checked once, none is copied.

    Args:
        data: a whole mapped file.

    Raises:
        BadWeights: the archive is cut short or broken, or uses what `torch.save` never does.
    """
    found: dict[str, memoryview] = {}
    spans: list[tuple[int, int]] = []
    for info in _directory(data.obj):
        name = info.orig_filename
        with naming(f"member {name[:80]!r}"):
            if name in found:
                raise BadWeights("it is there twice; the file is broken or hostile")
            start = _start(info, data)
            found[name] = data[start : start + info.file_size]
            spans.append((info.header_offset, start + info.file_size))
            if zlib.crc32(found[name]) != info.CRC:
                raise BadWeights("its checksum is wrong; the file is damaged, download it again")
    _check_overlaps(spans)
    return found


def _directory(file: Any) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
        raise BadWeights("the file is cut short or broken: it has no zip directory; download it again") from None


def _start(info: zipfile.ZipInfo, data: memoryview) -> int:
    """Where the member's bytes begin, once its own header and trailer say the same as the directory."""
    if info.flag_bits & ~(_HAS_TRAILER | _UTF8_NAME) or info.compress_type != zipfile.ZIP_STORED:
        raise BadWeights("it is compressed, encrypted or marked as torch.save never does")
    if info.compress_size != info.file_size or info.filename != info.orig_filename or info.header_offset < 0:
        raise BadWeights("its size or its name is contradictory; the file is broken or hostile")
    name_start = info.header_offset + _HEADER.size
    if name_start > len(data):
        raise BadWeights("it lies outside of the file; the file is cut short, download it again")
    magic, _, flags, method, _, _, crc, stored, size, name_size, extra_size = _HEADER.unpack(
        data[info.header_offset : name_start]
    )
    start = name_start + name_size + extra_size
    end = start + info.file_size
    if end > len(data):
        raise BadWeights("it lies outside of the file; the file is cut short, download it again")
    has_trailer = bool(info.flag_bits & _HAS_TRAILER)
    if (
        (magic, flags, method) != (_HEADER_MAGIC, info.flag_bits, zipfile.ZIP_STORED)
        or data[name_start : name_start + name_size] != _name(info)
        or (crc, stored, size) not in (_sizes(info), (0, 0, 0) if has_trailer else _sizes(info))
        or (has_trailer and not _trailer_agrees(bytes(data[end : end + 24]), info))
    ):
        raise BadWeights("its own header and the zip directory disagree; the file is broken or hostile")
    return start


def _name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8_NAME else "cp437")


def _sizes(info: zipfile.ZipInfo) -> tuple[int, int, int]:
    """Checksum, stored size and size as a header has them; sizes of 4 GiB and more stand in an extra field."""
    size = min(info.file_size, 0xFFFFFFFF)
    return info.CRC, size, size


def _trailer_agrees(trailer: bytes, info: zipfile.ZipInfo) -> bool:
    short = struct.pack("<4s3I", _TRAILER_MAGIC, *_sizes(info))
    long = struct.pack("<4sI2Q", _TRAILER_MAGIC, info.CRC, info.file_size, info.file_size)
    return trailer == long or trailer.startswith(short)


def _check_overlaps(spans: list[tuple[int, int]]) -> None:
    position = 0
    for start, end in sorted(spans):
        if start < position:
            raise BadWeights("two members of its zip archive overlap; the file is broken or hostile")
        position = end
