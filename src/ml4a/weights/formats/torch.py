"""What `torch.save` writes, read without torch: the zip archive of today and the stream from before torch 1.6.

Both hold a pickle whose tensors are views (offset, shape and stride) of storages, which lie beside the pickle as plain
bytes. The pickle is interpreted by `Unpickler`, with a closed list of names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from .archive import DTYPES, Archive, Tensor, byte_count
from .mapped import naming, reading
from .pickle import Unpickler, closed_list
from .pickle_values import KNOWN, plain, whole_numbers
from .stored_zip import members, names

MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
"""The number that a stream from before torch 1.6 begins with."""
_PROTOCOL = 1001
_ZIP_MAGIC = b"PK\3\4"
_COPIED_BYTES = 64 << 20


@dataclass(frozen=True)
class _Storage:
    """A reference to plain bytes beside the pickle."""

    key: str
    dtype: str
    size: int
    """In elements."""


@dataclass(frozen=True)
class _View:
    """A tensor before its storage is known; offset and stride count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a file of `torch.save`.

    Tensors of the top table keep their names; those of a table in it, one level down (`params_ema`, `state_dict` …),
    get its name and a dot in front. `metadata` is everything else, with `Tensor`s where tensors lie deeper.

    Raises:
        UnsafeWeights: its pickle asks for anything but tensors and plain values. Nothing was run.
        BadWeights: it is cut short or broken, TorchScript, from before torch 0.2, or no table of tensors.
    """
    with reading(path) as data:
        value, storages = _from_zip(data) if data[:4] == _ZIP_MAGIC else _from_stream(data)
        tensors, metadata = _flattened(plain(value, storages.tensor))
        return Archive("torch", metadata, tensors)


class _Storages:
    """The bytes beside the pickle, by key."""

    def __init__(self, buffers: dict[str, memoryview], file_size: int, big_endian: bool = False) -> None:
        self._buffers = buffers
        self._big_endian = big_endian
        # Views with strides are copied, and many may share one storage: a small file could ask for endless memory.
        self._left_to_copy = 2 * file_size + _COPIED_BYTES

    def tensor(self, value: Any) -> Tensor:
        """The tensor that a `_View` stands for; nothing else may be left in a pickle that was read."""
        if not isinstance(value, _View):
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
        buffer = buffer[value.offset * dtype.itemsize :]
        data = buffer[:size] if _contiguous(value) and not self._big_endian else self._copied(buffer, dtype, value)
        return Tensor(value.storage.dtype, value.shape, data)

    def _buffer(self, storage: _Storage) -> memoryview:
        with naming(f"storage {storage.key[:40]!r}"):
            if storage.key not in self._buffers:
                raise BadWeights("it is missing; the file is broken, download it again")
            buffer = self._buffers[storage.key]
            if len(buffer) != storage.size * DTYPES[storage.dtype].itemsize:
                raise BadWeights(f"it should be {storage.size} × {storage.dtype}, but has {len(buffer)} bytes")
            return buffer

    def _copied(self, buffer: memoryview, dtype: np.dtype, view: _View) -> memoryview:
        self._left_to_copy -= byte_count(view.shape, dtype.itemsize)
        if self._left_to_copy < 0:
            raise BadWeights("the tensors unfold to far more than the file holds; it is broken or hostile")
        stored = dtype.newbyteorder(">") if self._big_endian else dtype
        flat = np.frombuffer(buffer, stored, count=len(buffer) // dtype.itemsize)
        strides = [stride * dtype.itemsize for stride in view.stride]
        strided = np.lib.stride_tricks.as_strided(flat, view.shape, strides, writeable=False)
        return np.array(strided, dtype, order="C").reshape(-1).view(np.uint8).data


def _contiguous(view: _View) -> bool:
    expected = 1
    for size, stride in zip(reversed(view.shape), reversed(view.stride), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


# -- The two containers ------------------------------------------------------------------------------------------------


def _from_zip(data: memoryview) -> tuple[Any, _Storages]:
    # By names first: other archives compress their members, which would be refused in words about torch.
    folders = [name.removesuffix("data.pkl") for name in names(data) if name.endswith("/data.pkl")]
    if any(name.endswith("/constants.pkl") for name in names(data)):
        raise BadWeights("it is TorchScript, which holds code; save its state_dict() with torch.save and use that")
    if len(folders) != 1:
        raise BadWeights("it is a zip archive, but not one of torch.save: it has not one data.pkl")
    folder, found = folders[0], members(data)
    byte_order = bytes(found.get(f"{folder}byteorder", b"little"))
    if byte_order not in (b"little", b"big"):
        raise BadWeights("its byte order is unknown; the file is broken, download it again")
    value = Unpickler(found[f"{folder}data.pkl"], _FIND, _storage).load()
    prefix = f"{folder}data/"
    buffers = {name.removeprefix(prefix): member for name, member in found.items() if name.startswith(prefix)}
    return value, _Storages(buffers, len(data), big_endian=byte_order == b"big")


def _from_stream(data: memoryview) -> tuple[Any, _Storages]:
    references: dict[str, _Storage] = {}

    def storage(identity: Any) -> _Storage:
        reference = _storage(identity)
        return references.setdefault(reference.key, reference)

    unpickler = Unpickler(data, _FIND, storage)
    magic, protocol, _ = (unpickler.load() for _ in range(3))
    if magic != int.from_bytes(MAGIC, "little") or protocol != _PROTOCOL:
        raise BadWeights("it does not begin as a file of torch.save; download it again")
    value, keys = unpickler.load(), unpickler.load()
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in references for key in keys):
        raise BadWeights("its list of storages is not that of its tensors; the file is broken")
    # Streams are little-endian whatever machine wrote them.
    buffers, position = {}, unpickler.position
    for key in keys:
        start = position + 8
        size = int.from_bytes(data[position:start], "little") * DTYPES[references[key].dtype].itemsize
        position = start + size
        if position > len(data):
            raise BadWeights("the file is cut short within its tensors; download it again")
        buffers[key] = data[start:position]
    if position != len(data):
        raise BadWeights(f"{len(data) - position} bytes follow its last tensor; the file is broken, download it again")
    return value, _Storages(buffers, len(data))


# -- What the pickle names ---------------------------------------------------------------------------------------------


def _storage(identity: Any) -> _Storage:
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
        raise BadWeights("its pickle refers to something else than a storage")
    _, dtype, key, _, size, *view = identity
    if not isinstance(key, str) or not isinstance(dtype, str) or dtype not in DTYPES or view not in ([], [None]):
        raise BadWeights("its pickle refers to a storage in an unknown way")
    return _Storage(key, dtype, whole_numbers((size,))[0])


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any) -> _View:
    shape, stride = whole_numbers(shape), whole_numbers(stride)
    if not isinstance(storage, _Storage) or len(shape) != len(stride):
        raise BadWeights("its pickle makes a tensor from something else than a storage, a shape and a stride")
    return _View(storage, whole_numbers((offset,))[0], shape, stride)


def _rebuild_tensor_v2(
    storage: Any, offset: Any, shape: Any, stride: Any, requires_grad: Any, hooks: Any, metadata: Any = None
) -> _View:
    return _rebuild_tensor(storage, offset, shape, stride)


def _rebuild_parameter(view: Any, requires_grad: Any, hooks: Any) -> _View:
    if not isinstance(view, _View):
        raise BadWeights("its pickle makes a parameter from something else than a tensor")
    return view


def _size(sizes: Any = ()) -> tuple[int, ...]:
    return whole_numbers(sizes)


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
_FIND = closed_list(
    {
        **KNOWN,
        ("torch", "Size"): _size,
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        **{("torch", dtype): dtype for dtype in DTYPES},
        **{(module, name): dtype for module in ("torch", "torch.cuda") for name, dtype in _STORAGES.items()},
    }
)


# -- What is returned --------------------------------------------------------------------------------------------------


def _flattened(table: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split a table into its tensors, and those one level down, and the rest."""
    if not isinstance(table, dict):
        raise BadWeights(f"it holds a {type(table).__name__}, not tensors by name; save a state_dict() instead")
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, Any] = {}
    for key, item in table.items():
        if isinstance(item, Tensor):
            _add(tensors, str(key), item)
        elif isinstance(item, dict) and any(isinstance(entry, Tensor) for entry in item.values()):
            for inner, tensor in item.items():
                if isinstance(tensor, Tensor):
                    _add(tensors, f"{key}.{inner}", tensor)
                else:
                    metadata.setdefault(str(key), {})[inner] = tensor
        else:
            metadata[str(key)] = item
    return tensors, metadata


def _add(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in tensors:
        raise BadWeights(f"it holds two tensors named {name!r}")
    tensors[name] = tensor
