"""The plain things that a pickle may build: ordered tables, bytes, NumPy's arrays and scalars."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from .archive import Tensor, byte_count
from .pickle_classes import Class, Instance
from .pickle_keys import check_key

_LARGEST_DEPTH = 100
_LARGEST_VALUES = 200_000
_COPIED_BYTES = 64 << 20
_SCALARS = (bool, int, float, complex, str, bytes)


class OrderedTable(dict[Any, Any]):
    """What stands for an `OrderedDict`."""

    def set_state(self, state: Any) -> None:
        """Attributes are dropped: torch keeps its modules' version numbers there."""


class NumpyDtype:
    """What stands for a `numpy.dtype`."""

    def __init__(self, code: Any, *_: Any) -> None:
        # Bytes, integers, floats: not O, which holds Python objects, nor V, which holds structures.
        if not isinstance(code, str) or re.fullmatch(r"[biufc]\d{1,2}", code) is None:
            raise BadWeights("its pickle holds a NumPy array of something else than numbers, which is not supported")
        try:
            self.dtype = np.dtype(code)
        except TypeError:
            raise BadWeights(f"its pickle holds a NumPy array of {code!r}, which does not exist") from None

    def set_state(self, state: Any) -> None:
        """Take over the byte order, the second of NumPy's eight values."""
        if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
            raise BadWeights("its pickle holds a NumPy array of structures, which is not supported")
        if state[1] not in ("<", ">", "|", "="):
            raise BadWeights("its pickle holds a NumPy array of an unknown byte order")
        # "=" was written by the machine that made the file: all that matter are little-endian.
        self.dtype = self.dtype.newbyteorder("<" if state[1] == "=" else state[1])


