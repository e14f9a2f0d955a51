"""The plain things that a pickle may build: ordered tables, bytes, NumPy's arrays and scalars."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from .archive import Tensor, byte_count
from .mapped import naming
from .pickle import check_key

_LARGEST_DEPTH = 100
_LARGEST_VALUES = 300_000


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
    if not isinstance(data, bytes) or not isinstance(dtype, NumpyDtype) or order not in ("C", "F"):
        raise BadWeights("its pickle holds a NumPy array without bytes, dtype or order")
    sizes = whole_numbers(shape)
    if len(data) != byte_count(sizes, dtype.dtype.itemsize):
        raise BadWeights(f"its pickle holds a NumPy array of shape {sizes} in {len(data)} bytes")
    return np.frombuffer(data, dtype.dtype).reshape(sizes, order=order)


def _ordered_dict(pairs: Any = ()) -> OrderedTable:
    if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
        raise BadWeights("its pickle makes a table from something else than pairs")
    return OrderedTable((check_key(key), value) for key, value in pairs)


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

KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered_dict,
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
    """`value` with plain tables, lists and scalars, and NumPy arrays as `Tensor`s.

    Args:
        value: what an `Unpickler` returned.
        leaf: turns whatever is not plain into what shall stand for it, or raises.

    Raises:
        BadWeights: it is nested deeper than 100, contains itself, or has more than 300,000 values: a pickle of a few
            bytes can refer to one list ten times in another, and to that ten times in a third.
    """
    return _Plain(leaf).convert(value, ())


class _Plain:
    def __init__(self, leaf: Callable[[Any], Any]) -> None:
        self._leaf = leaf
        self._left = _LARGEST_VALUES

    def convert(self, value: Any, path: tuple[object, ...]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise BadWeights(f"its pickle unfolds to more than {_LARGEST_VALUES} values, more than any weights need")
        if len(path) > _LARGEST_DEPTH:
            raise BadWeights(f"its pickle is nested more than {_LARGEST_DEPTH} deep, deeper than any weights need")
        if value is None or isinstance(value, bool | int | float | complex | str | bytes | set | frozenset):
            return value
        if isinstance(value, dict):
            return {key: self.convert(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.convert(item, (*path, index)) for index, item in enumerate(value))
        if isinstance(value, NumpyArray):
            return value.tensor
        with naming(f"entry {'.'.join(map(str, path))[:120]!r}"):
            return self._leaf(value)
