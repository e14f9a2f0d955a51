"""What TensorFlow's messages say of tensors: element types, shapes, and values (tensorflow/core/framework/*.proto)."""

from __future__ import annotations

import numpy as np

from ..._core.errors import BadWeights
from .archive import DTYPES, Tensor, byte_count
from .protobuf import Message

TEXT = 7
"""The number of the type that holds byte strings."""
_DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    8: "complex64",
    9: "int64",
    10: "bool",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}
_QUANTIZED = {11: "int8", 12: "uint8", 13: "int32", 15: "int16", 16: "uint16"}
_FLOATS = {"float32": (5, "<f4"), "float64": (6, "<f8"), "complex64": (9, "<c8"), "complex128": (12, "<c16")}
"""Where a tensor's values are, if they are floats: the field's number and what is in it."""
_INTEGERS = {"int64": 10, "bool": 11, "float16": 13, "bfloat16": 13, "uint32": 16, "uint64": 17}
"""Where a tensor's values are, if they are not; else in field 7."""
_COPIED_BYTES = 64 << 20


def dtype_name(number: int) -> str:
    """The element type of that number.

    Raises:
        BadWeights: it holds no plain numbers.
    """
    name = _DTYPES.get(number) or _QUANTIZED.get(number)
    if name is None:
        raise BadWeights(f"its element type, number {number} of TensorFlow, is not supported")
    return name


def shape(message: Message | None) -> tuple[int, ...] | None:
    """The shape that a TensorShapeProto says, -1 for an unknown size; None if the number of sizes is unknown."""
    if message is None:
        return ()
    return None if message.integer(3) else tuple(size.integer(1) for size in message.messages(2))


class Values:
    """Reads TensorProtos; those of one file may not unfold to far more than the file holds."""

    def __init__(self, file_size: int) -> None:
        self._left = 2 * file_size + _COPIED_BYTES

    def tensor(self, message: Message) -> Tensor:
        """The tensor in a TensorProto.

        Raises:
            BadWeights: it holds no numbers, or not as many as its shape says.
        """
        dtype, sizes = dtype_name(message.integer(1)), shape(message.message(2))
        if sizes is None:
            raise BadWeights("its shape is unknown")
        size = byte_count(sizes, DTYPES[dtype].itemsize)
        if 4 in message:
            return Tensor(dtype, sizes, message.buffer(4))
        self._left -= size
        if self._left < 0:
            raise BadWeights("the tensors unfold to far more than the file holds; it is broken or hostile")
        found = _listed(message, dtype)
        count = size // DTYPES[dtype].itemsize
        if not 0 < len(found) <= count:
            if count or len(found):
                raise BadWeights(f"{dtype} of shape {sizes} has {len(found)} values")
            return Tensor(dtype, sizes, b"")
        # What is listed last is repeated to the end.
        filled = np.full(count, found[-1])
        filled[: len(found)] = found
        return Tensor(dtype, sizes, filled.tobytes())


def _listed(message: Message, dtype: str) -> np.ndarray:
    if dtype in _FLOATS:
        number, form = _FLOATS[dtype]
        return message.numbers(number, form)
    itemsize = DTYPES[dtype].itemsize
    integers = np.array(message.integers(_INTEGERS.get(dtype, 7)), np.int64)
    # float16 and bfloat16 are kept as the integers of their bits.
    return integers.astype(f"<u{itemsize}")