class NumpyArray:
    """What stands for a `numpy.ndarray`; empty until its state is set."""

    def __init__(self) -> None:
        self.tensor = Tensor("uint8", (0,), b"")

    def set_state(self, state: Any) -> None:
        """Take over NumPy's version, shape, dtype, order and bytes."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise BadWeights("its pickle holds a NumPy array without shape, dtype, order and bytes")
        _, shape, dtype, fortran, data = state
        self.tensor = Tensor.from_numpy(_array(data, dtype, shape, "F" if fortran else "C"))


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    if isinstance(data, str):  # Python 2 wrote bytes as strings, and ASCII ones were read as texts
        data = data.encode("latin-1", "replace")
    if not isinstance(data, bytes | memoryview) or not isinstance(dtype, NumpyDtype) or order not in ("C", "F"):
        raise BadWeights("its pickle holds a NumPy array without bytes, dtype or order")
    sizes = whole_numbers(shape)
    if len(data) != byte_count(sizes, dtype.dtype.itemsize):
        raise BadWeights(f"its pickle holds a NumPy array of shape {sizes} in {len(data)} bytes")
    return np.frombuffer(data, dtype.dtype).reshape(sizes, order=order)


def _ordered_dict(pairs: Any = ()) -> OrderedTable:
    if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
        raise BadWeights("its pickle makes a table from something else than pairs")
    return OrderedTable((check_key(key), value) for key, value in pairs)


def _set_of(kind: type[set[Any]] | type[frozenset[Any]]) -> Callable[..., Any]:
    def make(values: Any = ()) -> Any:
        if not isinstance(values, list | tuple):
            raise BadWeights("its pickle makes a set from something else than a list")
        return kind(map(check_key, values))

    return make


def _counter(counts: Any = ()) -> OrderedTable:
    return OrderedTable(counts) if isinstance(counts, dict) else _ordered_dict(counts)


def _default_dict(default: Any = None) -> OrderedTable:
    return OrderedTable()


def _no_bytes() -> bytes:
    return b""


def _reconstructor(kind: Any, base: Any, state: Any) -> Any:
    """How protocols 0 and 1 make an object."""
    if isinstance(kind, Class) and state is None:
        return kind()
    if kind is _easy_dict and isinstance(state, dict):
        return OrderedTable(state)
    raise BadWeights("its pickle reconstructs something else than an object")


def _easy_dict(pairs: Any = ()) -> OrderedTable:
    return _ordered_dict(pairs)


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise BadWeights("its pickle encodes something else than bytes")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadWeights("its pickle encodes something else than bytes") from None


def _reconstruct(kind: Any, shape: Any, code: Any) -> NumpyArray:
    if kind != _NDARRAY:
        raise BadWeights("its pickle reconstructs something else than a NumPy array")
    return NumpyArray()


def _scalar(dtype: Any, data: Any) -> Any:
    return _array(data, dtype, (), "C").item()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> NumpyArray:
    array = NumpyArray()
    array.tensor = Tensor.from_numpy(_array(data, dtype, shape, order))
    return array


_NDARRAY = "numpy.ndarray"
_BUILTIN_TYPES = ("bool", "complex", "dict", "float", "int", "list", "object", "str", "tuple")

KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered_dict,
    ("collections", "Counter"): _counter,
    ("collections", "defaultdict"): _default_dict,
    ("dnnlib.util", "EasyDict"): _easy_dict,
    ("dnnlib", "EasyDict"): _easy_dict,
    **{(module, "_reconstructor"): _reconstructor for module in ("copyreg", "copy_reg")},
    **{(module, "set"): _set_of(set) for module in ("builtins", "__builtin__")},
    **{(module, "frozenset"): _set_of(frozenset) for module in ("builtins", "__builtin__")},
    **{(module, "bytes"): _no_bytes for module in ("builtins", "__builtin__")},
    **{(module, name): f"builtins.{name}" for module in ("builtins", "__builtin__") for name in _BUILTIN_TYPES},
    ("typing", "Any"): "typing.Any",
    ("_codecs", "encode"): _encode,
    ("numpy", "dtype"): NumpyDtype,
    ("numpy", "ndarray"): _NDARRAY,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}
"""Module and name → our own function or value, for `pickle.closed_list`."""


def whole_numbers(value: Any) -> tuple[int, ...]:
    """`value`, if it is a tuple or list of integers from 0 up.

    Raises:
        BadWeights: it is something else.
    """
    if not isinstance(value, tuple | list) or not all(type(size) is int and size >= 0 for size in value):
        raise BadWeights("its pickle gives sizes that are not whole numbers")
    return tuple(value)


def plain(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """`value` in plain tables, lists and scalars; NumPy arrays become `Tensor`s, and objects what their `table` says.

    Args:
        value: what an `Unpickler` returned.
        leaf: turns whatever is not plain into what shall stand for it, or raises.

    Raises:
        BadWeights: it is nested deeper than 100, contains itself, or has more than 200,000 values: a pickle of a few
            bytes can refer to one list ten times in another, and to that ten times in a third.
    """
    return _Plain(leaf).convert(value)


class _Plain:
    def __init__(self, leaf: Callable[[Any], Any]) -> None:
        self._leaf = leaf
        self._path: list[object] = []
        self._left = _LARGEST_VALUES
        self._left_to_copy = _COPIED_BYTES

    def convert(self, value: Any) -> Any:
        if value is None or isinstance(value, _SCALARS):
            return value
        if isinstance(value, Instance):
            value = value.table()
        if isinstance(value, dict):
            self._check(len(value))
            return {_key(key): self._inside(key, item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            self._check(len(value))
            return type(value)(self._inside(index, item) for index, item in enumerate(value))
        if isinstance(value, set | frozenset):
            self._check(len(value))
            return type(value)(map(_key, value))
        if isinstance(value, NumpyArray):
            return value.tensor
        if isinstance(value, Class):
            return value.name
        try:
            return self._copied(value) if isinstance(value, memoryview) else self._leaf(value)
        except BadWeights as error:
            entry = ".".join(map(str, self._path))[:120]
            raise type(error)(f"entry {entry!r}: {error}") from None

    def _inside(self, key: object, item: Any) -> Any:
        self._path.append(key)
        converted = self.convert(item)
        self._path.pop()
        return converted

    def _check(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise BadWeights(f"its pickle unfolds to more than {_LARGEST_VALUES} values, more than any weights need")
        if len(self._path) > _LARGEST_DEPTH:
            raise BadWeights(f"its pickle is nested more than {_LARGEST_DEPTH} deep, deeper than any weights need")

    def _copied(self, data: memoryview) -> bytes:
        self._left_to_copy -= len(data)
        if self._left_to_copy < 0:
            raise BadWeights("it is a byte string larger than any that weights have beside their tensors")
        return bytes(data)


def _key(key: Any) -> Any:
    return key.name if isinstance(key, Class) else key


def split(table: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A plain table's tensors and those one level down, by dotted name, and the rest.

    Raises:
        BadWeights: it is no table, or has two tensors of one name.
    """
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
