"""How torch pickles tensors: as views (offset, shape and stride) of storages, whose bytes lie elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from .archive import DTYPES, Tensor, byte_count
from .mapped import naming
from .pickle_classes import Class
from .pickle_values import KNOWN, whole_numbers

_COPIED_BYTES = 64 << 20


@dataclass(frozen=True)
class Storage:
    """A reference to plain bytes."""

    key: str
    dtype: str
    size: int
    """In elements."""


@dataclass(frozen=True)
class View:
    """A tensor before its storage is known; offset and stride count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Storages:
    """The bytes of all storages, by key."""

    def __init__(self, buffers: Mapping[str, memoryview], file_size: int, big_endian: bool = False) -> None:
        self._buffers = buffers
        self._big_endian = big_endian
        # Many views may share one storage, and those with strides are copied: a small file could ask for endless
        # memory, and for endless work of whoever looks at all tensors.
        self._left_to_copy = 2 * file_size + _COPIED_BYTES
        self._left = 4 * file_size + _COPIED_BYTES

    def tensor(self, value: Any) -> Tensor:
        """The tensor that a `View` stands for; nothing else may be left in a pickle that was read."""
        if not isinstance(value, View):
            raise BadWeights("it is neither a tensor nor a plain value")
        buffer, dtype = self._buffer(value.storage), DTYPES[value.storage.dtype]
        size = byte_count(value.shape, dtype.itemsize)
        if size == 0:
            return Tensor(value.storage.dtype, value.shape, b"")
        last = value.offset + sum(
            (length - 1) * stride for length, stride in zip(value.shape, value.stride, strict=True)
        )
        if (last + 1) * dtype.itemsize > len(buffer):
            raise BadWeights(f"its shape {value.shape} reaches beyond its storage; the file is broken or hostile")
        self._left -= size
        if self._left < 0:
            raise BadWeights("its tensors unfold to far more than the file holds; it is broken or hostile")
        buffer = buffer[value.offset * dtype.itemsize :]
        data = buffer[:size] if _contiguous(value) and not self._big_endian else self._copied(buffer, dtype, value)
        return Tensor(value.storage.dtype, value.shape, data)

    def _buffer(self, storage: Storage) -> memoryview:
        with naming(f"storage {storage.key[:40]!r}"):
            if storage.key not in self._buffers:
                raise BadWeights("it is missing; the file is broken, download it again")
            buffer = self._buffers[storage.key]
            if len(buffer) != storage.size * DTYPES[storage.dtype].itemsize:
                raise BadWeights(f"it should be {storage.size} × {storage.dtype}, but has {len(buffer)} bytes")
            return buffer

    def _copied(self, buffer: memoryview, dtype: np.dtype, view: View) -> memoryview:
        self._left_to_copy -= byte_count(view.shape, dtype.itemsize)
        if self._left_to_copy < 0:
            raise BadWeights("its tensors unfold to far more than the file holds; it is broken or hostile")
        stored = dtype.newbyteorder(">") if self._big_endian else dtype
        flat = np.frombuffer(buffer, stored, count=len(buffer) // dtype.itemsize)
        strides = [stride * dtype.itemsize for stride in view.stride]
        strided = np.lib.stride_tricks.as_strided(flat, view.shape, strides, writeable=False)
        return np.array(strided, dtype, order="C").reshape(-1).view(np.uint8).data


def _contiguous(view: View) -> bool:
    expected = 1
    for size, stride in zip(reversed(view.shape), reversed(view.stride), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


# -- What the pickle names ---------------------------------------------------------------------------------------------


def persistent(identity: Any) -> Storage | Class:
    """What a persistent id of torch stands for: a storage or, in pickled modules of old, a class with its source."""
    if not isinstance(identity, tuple):
        raise BadWeights("its pickle refers to something else than a storage")
    identity = list(identity)
    if len(identity) == 4 and identity[0] == "module" and isinstance(identity[1], Class):
        return identity[1]
    if len(identity) not in (5, 6) or identity[0] != "storage":
        raise BadWeights("its pickle refers to something else than a storage")
    _, dtype, key, _, size, *view = identity
    if not isinstance(key, str) or not isinstance(dtype, str) or dtype not in DTYPES or view not in ([], [None]):
        raise BadWeights("its pickle refers to a storage in an unknown way")
    return Storage(key, dtype, whole_numbers((size,))[0])


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> View:
    shape, stride = whole_numbers(shape), whole_numbers(stride)
    if not isinstance(storage, Storage) or len(shape) != len(stride):
        raise BadWeights("its pickle makes a tensor from something else than a storage, a shape and a stride")
    return View(storage, whole_numbers((offset,))[0], shape, stride)


def _rebuild_tensor_v2(
    storage: Any, offset: Any, shape: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> View:
    return _rebuild_tensor(storage, offset, shape, stride)


def _rebuild_parameter(view: Any, requires_grad: Any, hooks: Any, state: Any = None) -> View:
    if not isinstance(view, View):
        raise BadWeights("its pickle makes a parameter from something else than a tensor")
    return view


def _size(sizes: Any = ()) -> tuple[int, ...]:
    return whole_numbers(sizes)


def _device(kind: Any, index: Any = None) -> str:
    if not isinstance(kind, str):
        raise BadWeights("its pickle names a device in an unknown way")
    return kind


def _backend() -> str:
    """What each module of before torch 1.2 names as its attribute: who computes."""
    return "THNN"


_STORAGES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
_ACTIVATIONS = (
    "elu",
    "gelu",
    "hardtanh",
    "leaky_relu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
)
NAMES: dict[tuple[str, str], Any] = {
    **KNOWN,
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _rebuild_parameter,
    ("torch.nn.backends.thnn", "_get_thnn_function_backend"): _backend,
    **{("torch", dtype): dtype for dtype in DTYPES},
    **{(module, name): dtype for module in ("torch", "torch.cuda") for name, dtype in _STORAGES.items()},
    # Modules keep their activation as an attribute. It is only a name here: a text, which cannot be called.
    **{("torch.nn.functional", name): f"torch.nn.functional.{name}" for name in _ACTIVATIONS},
}
"""Module and name → our own function or value, for `pickle.closed_list`."""
