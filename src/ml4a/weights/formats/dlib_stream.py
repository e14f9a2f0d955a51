"""The numbers of dlib's streams: whole numbers of one to eight bytes, and all else made of these (dlib, serialize.h).

A whole number is a byte that says its sign and length, and then its magnitude, the lowest byte first. A floating-point
number is two of them, mantissa and exponent of 2; a text is its length and its bytes; a tensor is sizes and plain
float32.
"""

from __future__ import annotations

import math

import numpy as np

from ..._core.errors import BadWeights
from .archive import Tensor, byte_count

_NEGATIVE = 0x80
_LENGTH = 0x0F
_LONGEST_INTEGER = 8  # bytes
_IS_HEAD = np.array(
    [not head & ~(_NEGATIVE | _LENGTH) and 1 <= head & _LENGTH <= _LONGEST_INTEGER for head in range(256)]
)
"""By byte, whether a number may begin with it."""
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(_LONGEST_INTEGER + 1)], np.uint64)
"""By length, the bits of a number of so many bytes."""
_WINDOW = 1 << 15
"""Bytes in which the beginnings of numbers are looked for together: few enough for a processor's caches."""
_LONGEST_CLAIM = 1 + _LENGTH
"""Bytes that a number can say to have, and cannot have: of few numbers no more needs to be looked at."""
_DOUBLINGS = 6
_LONGEST_TEXT = 64
_INFINITY, _NEGATIVE_INFINITY, _NAN = 32000, 32001, 32002
"""Exponents that stand for what has no mantissa."""


class Stream:
    """Reads one after the other what dlib has written one after the other.

    Raises:
        BadWeights: from every method: the data end before, or are not what is due.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.position = 0

    @property
    def left(self) -> int:
        """How many bytes are still to be read."""
        return len(self._data) - self.position

    def peek(self) -> int:
        """The next whole number, which stays the next."""
        position = self.position
        value = self.integer()
        self.position = position
        return value

    def integer(self) -> int:
        """The next whole number."""
        head = self._take(1)[0]
        length = head & _LENGTH
        if not _IS_HEAD[head]:
            raise _broken(self.position - 1)
        value = int.from_bytes(self._take(length), "little")
        return -value if head & _NEGATIVE else value

    def size(self) -> int:
        """The next whole number, which counts something."""
        value = self.integer()
        if value < 0:
            raise BadWeights(f"a size before byte {self.position} is negative; the file is broken")
        return value

    def version(self, known: tuple[int, ...], what: str) -> int:
        """The next whole number, which is one of the `known` versions of how `what` is written."""
        value = self.integer()
        if value not in known:
            raise BadWeights(f"it has a {what} of version {value}, which is not supported")
        return value

    def number(self) -> float:
        """The next floating-point number."""
        return float(as_floats(np.array([[self.integer(), self.integer()]], np.float64), np.float64)[0])

    def flag(self) -> bool:
        """The next truth value."""
        value = bytes(self._take(1))
        if value not in b"01":
            raise _broken(self.position - 1)
        return value == b"1"

    def text(self) -> str:
        """The next text: a name."""
        length = self.size()
        if length > _LONGEST_TEXT:
            raise BadWeights(f"there is no name before byte {self.position}; the file is broken")
        try:
            return str(self._take(length), "ascii")
        except UnicodeDecodeError:
            raise _broken(self.position - length) from None

    def tensor(self) -> Tensor:
        """The next tensor: number × channels × rows × columns, a slice of the data."""
        self.version((2,), "tensor")
        shape = (self.size(), self.size(), self.size(), self.size())
        return Tensor("float32", shape, self._take(byte_count(shape, 4)))

    def integers(self, count: int) -> np.ndarray:
        """The next `count` whole numbers, as int64: many at once, which is a hundred times as fast as one by one."""
        if count * 2 > self.left:  # each takes two bytes or more
            raise _cut_short()
        found = np.empty(count, np.int64)
        done = 0
        while done < count:
            length = min(_WINDOW, _LONGEST_CLAIM * (count - done))
            window = np.frombuffer(self._data[self.position : self.position + length], np.uint8)
            heads, end = _heads(window, count - done)
            if len(heads) == 0:
                raise _cut_short()
            if not np.all(_IS_HEAD[window[heads]]):
                raise _broken(self.position)
            found[done : done + len(heads)] = _decoded(window, heads)
            done += len(heads)
            self.position += end
        return found

    def _take(self, length: int) -> memoryview:
        if length > self.left:
            raise _cut_short()
        self.position += length
        return self._data[self.position - length : self.position]


def as_floats(pairs: np.ndarray, dtype: type[np.floating]) -> np.ndarray:
    """…×2 mantissas and exponents to the … numbers that they make."""
    mantissas, exponents = pairs[..., 0].astype(np.float64), pairs[..., 1]
    with np.errstate(over="ignore", under="ignore"):
        values = np.ldexp(mantissas, np.clip(exponents, -5000, 5000).astype(np.int32)).astype(dtype)
    if exponents.size and exponents.max() >= _INFINITY:
        values[exponents == _INFINITY] = math.inf
        values[exponents == _NEGATIVE_INFINITY] = -math.inf
        values[exponents >= _NAN] = math.nan
    return values


def _heads(window: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Where the numbers begin that the window has as a whole, at most so many, and where the last of them ends.

    Where a number begins is known only when the length of the one before it is. But all bytes can say together where
    the next number would begin if one began there; then where the second next would, the fourth next, and so on. So
    only every n-th is looked for one by one.
    """
    size = len(window)
    next_head = np.full(size + 1, size, np.intp)
    np.minimum(np.arange(1, size + 1) + (window & _LENGTH), size, out=next_head[:size])
    jumps = [next_head]
    for _ in range(_DOUBLINGS):
        jumps.append(jumps[-1].take(jumps[-1]))
    far, head, found = jumps.pop(), 0, []
    while head < size and len(found) << _DOUBLINGS < most:
        found.append(head)
        head = int(far[head])
    heads = np.array(found, np.intp)
    for jump in reversed(jumps):
        heads = np.stack((heads, jump.take(heads)), axis=-1).ravel()
    # What begins beyond the window was put at its end; and its last number may go on beyond it.
    heads = heads[: np.searchsorted(heads, size)][:most]
    ends = heads + 1 + (window[heads] & _LENGTH)
    complete = int(np.searchsorted(ends, size, "right"))
    return heads[:complete], int(ends[complete - 1]) if complete else 0


def _decoded(window: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """The numbers that begin there: eight bytes are looked up for each, and those that are not its own cut off."""
    padded = np.concatenate((window, np.zeros(_LONGEST_INTEGER + 1, np.uint8)))
    words = np.ndarray(len(window), "<u8", padded, offset=1, strides=(1,))
    signs = window[heads] & _NEGATIVE
    values = (words[heads] & _MASKS[window[heads] & _LENGTH]).astype(np.int64)
    return np.where(signs, -values, values)


def _cut_short() -> BadWeights:
    return BadWeights("the data end before the network does; the file is cut short, download it again")


def _broken(position: int) -> BadWeights:
    return BadWeights(f"there is no number of dlib's at byte {position}; the file is broken, or of another kind")
