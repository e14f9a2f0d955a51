"""safetensors: a JSON header that says where each tensor lies, then the tensors (huggingface/safetensors).

An own reader, because the library's names no offsets: here every tensor is a slice of the mapped file, and the
header is held to the format's rules before anything is looked at. An own writer, because the library's knows only what
NumPy has, which is no bfloat16, and wants all of a file in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from ..._core.errors import BadWeights
from .archive import DTYPES, Archive, Tensor
from .mapped import naming, reading

_LARGEST_HEADER = 3 << 20  # bytes: 30,000 tensors

_DTYPES = {
    "BOOL": "bool",
    "F16": "float16",
    "BF16": "bfloat16",
    "F32": "float32",
    "F64": "float64",
    "C64": "complex64",
    **{f"U{bits}": f"uint{bits}" for bits in (8, 16, 32, 64)},
    **{f"I{bits}": f"int{bits}" for bits in (8, 16, 32, 64)},
}
_NAMES = {name: code for code, name in _DTYPES.items()}


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a safetensors file; `metadata` is its `__metadata__`, texts by name.

    Raises:
        BadWeights: the file breaks one of the format's rules.
    """
    with reading(path) as data:
        header, body = _split(data)
        metadata = _metadata(header.pop("__metadata__", {}))
        spans: dict[str, tuple[int, int]] = {}
        tensors: dict[str, Tensor] = {}
        for name, entry in header.items():
            with naming(f"tensor {name!r}"):
                dtype, shape, begin, end = _entry(entry)
                if not begin <= end <= len(body):
                    raise BadWeights("its bytes lie outside of the file; it is cut short or broken, download it again")
                spans[name] = begin, end
                tensors[name] = Tensor(dtype, shape, body[begin:end])
        _check_tiling(spans, len(body))
        return Archive("safetensors", metadata, tensors)


def write(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str], write: Callable[[bytes | memoryview], Any]
) -> None:
    """Hand a safetensors file to `write`, piece by piece.

    The header has the tensors in their order; in the file the largest elements come first, so that all are aligned.

    Raises:
        BadWeights: the format has no such element type or name, or the header would be larger than readers take.
    """
    placed: dict[str, tuple[int, int]] = {}
    position = 0
    for name in sorted(tensors, key=lambda name: -DTYPES[tensors[name].dtype].itemsize):
        placed[name] = position, position + len(tensors[name].data)
        position += len(tensors[name].data)
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    for name, tensor in tensors.items():
        if tensor.dtype not in _NAMES or name in header:
            raise BadWeights(f"safetensors can hold no tensor {name!r} of {tensor.dtype}")
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": tensor.shape, "data_offsets": placed[name]}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > _LARGEST_HEADER:
        raise BadWeights(f"its header would have {len(encoded)} bytes, more than readers take")
    write(len(encoded).to_bytes(8, "little"))
    write(encoded)
    for name in placed:
        write(tensors[name].data)


def _split(data: memoryview) -> tuple[dict[str, Any], memoryview]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > _LARGEST_HEADER:
        raise BadWeights(f"its header claims {size} bytes; this is no safetensors file, or a broken one")
    if 8 + size > len(data):
        raise BadWeights("the file is cut short in its header; download it again")
    try:
        header = json.loads(
            str(data[8 : 8 + size], "utf-8"), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except BadWeights:
        raise
    except (ValueError, RecursionError):
        raise BadWeights("its header is not valid UTF-8 JSON; download it again") from None
    if not isinstance(header, dict):
        raise BadWeights("its header is not a table of tensors; download it again")
    return header, data[8 + size :]


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise BadWeights("its header names something twice; the file is broken or hostile")
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _metadata(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise BadWeights("its __metadata__ is not a table of texts")
    return value


def _entry(entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Dtype, shape, begin and end of one entry of the header."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise BadWeights("its entry in the header is not dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], _sizes(entry["shape"]), _sizes(entry["data_offsets"])
    if len(offsets) != 2:
        raise BadWeights("its data_offsets are not a beginning and an end")
    if not isinstance(dtype, str):
        raise BadWeights("its dtype is not a text")
    return _DTYPES.get(dtype, dtype), shape, *offsets


def _sizes(value: Any) -> tuple[int, ...]:
    # type() rather than isinstance(): JSON's true is an int to Python.
    if not isinstance(value, list) or not all(type(size) is int and size >= 0 for size in value):
        raise BadWeights("its shape or its offsets are not whole numbers")
    return tuple(value)


def _check_tiling(spans: dict[str, tuple[int, int]], size: int) -> None:
    """The tensors must cover the body exactly: a gap could hide something, an overlap makes two tensors one."""
    position = 0
    for name, (begin, end) in sorted(spans.items(), key=lambda item: item[1]):
        if begin != position:
            raise BadWeights(f"tensor {name!r} does not begin where the one before it ends; the file is broken")
        position = end
    if position != size:
        raise BadWeights(f"{size - position} bytes belong to no tensor; the file is broken")
