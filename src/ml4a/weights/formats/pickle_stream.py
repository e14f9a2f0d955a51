"""The bytes of a pickle, read front to back."""

from __future__ import annotations

import codecs
import struct

from ..._core.errors import BadWeights

_SHORT_LINE, _LARGEST_LINE = 64, 1024
_COPIED = 4096  # bytes; more of them are not copied out of the file
_LARGEST_INTEGER = 32  # bytes; the largest in torch's files has 10


def broken(what: str) -> BadWeights:
    """The error for a pickle that no pickler wrote."""
    return BadWeights(f"its pickle is broken: {what}; download it again")


def _cut_short() -> BadWeights:
    return BadWeights("the file is cut short within its pickle; download it again")


def decoded(data: bytes, encoding: str) -> str:
    """`data` as text.

    Raises:
        BadWeights: it is not valid in `encoding`.
    """
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise broken("a text is not valid") from None


class Stream:
    """What the opcodes' arguments are read from. All methods move `position`; all raise `BadWeights` at the end."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self.position = position

    def byte(self) -> int:
        """The next byte."""
        try:
            value = self._data[self.position]
        except IndexError:
            raise _cut_short() from None
        self.position += 1
        return value

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self.position + count
        if end > len(self._data):
            raise _cut_short()
        taken = bytes(self._data[self.position : end])
        self.position = end
        return taken

    def number(self, form: struct.Struct) -> int | float:
        """One number of a fixed form."""
        try:
            (value,) = form.unpack_from(self._data, self.position)
        except struct.error:
            raise _cut_short() from None
        self.position += form.size
        return value

    def counted(self, length: struct.Struct) -> bytes:
        """Bytes behind their own number."""
        return self.take(int(self.number(length)))

    def counted_view(self, length: struct.Struct) -> bytes | memoryview:
        """Bytes behind their own number; a slice of the file if they are many."""
        size = int(self.number(length))
        if size <= _COPIED or self.position + size > len(self._data):
            return self.take(size)
        self.position += size
        return self._data[self.position - size : self.position]

    def long(self, length: struct.Struct) -> int:
        """An integer behind the number of its bytes."""
        size = int(self.number(length))
        if size > _LARGEST_INTEGER:
            raise BadWeights(f"its pickle holds an integer of {size} bytes, more than any weights need")
        return int.from_bytes(self.take(size), "little", signed=True)

    def line(self, encoding: str = "utf-8") -> str:
        """A line, without its end."""
        for longest in (_SHORT_LINE, _LARGEST_LINE):
            window = bytes(self._data[self.position : self.position + longest])
            end = window.find(b"\n")
            if end >= 0:
                self.position += end + 1
                return decoded(window[:end], encoding)
        raise broken("a line does not end")

    def line_integer(self) -> int | bool:
        """A line that is a decimal integer, or a truth value written as `00` or `01`."""
        line = self.line()
        if line in ("00", "01"):
            return line == "01"
        if len(line) > 2 * _LARGEST_INTEGER:
            raise BadWeights(f"its pickle holds an integer of {len(line)} digits, more than any weights need")
        return int(self._parsed(int, line.removesuffix("L")))

    def line_float(self) -> float:
        """A line that is a decimal number."""
        return float(self._parsed(float, self.line()))

    def line_string(self) -> bytes:
        """A line that is a quoted string with escapes, as Python 2 writes it."""
        line = self.line()
        if len(line) < 2 or line[0] != line[-1] or line[0] not in "\"'":
            raise broken("a string has no quotes")
        try:
            return codecs.escape_decode(line[1:-1].encode())[0]  # type: ignore[attr-defined]
        except ValueError:
            raise broken("a string is not valid") from None

    def _parsed(self, kind: type[int] | type[float], text: str) -> int | float:
        try:
            return kind(text)
        except ValueError:
            raise broken(f"{text[:40]!r} is not a number") from None
