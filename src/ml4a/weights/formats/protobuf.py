"""Protocol Buffers' wire format: numbered fields, without knowing their names (ONNX, TensorFlow's graphs).

A message is read one level deep; who reads it knows from the format's own `.proto` file which fields are messages in
turn, and asks for those. All messages of one file share a budget of fields, so that a few hostile bytes cannot make
endless work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._core.errors import BadWeights

_LARGEST_FIELDS = 300_000
_BYTES_A_FIELD = 256
"""A file may have this many fields, and one more for so many bytes: half a second's work, and as much as to hash it."""
_MESSAGE = 3
"""How many fields a message counts for, beside those in it."""
_LARGEST_DEPTH = 32
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


@dataclass
class _Budget:
    left: int

    def exhausted(self) -> BadWeights:
        return BadWeights("it has more fields than any model of its size needs; the file is broken or hostile")


class Message:
    """One message's fields, by number.

    Raises:
        BadWeights: the bytes are no message, cut short, nested too deep, or have too many fields.
    """

    def __init__(self, data: memoryview, *, _depth: int = 0, _budget: _Budget | None = None) -> None:
        if _depth > _LARGEST_DEPTH:
            raise BadWeights(f"it is nested more than {_LARGEST_DEPTH} deep, deeper than any model needs")
        self._depth = _depth
        self._budget = _budget or _Budget(_LARGEST_FIELDS + len(data) // _BYTES_A_FIELD)
        self._budget.left -= _MESSAGE
        self._fields: dict[int, list[int | memoryview]] = {}
        fields, budget = self._fields, self._budget
        position, end = 0, len(data)
        while position < end:
            budget.left -= 1
            if budget.left < 0:
                raise budget.exhausted()
            # Most keys are one byte; this loop is where the time of reading goes.
            key = data[position]
            if key < 0x80:
                position += 1
            else:
                key, position = varint(data, position)
            kind = key & 7
            if kind == _COUNTED:
                size, position = varint(data, position)
                value, position = data[position : position + size], position + size
                if position > end:
                    raise _broken()
            elif kind == _VARINT:
                value, position = varint(data, position)
            else:
                value, position = _fixed(data, position, kind)
            number = key >> 3
            if number in fields:
                fields[number].append(value)
            else:
                fields[number] = [value]

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def integer(self, number: int, default: int = 0) -> int:
        """A signed integer, an enumeration or a truth value."""
        values = self.integers(number)
        return values[-1] if values else default

    def integers(self, number: int) -> list[int]:
        """Repeated signed integers, packed into one field or not."""
        values: list[int] = []
        for value in self._fields.get(number, ()):
            if isinstance(value, int):
                values.append(_signed(value))
                continue
            values.extend(self._packed(value))
        return values

    def numbers(self, number: int, dtype: str) -> np.ndarray:
        """Repeated numbers of a fixed size (`"<f4"`, `"<f8"`), packed into one field or not."""
        data = b"".join(self.buffers(number))
        if len(data) % np.dtype(dtype).itemsize:
            raise _broken()
        return np.frombuffer(data, dtype)

    def text(self, number: int, default: str = "") -> str:
        """A text."""
        values = self.texts(number)
        return values[-1] if values else default

    def texts(self, number: int) -> list[str]:
        """Repeated texts."""
        try:
            return [str(value, "utf-8") for value in self.buffers(number)]
        except UnicodeDecodeError:
            raise _broken() from None

    def buffer(self, number: int) -> memoryview:
        """Plain bytes; none if the field is not there."""
        values = self.buffers(number)
        return values[-1] if values else memoryview(b"")

    def message(self, number: int) -> Message | None:
        """A nested message, or None if the field is not there."""
        messages = self.messages(number)
        if len(messages) > 1:
            raise _broken()
        return messages[0] if messages else None

    def messages(self, number: int) -> list[Message]:
        """Repeated nested messages."""
        return [Message(value, _depth=self._depth + 1, _budget=self._budget) for value in self.buffers(number)]

    def _packed(self, data: memoryview) -> list[int]:
        """Integers one behind another. Counted before they are read: each ends with a byte below 128."""
        self._budget.left -= int(np.count_nonzero(np.frombuffer(data, np.uint8) < 0x80))
        if self._budget.left < 0:
            raise self._budget.exhausted()
        values, position = [], 0
        while position < len(data):
            value, position = varint(data, position)
            values.append(_signed(value))
        return values

    def buffers(self, number: int) -> list[memoryview]:
        """Repeated plain bytes."""
        values = self._fields.get(number, [])
        buffers = [value for value in values if isinstance(value, memoryview)]
        if len(buffers) != len(values):
            raise _broken()
        return buffers


def _broken() -> BadWeights:
    return BadWeights("it is not what its format says, or cut short; download it again")


def _fixed(data: memoryview, position: int, kind: int) -> tuple[memoryview, int]:
    if kind not in _FIXED:  # groups, which proto3 does not have
        raise _broken()
    end = position + _FIXED[kind]
    if end > len(data):
        raise _broken()
    return data[position:end], end


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """The integer at `position`, and where it ends.

    It has seven bits a byte, the lowest first; the eighth says that more follow.

    Raises:
        BadWeights: the bytes end within it.
    """
    if position < len(data) and data[position] < 0x80:
        return data[position], position + 1
    value = 0
    for shift in range(0, 64, 7):
        if position == len(data):
            raise _broken()
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise _broken()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
