"""What every reader returns: named tensors and plain values, in no library's own types."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..._core.errors import BadWeights

DTYPES: dict[str, np.dtype[Any]] = {
    **{
        name: np.dtype(name).newbyteorder("<")
        for name in (
            *("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
            *("float16", "float32", "float64", "complex64", "complex128"),
        )
    },
    "bfloat16": np.dtype("<u2"),  # NumPy has no bfloat16: its bits
}
"""The element types that are read, each with its little-endian NumPy form."""

_LARGEST_DIMENSIONS = 32
_LARGEST_BYTES = 1 << 48


def byte_count(shape: tuple[int, ...], itemsize: int) -> int:
    """How many bytes an array takes.

    Raises:
        BadWeights: no array can have this shape.
    """
    if len(shape) > _LARGEST_DIMENSIONS or any(size < 0 for size in shape):
        raise BadWeights("its shape is impossible")
    # Counted without the zeros as well, since NumPy refuses (0, 2**62, 2**62).
    if math.prod(size or 1 for size in shape) * itemsize > _LARGEST_BYTES:
        raise BadWeights("its shape is impossible")
    return math.prod(shape) * itemsize


@dataclass(frozen=True)
class Tensor:
    """One tensor of a weights file.

    Raises:
        BadWeights: the dtype is not one of `DTYPES`, or `data` is not what dtype and shape need.
    """

    dtype: str
    """`"float32"`, `"bfloat16"`, `"int64"` …: a key of `DTYPES`."""
    shape: tuple[int, ...]
    data: bytes | memoryview = field(repr=False)
    """The elements, little-endian, in C order; where possible a slice of the mapped file."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise BadWeights(f"its element type {self.dtype!r} is not supported")
        needed = byte_count(self.shape, DTYPES[self.dtype].itemsize)
        if len(self.data) != needed:
            raise BadWeights(f"{self.dtype} of shape {self.shape} takes {needed} bytes, but it has {len(self.data)}")

    @classmethod
    def from_numpy(cls, array: np.ndarray) -> Tensor:
        """A tensor of the array's elements, copied only if they are not little-endian in C order."""
        array = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        return cls(array.dtype.name, array.shape, array.reshape(-1).view(np.uint8).data)

    def numpy(self) -> np.ndarray:
        """As an array of `shape`: a read-only view of `data` where possible. bfloat16 comes as float32."""
        array = np.frombuffer(memoryview(self.data).toreadonly(), DTYPES[self.dtype]).reshape(self.shape)
        if self.dtype == "bfloat16":
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array if array.flags.aligned else array.copy()

    def is_finite(self) -> bool:
        """Whether no element is NaN or infinite."""
        if self.dtype == "bfloat16":  # as far as this goes, they are the upper halves of float32
            exponents = np.frombuffer(self.data, "<u2") & 0x7F80
            return not exponents.size or int(exponents.max()) < 0x7F80
        array = self.numpy()
        if not array.size or array.dtype.kind not in "fc":
            return True
        if array.dtype.kind == "c":
            array = array.reshape(-1).view(f"<f{array.itemsize // 2}")
        # Both ends are NaN if any element is: two passes over the data, but no second array of its size.
        return bool(np.isfinite(array.min()) and np.isfinite(array.max()))


@dataclass(frozen=True)
class Archive:
    """What one weights file holds."""

    format: str
    """The reader's name, one of `formats.FORMATS`."""
    metadata: dict[str, Any]
    """Everything that is not a tensor, as plain values; the reader's `read` says which."""
    tensors: dict[str, Tensor]
    """By name, in the file's order."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The tensors as NumPy arrays, by name; see `Tensor.numpy`."""
        return {name: tensor.numpy() for name, tensor in self.tensors.items()}

    def not_finite(self) -> list[str]:
        """The tensors that have NaN or an infinity in them, by name: broken training, or half precision overflowed."""
        return [name for name, tensor in self.tensors.items() if not tensor.is_finite()]
