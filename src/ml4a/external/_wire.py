"""How values pass between ml4a and a child process that runs foreign code.

Both sides load this file, the child by its path, since ml4a need not be installed there: so it imports the standard
library alone, and NumPy once there is an array.

A message is four bytes of length and that much JSON. Arrays lie beside it in a block of memory that both processes
have open; the message says where. What a message says is read field by field: nothing in it is unpickled, evaluated
or looked up, so the other side may be anybody.
"""

from __future__ import annotations

import base64
import json
import math
import mmap
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

MESSAGE_BYTES = 4 << 20
"""Of one message. Arrays do not count."""
DEPTH = 50
"""How deep lists and dicts may lie in each other."""
DTYPES = {
    "bool": 1,
    **{f"{kind}{8 * size}": size for kind in ("uint", "int") for size in (1, 2, 4, 8)},
    **{f"float{8 * size}": size for size in (2, 4, 8)},
}
"""Of arrays that pass, and the bytes of a value."""
DIMENSIONS = 8

_LINE = 64
"""Arrays begin at multiples of this many bytes."""
_SLICE = 0.1
"""Seconds between looks at whether to stop."""


class Broken(Exception):
    """The other side does not keep to the form; the message says how."""


class Ended(Exception):
    """The other side has closed the connection."""


