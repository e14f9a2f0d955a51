"""TensorFlow's files, with any tensors in them, written without TensorFlow: checkpoints and frozen graphs."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_DTYPES = {"float32": 1, "float64": 2, "int32": 3, "uint8": 4, "int16": 5, "int8": 6, "complex64": 8, "int64": 9}
_DTYPES |= {"bool": 10, "uint16": 17, "complex128": 18, "float16": 19, "uint32": 22, "uint64": 23}
_FOOTER_MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_CRC_TABLE: list[int] = []
for _byte in range(256):
    for _ in range(8):
        _byte = (_byte >> 1) ^ (0x82F63B78 if _byte & 1 else 0)
    _CRC_TABLE.append(_byte)


# -- Protocol Buffers --------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """An integer; negative ones take ten bytes."""
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def integer(number: int, value: int) -> bytes:
    """A field with an integer."""
    return varint(number << 3) + varint(value)


def counted(number: int, value: bytes | str) -> bytes:
    """A field with bytes, a text or a message."""
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def real(number: int, value: float) -> bytes:
    """A field with a float32."""
    return varint(number << 3 | 5) + struct.pack("<f", value)


def shape_proto(shape: Iterable[int]) -> bytes:
    """A TensorShapeProto."""
    return b"".join(counted(2, integer(1, size)) for size in shape)


# -- Checkpoints -------------------------------------------------------------------------------------------------------


def masked_crc(data: bytes) -> int:
    """The checksum of LevelDB, byte after byte."""
    state = 0xFFFFFFFF
    for byte in data:
        state = state >> 8 ^ _CRC_TABLE[(state ^ byte) & 255]
    crc = state ^ 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def bundle_entry(array: np.ndarray, offset: int, **changed: Any) -> bytes:
    """Where a variable lies; `changed` may be its shape, size, shard or crc."""
    data = array.tobytes()
    shape, size = changed.get("shape", array.shape), changed.get("size", len(data))
    return (
        integer(1, _DTYPES[array.dtype.name])
        + counted(2, shape_proto(shape))
        + (integer(3, changed["shard"]) if "shard" in changed else b"")
        + integer(4, offset)
        + integer(5, size)
        + varint(6 << 3 | 5)
        + struct.pack("<I", changed.get("crc", masked_crc(data)))
    )


def sorted_table(entries: Mapping[bytes, bytes], *, per_block: int = 4, compression: int = 0) -> bytes:
    """LevelDB's table: keys in order, each with only what differs from the one before, a restart every third."""
    table, index = bytearray(), {}
    keys = sorted(entries)
    for start in range(0, len(keys), per_block):
        some = keys[start : start + per_block]
        index[some[-1]] = _append_block(table, {key: entries[key] for key in some}, compression)
    meta = _append_block(table, {}, 0)
    footer = meta + _append_block(table, index, 0)
    return bytes(table) + footer.ljust(40, b"\0") + _FOOTER_MAGIC


def _append_block(table: bytearray, entries: Mapping[bytes, bytes], compression: int) -> bytes:
    block, restarts, last = bytearray(), [], b""
    for number, (key, value) in enumerate(entries.items()):
        shared = 0
        if number % 3 == 0:
            restarts.append(len(block))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        block += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    restarts = restarts or [0]
    block += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    handle = varint(len(table)) + varint(len(block))
    block.append(compression)
    table += block + struct.pack("<I", masked_crc(bytes(block)))
    return handle


def header(*, shards: int = 1, endianness: int = 0) -> bytes:
    """What stands under the empty key."""
    return integer(1, shards) + (integer(2, endianness) if endianness else b"") + counted(3, integer(1, 1))


def save_checkpoint(index: Path, data: Path, arrays: Mapping[str, np.ndarray]) -> tuple[Path, Path]:
    """A checkpoint in two files: variables in the order of their names, without gaps."""
    entries, content = {b"": header()}, b""
    for name in sorted(arrays):
        entries[name.encode()] = bundle_entry(arrays[name], len(content))
        content += arrays[name].tobytes()
    index.write_bytes(sorted_table(entries))
    data.write_bytes(content)
    return index, data


# -- Graphs ------------------------------------------------------------------------------------------------------------


def tensor_proto(array: np.ndarray) -> bytes:
    """A TensorProto with the plain bytes."""
    return integer(1, _DTYPES[array.dtype.name]) + counted(2, shape_proto(array.shape)) + counted(4, array.tobytes())


def attribute(value: Any) -> bytes:
    """An AttrValue; a type is given as `np.dtype`, a shape as a tuple."""
    if isinstance(value, np.ndarray):
        return counted(8, tensor_proto(value))
    if isinstance(value, np.dtype):
        return integer(6, _DTYPES[value.name])
    if isinstance(value, tuple):
        return counted(7, shape_proto(value))
    if isinstance(value, bool):
        return integer(5, value)
    if isinstance(value, int):
        return integer(3, value)
    if isinstance(value, float):
        return real(4, value)
    if isinstance(value, list):
        inner = b"".join(integer(3, item) if isinstance(item, int) else counted(2, item) for item in value)
        return counted(1, inner)
    return counted(2, value)


def node(name: str, op: str, *inputs: str, **attributes: Any) -> bytes:
    """A NodeDef; an attribute that is bytes already is taken as an AttrValue."""
    encoded = counted(1, name) + counted(2, op) + b"".join(counted(3, given) for given in inputs)
    for key, value in attributes.items():
        entry = value if isinstance(value, bytes) else attribute(value)
        encoded += counted(5, counted(1, key) + counted(2, entry))
    return encoded


def constant(name: str, array: np.ndarray) -> bytes:
    """A Const node."""
    return node(name, "Const", dtype=array.dtype, value=array)


def save_graph(path: Path, nodes: Iterable[bytes]) -> Path:
    """A frozen GraphDef."""
    path.write_bytes(b"".join(counted(1, encoded) for encoded in nodes) + counted(4, integer(1, 1087)))
    return path
