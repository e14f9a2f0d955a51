"""The members of a zip archive, as slices of the mapped file where they are stored.

Readers of zip files disagree about broken ones, and hostile members were led past scanners that way. So only what
`torch.save` and NumPy write is accepted: members named once, not overlapping, on which the directory, the member's own
header, its trailer and its bytes agree; stored, or if asked for deflated.
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
_END, _END_MAGIC = struct.Struct("<4s4H2IH"), b"PK\5\6"
_LOCATOR, _LOCATOR_MAGIC, _LONG_END = 20, b"PK\6\7", 56
_LARGEST_DIRECTORY = 2 << 20
"""Some 30,000 members: torch has one a tensor."""
_HAS_TRAILER, _UTF8_NAME = 1 << 3, 1 << 11
_IN_EXTRA = 0xFFFFFFFF
"""What stands in the place of a size that is in the extra field."""
_LONG_SIZES = 1
"""The number of that extra field."""
_LARGEST_RATIO = 32
"""Bytes of all members to bytes of the file: compression gains far less on trained weights."""


def names(data: memoryview) -> list[str]:
    """What the archive's directory lists, unchecked.

    Raises:
        BadWeights: there is no directory.
    """
    return [info.orig_filename for info in _directory(data)]


def first_name(data: memoryview) -> bytes:
    """The name of the member that the file begins with; unchecked, and empty if there is none."""
    return bytes(data[_HEADER.size :][: int.from_bytes(data[_HEADER.size - 4 : _HEADER.size - 2], "little")])


def members(data: memoryview, *, deflated: bool = False) -> dict[str, memoryview]:
    """Each member's bytes by its name, in the directory's order. Every byte is checked; stored ones are not copied.

    Args:
        data: a whole mapped file.
        deflated: whether members may be compressed; all together may then unpack to 32 times the file.

    Raises:
        BadWeights: the archive is cut short or broken, or uses what its writer never does.
    """
    found: dict[str, memoryview] = {}
    spans: list[tuple[int, int]] = []
    left = _LARGEST_RATIO * len(data)
    for info in _directory(data):
        name = info.orig_filename
        with naming(f"member {name[:80]!r}"):
            if name in found:
                raise BadWeights("it is there twice; the file is broken or hostile")
            start = _start(info, data, deflated)
            end = start + info.compress_size
            spans.append((info.header_offset, end))
            left -= info.file_size
            if left < 0:
                raise BadWeights(f"it unpacks to far more than {len(data)} bytes hold; the file is broken or hostile")
            found[name] = (
                data[start:end] if info.compress_type == zipfile.ZIP_STORED else _inflated(info, data[start:end])
            )
            if zlib.crc32(found[name]) != info.CRC:
                raise BadWeights("its checksum is wrong; the file is damaged, download it again")
    _check_overlaps(spans)
    return found


def _inflated(info: zipfile.ZipInfo, data: memoryview) -> memoryview:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = stream.decompress(data, info.file_size + 1)
    except zlib.error:
        raise BadWeights("it does not unpack; the file is damaged, download it again") from None
    if len(unpacked) != info.file_size or not stream.eof or stream.unused_data:
        raise BadWeights("it unpacks to another size than it should; the file is broken or hostile")
    return memoryview(unpacked)


def _directory(data: memoryview) -> list[zipfile.ZipInfo]:
    size = _directory_size(data)
    if size > _LARGEST_DIRECTORY:
        raise BadWeights(f"its zip directory has {size} bytes, more than that of any weights; the file is hostile")
    file: Any = data.obj
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
        raise BadWeights("the file is cut short or broken: it has no zip directory; download it again") from None


def _directory_size(data: memoryview) -> int:
    """How long the directory is, by the record that the file ends with: neither writer puts a comment behind it."""
    end = len(data) - _END.size
    magic, *_, size, _, comment = _END.unpack(data[end:]) if end >= 0 else (b"", 0, 0, 0)
    if magic != _END_MAGIC or comment:
        raise BadWeights("the file is cut short or broken: it has no zip directory; download it again")
    # In large archives it is in a record of its own before this one, with one in between that leads to it.
    locator = max(0, end - _LOCATOR)
    if data[locator : locator + 4] != _LOCATOR_MAGIC:
        return size
    place = locator - _LONG_END
    if place < 0 or int.from_bytes(data[locator + 8 : locator + 16], "little") != place:
        raise BadWeights("its zip directory is not where it should be; the file is broken or hostile")
    return int.from_bytes(data[place + 40 : place + 48], "little")


def _start(info: zipfile.ZipInfo, data: memoryview, deflated: bool) -> int:
    """Where the member's bytes begin, once its own header and trailer say the same as the directory."""
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) if deflated else (zipfile.ZIP_STORED,)
    if info.flag_bits & ~(_HAS_TRAILER | _UTF8_NAME) or info.compress_type not in methods:
        raise BadWeights("it is compressed, encrypted or marked as torch.save never does")
    stored_whole = info.compress_size == info.file_size or info.compress_type == zipfile.ZIP_DEFLATED
    if not stored_whole or info.filename != info.orig_filename or info.header_offset < 0:
        raise BadWeights("its size or its name is contradictory; the file is broken or hostile")
    name_start = info.header_offset + _HEADER.size
    if name_start > len(data):
        raise BadWeights("it lies outside of the file; the file is cut short, download it again")
    magic, _, flags, method, _, _, crc, stored, size, name_size, extra_size = _HEADER.unpack(
        data[info.header_offset : name_start]
    )
    start = name_start + name_size + extra_size
    end = start + info.compress_size
    if end > len(data):
        raise BadWeights("it lies outside of the file; the file is cut short, download it again")
    has_trailer = bool(info.flag_bits & _HAS_TRAILER)
    if (stored, size) == (_IN_EXTRA, _IN_EXTRA):
        stored, size = _long_sizes(bytes(data[name_start + name_size : start]))
    if (
        (magic, flags, method) != (_HEADER_MAGIC, info.flag_bits, info.compress_type)
        or data[name_start : name_start + name_size] != _name(info)
        or (crc, stored, size) not in (_sizes(info), (0, 0, 0) if has_trailer else _sizes(info))
        or (has_trailer and not _trailer_agrees(bytes(data[end : end + 24]), info))
    ):
        raise BadWeights("its own header and the zip directory disagree; the file is broken or hostile")
    return start


def _name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8_NAME else "cp437")


def _sizes(info: zipfile.ZipInfo) -> tuple[int, int, int]:
    """Checksum, stored size and size as a header has them."""
    return info.CRC, info.compress_size, info.file_size


def _long_sizes(extra: bytes) -> tuple[int, int]:
    """Stored size and size from the extra field that large members have, and all that NumPy writes."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == _LONG_SIZES and length >= 16 and len(extra) >= 20:
            size, stored = struct.unpack_from("<2Q", extra, 4)
            return stored, size
        extra = extra[4 + length :]
    raise BadWeights("its own header does not say its size; the file is broken or hostile")


def _trailer_agrees(trailer: bytes, info: zipfile.ZipInfo) -> bool:
    short = struct.pack("<4s3I", _TRAILER_MAGIC, *(min(size, _IN_EXTRA) for size in _sizes(info)))
    long = struct.pack("<4sI2Q", _TRAILER_MAGIC, *_sizes(info))
    return trailer == long or trailer.startswith(short)


def _check_overlaps(spans: list[tuple[int, int]]) -> None:
    position = 0
    for start, end in sorted(spans):
        if start < position:
            raise BadWeights("two members of its zip archive overlap; the file is broken or hostile")
        position = end
