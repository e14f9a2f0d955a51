"""NumPy's arrays: one in a .npy, several by name in a .npz.

Arrays of numbers are plain bytes. An array of Python objects is a pickle, and refused, except for a single table, which
is what `np.save(path, {…})` writes: it is read as any pickle here, by a closed list of names.
"""

from __future__ import annotations

import os
import re
import struct
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from .archive import Archive, Tensor, byte_count
from .mapped import naming, reading
from .pickle import Unpickler
from .pickle_names import closed_list
from .pickle_values import KNOWN, NumpyArray, NumpyDtype, plain, split
from .stored_zip import members

MAGIC = b"\x93NUMPY"
_SUFFIX = ".npy"
_LENGTHS = {1: struct.Struct("<H"), 2: struct.Struct("<I"), 3: struct.Struct("<I")}
"""How long the header is, by the format's version."""
_LARGEST_HEADER = 10_000
# Written by NumPy as the source of a Python table; it is matched here, not evaluated.
_HEADER = re.compile(
    r"\{'descr': '(?P<descr>[^']{1,16})', 'fortran_order': (?P<fortran>True|False), "
    r"'shape': \((?P<shape>[\dL, ]{0,400})\), \}\s*"
)
_NUMBERS = re.compile(r"[<>|=][biufc]\d{1,2}")
_OBJECTS = ("|O", "O", "|O8", "|O4")


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a .npy or .npz file.

    Tensors are named as in the .npz; that of a .npy is named `""`. If a .npy holds one table, its arrays are the
    tensors, by their keys, and the rest is `metadata`, which else is empty.

    Raises:
        UnsafeWeights: a pickle in it asks for anything but arrays and plain values. Nothing was run.
        BadWeights: it is cut short or broken, or holds Python objects or other things than numbers.
    """
    with reading(path) as data:
        if data[: len(MAGIC)] != MAGIC:
            return Archive("numpy", {}, _arrays(data))
        descr, fortran, shape, body = _header(data)
        if descr in _OBJECTS and shape == ():
            tensors, metadata = split(_table(body))
            return Archive("numpy", metadata, tensors)
        return Archive("numpy", {}, {"": _tensor(descr, fortran, shape, body)})


def _arrays(data: memoryview) -> dict[str, Tensor]:
    tensors = {}
    for name, member in members(data, deflated=True).items():
        with naming(f"member {name[:80]!r}"):
            if not name.endswith(_SUFFIX) or member[: len(MAGIC)] != MAGIC:
                raise BadWeights("it is no array; this is no file of np.savez")
            tensors[name.removesuffix(_SUFFIX)] = _tensor(*_header(member))
    return tensors


def _header(data: memoryview) -> tuple[str, bool, tuple[int, ...], memoryview]:
    """Element type, whether the first axis runs fastest, shape, and the bytes behind the header."""
    start = len(MAGIC) + 2
    form = _LENGTHS.get(data[len(MAGIC)] if len(data) > len(MAGIC) else 0)
    if form is None or len(data) < start + form.size:
        raise BadWeights("its version of the format is unknown, or it is cut short; download it again")
    (length,) = form.unpack_from(data, start)
    start += form.size
    if length > _LARGEST_HEADER or start + length > len(data):
        raise BadWeights("it is cut short or broken in its header; download it again")
    header = _HEADER.fullmatch(str(data[start : start + length], "latin-1"))
    if header is None:
        raise BadWeights("it holds structures, or its header is broken; save plain arrays of numbers")
    shape = tuple(int(size) for size in re.findall(r"\d{1,18}", header["shape"]))
    return header["descr"], header["fortran"] == "True", shape, data[start + length :]


def _tensor(descr: str, fortran: bool, shape: tuple[int, ...], body: memoryview) -> Tensor:
    if descr in _OBJECTS:
        raise BadWeights("it is an array of Python objects, which is a pickle; save plain arrays of numbers")
    try:
        dtype = np.dtype(descr) if _NUMBERS.fullmatch(descr) else None
    except TypeError:
        dtype = None
    if dtype is None:
        raise BadWeights(f"its element type {descr!r} is not supported; save plain arrays of numbers")
    if len(body) != byte_count(shape, dtype.itemsize):
        raise BadWeights(f"its shape {shape} of {descr} does not fit its {len(body)} bytes; it is cut short or broken")
    if dtype == dtype.newbyteorder("<") and not fortran:
        return Tensor(dtype.name, shape, body)
    return Tensor.from_numpy(np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C"))


# -- An array that holds one table -------------------------------------------------------------------------------------


class _ObjectDtype:
    """What stands for the element type of Python objects."""

    def set_state(self, state: Any) -> None:
        """Nothing in it matters."""


class _Array(NumpyArray):
    """What stands for an array: of numbers, or of one object."""

    def __init__(self) -> None:
        super().__init__()
        self.content: Any = None

    def set_state(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], _ObjectDtype):
            if state[1] != () or not isinstance(state[4], list) or len(state[4]) != 1 or self.content is not None:
                raise BadWeights("its pickle holds an array of Python objects, which is not supported")
            (self.content,) = state[4]
        else:
            super().set_state(state)


def _dtype(code: Any, *_: Any) -> NumpyDtype | _ObjectDtype:
    return _ObjectDtype() if code in ("O8", "O4", "O") else NumpyDtype(code)


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    if kind != KNOWN["numpy", "ndarray"]:
        raise BadWeights("its pickle reconstructs something else than a NumPy array")
    return _Array()


_FIND = closed_list(
    KNOWN
    | {("numpy", "dtype"): _dtype}
    | {(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")}
)


def _table(data: memoryview) -> Any:
    unpickler = Unpickler(data, _FIND)
    array = unpickler.load()
    if unpickler.position != len(data):
        raise BadWeights("bytes follow its pickle; the file is broken or hostile")
    if not isinstance(array, _Array) or array.content is None:
        raise BadWeights("its pickle does not hold what its header says; the file is broken or hostile")
    return plain(array.content, _refuse)


def _refuse(value: Any) -> Any:
    raise BadWeights("it is neither an array nor a plain value")
