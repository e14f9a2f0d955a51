"""Protocol Buffers' wire format: numbered fields, without knowing their names (ONNX, TensorFlow's graphs).

A message is read one level deep; who reads it knows from the format's own `.proto` file which fields are messages in
turn, and asks for those. All messages of one file share a budget of fields, so that a few hostile bytes cannot make
endless work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._core.errors import BadWeights

_LARGEST_FIELDS = 1_000_000
_LARGEST_DEPTH = 32
_VARINT, _EIGHT_BYTES, _COUNTED, _FOUR_BYTES = 0, 1, 2, 5
_FIXED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}


@dataclass
class _Budget:
    left: int = _LARGEST_FIELDS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BadWeights(f"it has more than {_LARGEST_FIELDS} fields, more than any model needs")


class Message:
    """One message's fields, by number.

    Raises:
        BadWeights: the bytes are no message, cut short, nested too deep, or have too many fields.
    """

    def __init__(self, data: memoryview, *, _depth: int = 0, _budget: _Budget | None = None) -> None:
        if _depth > _LARGEST_DEPTH:
            raise BadWeights(f"it is nested more than {_LARGEST_DEPTH} deep, deeper than any model needs")
        self._depth = _depth
        self._budget = _budget or _Budget()
        self._fields: dict[int, list[int | memoryview]] = {}
        position = 0
        while position < len(data):
            self._budget.spend()
            key, position = _varint(data, position)
            value, position = _value(data, position, key & 7)
            self._fields.setdefault(key >> 3, []).append(value)

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
            position = 0
            while position < len(value):
                self._budget.spend()
                element, position = _varint(value, position)
                values.append(_signed(element))
        return values

    def numbers(self, number: int, dtype: str) -> np.ndarray:
        """Repeated numbers of a fixed size (`"<f4"`, `"<f8"`), packed into one field or not."""
        data = b"".join(self._buffers(number))
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
            return [str(value, "utf-8") for value in self._buffers(number)]
        except UnicodeDecodeError:
            raise _broken() from None

    def buffer(self, number: int) -> memoryview:
        """Plain bytes; none if the field is not there."""
        values = self._buffers(number)
        return values[-1] if values else memoryview(b"")

    def message(self, number: int) -> Message | None:
        """A nested message, or None if the field is not there."""
        messages = self.messages(number)
        if len(messages) > 1:
            raise _broken()
        return messages[0] if messages else None

    def messages(self, number: int) -> list[Message]:
        """Repeated nested messages."""
        return [Message(value, _depth=self._depth + 1, _budget=self._budget) for value in self._buffers(number)]

    def _buffers(self, number: int) -> list[memoryview]:
        values = self._fields.get(number, [])
        buffers = [value for value in values if isinstance(value, memoryview)]
        if len(buffers) != len(values):
            raise _broken()
        return buffers


def _broken() -> BadWeights:
    return BadWeights("it is not what its format says, or cut short; download it again")


def _value(data: memoryview, position: int, wire_type: int) -> tuple[int | memoryview, int]:
    if wire_type == _VARINT:
        return _varint(data, position)
    if wire_type == _COUNTED:
        size, position = _varint(data, position)
    elif wire_type in _FIXED:
        size = _FIXED[wire_type]
    else:  # groups, which proto3 does not have
        raise _broken()
    end = position + size
    if end > len(data):
        raise _broken()
    return data[position:end], end


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
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
