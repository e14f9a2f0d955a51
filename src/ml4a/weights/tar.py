"""The members of a tar archive, from the front to the end of a stream, without a step back.

`tarfile` reads extended headers of any length into memory and resolves links; here both are bounded or not done. Known
are the old form, ustar, GNU's long names and pax's `path` and `size`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ml4a._core.errors import BadWeights

from .cache import Readable

_BLOCK = 512
_MOST_MEMBERS = 10_000
_LONGEST_EXTENSION = 1 << 16
_CHUNK = 1 << 20
_FILE, _LONG_NAME, _PAX = (b"0", b"\0", b"7"), b"L", b"x"
_ABOUT_OTHERS = (b"K", b"g")  # a long target of a link; defaults for all members


class Slice(io.RawIOBase):
    """The next bytes of a stream, as a stream of their own."""

    def __init__(self, file: Readable, size: int) -> None:
        self._file = file
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; fewer at the end.

        Raises:
            BadWeights: the archive ends before.
        """
        size = min(self.left if size < 0 else size, self.left, _CHUNK)
        data = self._file.read(size)
        if len(data) < size:
            raise BadWeights("the tar archive is cut short")
        self.left -= size
        return data


@dataclass(frozen=True, slots=True)
class Entry:
    """One member."""

    name: str
    is_file: bool
    """And not a folder, a link or a device."""
    data: Slice = field(repr=False)
    """Its bytes, to be read before the next entry is asked for."""


def entries(file: Readable) -> Iterator[Entry]:
    """The members in the archive's order.

    Args:
        file: A stream at the archive's start; it need not be able to seek.

    Raises:
        BadWeights: it is no tar archive, or is broken, cut short, or larger in members or names than is sensible.
    """
    name, size = "", None
    for _ in range(_MOST_MEMBERS):
        header = Slice(file, _BLOCK).read()
        if not header.strip(b"\0"):
            return
        _check_sum(header)
        kind = header[156:157]
        data = Slice(file, _number(header[124:136]) if size is None else size)
        padding = -data.left % _BLOCK
        if kind in (_LONG_NAME, _PAX):
            if data.left > _LONGEST_EXTENSION:
                raise BadWeights("a name in the tar archive is too long")
            extension = data.read()
            name, size = _pax(extension, name) if kind == _PAX else (_text(extension), size)
        elif kind not in _ABOUT_OTHERS:
            yield Entry(name or _own_name(header), kind in _FILE, data)
            name, size = "", None
        while data.left:
            data.read()
        Slice(file, padding).read()
    raise BadWeights(f"the tar archive has more than {_MOST_MEMBERS} members")


def _check_sum(header: bytes) -> None:
    """Every header carries the sum of its bytes, with blanks in place of the sum itself."""
    if sum(header[:148]) + 8 * ord(" ") + sum(header[156:]) != _number(header[148:156]):
        raise BadWeights("it is not a tar archive, or a broken one")


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    text = field.strip(b" \0")
    if re.fullmatch(rb"[0-7]*", text) is None:
        raise BadWeights("it is not a tar archive, or a broken one")
    return int(text or b"0", 8)


def _own_name(header: bytes) -> str:
    prefix = _text(header[345:500]) if header[257:262] == b"ustar" and header[263:265] == b"00" else ""
    return f"{prefix}/{_text(header[:100])}" if prefix else _text(header[:100])


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", errors="replace")


def _pax(data: bytes, name: str) -> tuple[str, int | None]:
    """Path and size out of lines `LENGTH KEY=VALUE`."""
    size = None
    while data:
        match = re.match(rb"(\d{1,6}) ([^=]*)=", data)
        length = int(match[1]) if match else 0
        if match is None or not match.end() < length <= len(data):
            raise BadWeights("an extended header of the tar archive is broken")
        value = data[match.end() : length - 1]
        if match[2] == b"path":
            name = _text(value)
        elif match[2] == b"size":
            if re.fullmatch(rb"\d{1,18}", value) is None:
                raise BadWeights("an extended header of the tar archive is broken")
            size = int(value)
        data = data[length:]
    return name, size