class Block:
    """Memory that two processes have open, of a fixed size; it is gone when both have closed it.

    It has no name, so that nothing can be left behind. On Linux it is sealed: were the other side able to shorten what
    is mapped here, it could end this process. Elsewhere it is an unnamed file that is read and written, never mapped.

    Args:
        handle: Of `new`, here or on the other side.
        size: Its bytes, of which there is at least one.
    """

    def __init__(self, handle: int, size: int) -> None:
        self.handle = handle
        self.size = size
        self._memory = mmap.mmap(handle, size) if sys.platform == "linux" else None

    @classmethod
    def new(cls, size: int) -> Block:
        """A block of zeros."""
        if sys.platform == "linux":
            import fcntl

            handle = os.memfd_create("ml4a", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(handle, size)
            fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            return cls(handle, size)
        with tempfile.TemporaryFile() as file:
            file.truncate(size)
            return cls(os.dup(file.fileno()), size)

    def write(self, array: Any, offset: int) -> None:
        """Copy a contiguous array into the block, which has room for it."""
        values = _bytes_of(array)
        if self._memory is not None:
            self._memory[offset : offset + len(values)] = values
            return
        while values:
            written = os.pwrite(self.handle, values, offset)
            values, offset = values[written:], offset + written

    def read(self, dtype: str, shape: list[int], offset: int) -> Any:
        """An array of its own, copied out of the block.

        Raises:
            Broken: the block does not hold so much.
        """
        import numpy as np

        if offset + math.prod(shape) * DTYPES[dtype] > self.size:
            raise Broken("an array that is larger than the memory that holds it")
        try:
            array: Any = np.empty(shape, dtype)
        except ValueError:  # of no values, but long sides
            raise Broken("an array with a wrong shape") from None
        values = _bytes_of(array)
        if self._memory is not None:
            with memoryview(self._memory) as memory:
                values[:] = memory[offset : offset + len(values)]
            return array
        while values:
            got = os.preadv(self.handle, [values], offset)
            if not got:
                raise Broken("memory that ends too soon")
            values, offset = values[got:], offset + got
        return array

    def close(self) -> None:
        """Give it up. Calling it again does nothing."""
        if self._memory is not None:
            self._memory.close()
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def _bytes_of(array: Any) -> memoryview:
    """The memory of a contiguous array."""
    return memoryview(array.reshape(-1)).cast("B") if array.size else memoryview(bytearray())


class Channel:
    """One end of a connection over which messages go, and blocks with them.

    Args:
        end: A connected stream socket, which the channel closes.
        trusted: Whether the other side may hand over blocks.
    """

    def __init__(self, end: socket.socket, *, trusted: bool = False) -> None:
        self._end = end
        self._trusted = trusted

    def send(self, text: bytes, block: Block | None = None, *, seconds: float | None = None) -> None:
        """Send a message that was `encoded`, and a block with it.

        Raises:
            TimeoutError: the other side does not take it.
            Ended: it is not there any more.
        """
        self._end.settimeout(seconds)
        head = len(text).to_bytes(4, "big")
        try:
            if block is None:
                self._end.sendall(head + text)
            else:
                socket.send_fds(self._end, [head], [block.handle])
                self._end.sendall(text)
        except TimeoutError:
            raise
        except OSError:
            raise Ended from None

    def receive(
        self, *, seconds: float | None = None, look: Callable[[], None] | None = None
    ) -> tuple[dict[str, Any], int | None]:
        """The next message, and the handle of the block that came with it.

        Args:
            seconds: How long to wait for all of it.
            look: Called several times a second meanwhile; what it raises ends the waiting.

        Raises:
            TimeoutError: nothing came.
            Ended: the other side closed the connection.
            Broken: what came is no message.
        """
        end = None if seconds is None else time.monotonic() + seconds
        handles: list[int] = []
        head = self._read(4, end, look, handles)
        length = int.from_bytes(head, "big")
        if length > MESSAGE_BYTES:
            raise Broken(f"a message of {length} bytes")
        try:
            message = json.loads(self._read(length, end, look, handles))
        except (ValueError, RecursionError):
            raise Broken("a message that is not JSON") from None
        if not isinstance(message, dict):
            raise Broken("a message that is no object")
        return message, handles[0] if handles else None

    def _read(self, length: int, end: float | None, look: Callable[[], None] | None, handles: list[int]) -> bytes:
        """So many bytes. Handles that nobody trusts are dropped by the system, since none are asked for."""
        body = bytearray()
        while len(body) < length:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            self._end.settimeout(left if look is None else min(_SLICE, left or _SLICE))
            try:
                if self._trusted:
                    piece, sent, _, _ = socket.recv_fds(self._end, length - len(body), 1)
                    handles += sent
                else:
                    piece = self._end.recv(min(length - len(body), 1 << 16))
            except TimeoutError:
                if look is not None:
                    look()
                continue
            except OSError:
                raise Ended from None
            if not piece:
                raise Ended
            body += piece
        return bytes(body)

    def close(self) -> None:
        """Close this end."""
        self._end.close()


def encoded(message: dict[str, Any]) -> bytes:
    """A message as it is sent.

    Raises:
        ValueError: it is too long, or has a number in it that is.
    """
    text = json.dumps(message).encode("ascii")
    if len(text) > MESSAGE_BYTES:
        raise ValueError(f"{len(text)} bytes cannot be passed, at most {MESSAGE_BYTES} can; arrays do not count")
    return text


class Packed:
    """A value as it goes into a message, and its arrays as they go into a block.

    Args:
        value: None, bool, int, float, str, bytes, an array, or lists, tuples and dicts of these.
        number_of: The number of a thing that stays where it is, or None if this is no such thing.

    Raises:
        TypeError: it has something else in it.
        ValueError: it is too deep, or has itself in it.
    """

    def __init__(self, value: Any, number_of: Callable[[Any], int | None] = lambda _: None) -> None:
        self._number_of = number_of
        self._arrays: list[tuple[int, Any]] = []
        self.size = 0
        """Bytes that a block needs for the arrays."""
        self.form = self._pack(value, 0)
        """What goes into the message."""

    def write(self, block: Block) -> None:
        """Copy the arrays into `block`, which has `size` bytes."""
        for offset, array in self._arrays:
            block.write(array, offset)

    def _pack(self, value: Any, depth: int) -> Any:
        if depth > DEPTH:
            raise ValueError(f"values that lie more than {DEPTH} deep in each other cannot be passed")
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, list):
            return [self._pack(each, depth + 1) for each in value]
        if isinstance(value, tuple):
            return {"tuple": [self._pack(each, depth + 1) for each in value]}
        if isinstance(value, dict):
            return {"dict": [[self._pack(key, depth + 1), self._pack(each, depth + 1)] for key, each in value.items()]}
        if isinstance(value, bytes | bytearray):
            return {"bytes": base64.b64encode(value).decode("ascii")}
        number = self._number_of(value)
        if number is not None:
            return {"thing": number}
        array = _as_array(value)
        if array is None:
            kind = type(value)
            raise TypeError(
                f"{kind.__module__}.{kind.__qualname__} cannot be passed; arrays, numbers, strings, bytes, None, and "
                "lists, tuples and dicts of them can"
            )
        if array.ndim == 0 and not hasattr(value, "__array_interface__"):
            return array.item()
        return self._place(array)

    def _place(self, array: Any) -> dict[str, Any]:
        if array.dtype.name not in DTYPES:
            raise TypeError(f"an array of {array.dtype} cannot be passed")
        if array.ndim > DIMENSIONS:
            raise TypeError(f"an array of {array.ndim} dimensions cannot be passed")
        offset = self.size
        self._arrays.append((offset, array))
        self.size = -(-(offset + array.nbytes) // _LINE) * _LINE
        return {"array": [array.dtype.name, list(array.shape), offset]}


def _as_array(value: Any) -> Any:
    """`value` as a contiguous array of this machine's byte order, if it is something like an array."""
    if not hasattr(value, "__array__"):
        return None
    import numpy as np

    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu()
    array = np.asarray(value, order="C")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def unpacked(
    form: Any,
    block: Block | None = None,
    thing: Callable[[int], Any] | None = None,
    depth: int = 0,
    limit: int = 1 << 62,
) -> Any:
    """The value that a message stands for.

    Args:
        form: Of `Packed`, or what somebody else made up.
        block: Where the arrays lie.
        thing: What has this number; without it, no things are known.
        depth: How deep `form` lies in the message.
        limit: Bytes that the arrays may have together.

    Raises:
        Broken: it stands for no value.
    """
    return _Reader(block, thing, limit).value(form, depth)


class _Reader:
    def __init__(self, block: Block | None, thing: Callable[[int], Any] | None, limit: int) -> None:
        self._block = block
        self._thing = thing
        self._left = limit

    def value(self, form: Any, depth: int) -> Any:
        if depth > 2 * DEPTH:
            raise Broken("values that lie too deep in each other")
        if isinstance(form, list):
            return [self.value(each, depth + 1) for each in form]
        if not isinstance(form, dict):
            return form
        if len(form) != 1:
            raise Broken("a value of no known kind")
        ((kind, content),) = form.items()
        if kind == "tuple" and isinstance(content, list):
            return tuple(self.value(each, depth + 1) for each in content)
        if kind == "dict" and isinstance(content, list):
            return self._dict(content, depth)
        if kind == "bytes" and isinstance(content, str):
            try:
                return base64.b64decode(content, validate=True)
            except ValueError:
                raise Broken("bytes that cannot be read") from None
        if kind == "array":
            return self._array(content)
        if kind == "thing" and self._thing is not None and type(content) is int:
            return self._thing(content)
        raise Broken("a value of no known kind")

    def _dict(self, content: list[Any], depth: int) -> dict[Any, Any]:
        result = {}
        for pair in content:
            if not isinstance(pair, list) or len(pair) != 2:
                raise Broken("a dict that is none")
            key = self.value(pair[0], depth + 1)
            try:
                result[key] = self.value(pair[1], depth + 1)
            except TypeError:
                raise Broken("a key that is none") from None
        return result

    def _array(self, content: Any) -> Any:
        if not isinstance(content, list) or len(content) != 3:
            raise Broken("an array without dtype, shape and place")
        dtype, shape, offset = content
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise Broken("an array of an unknown dtype")
        if not isinstance(shape, list) or len(shape) > DIMENSIONS:
            raise Broken("an array with a wrong shape")
        if not all(type(side) is int and 0 <= side < 1 << 40 for side in [*shape, offset]):
            raise Broken("an array with a wrong shape")
        if self._block is None:
            raise Broken("an array, but no memory that holds it")
        self._left -= math.prod(shape) * DTYPES[dtype]
        if self._left < 0:  # they may overlap, so the block's size is no bound of their sum
            raise Broken("more arrays than are accepted")
        return self._block.read(dtype, shape, offset)
