"""LevelDB's table file: sorted keys and values in blocks, as the index of a TensorFlow checkpoint is one.

A footer at the end leads to the index block, whose values lead to the data blocks. Within a block a key gives only
what differs from the key before it. Every block has a checksum. (LevelDB, doc/table_format.md.)
"""

from __future__ import annotations

from collections.abc import Iterator

from ..._core.errors import BadWeights
from .crc32c import crc32c, masked
from .mapped import naming
from .protobuf import varint

MAGIC = bytes.fromhex("57fb808b247547db")
"""What such a file ends with."""
_FOOTER = 48
_TRAILER = 5
_PLAIN, _SNAPPY = 0, 1
_LARGEST_TABLE = 64 << 20
_LARGEST_ENTRIES = 20_000
_LARGEST_KEY = 512


def entries(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Every key and its value, in the keys' order.

    Args:
        data: the whole file.

    Raises:
        BadWeights: it is cut short or broken, compressed, or larger than any index.
    """
    if len(data) < _FOOTER or bytes(data[-len(MAGIC) :]) != MAGIC:
        raise BadWeights("it does not end as the index of a TensorFlow checkpoint; it is cut short, download it again")
    if len(data) > _LARGEST_TABLE:
        raise BadWeights(f"it has {len(data)} bytes, more than the index of any checkpoint")
    footer = data[-_FOOTER : -len(MAGIC)]
    about, position = _handle(footer, 0)
    (start, size), _ = _handle(footer, position)
    for _ in _block(data, *about):  # facts about the table, of which there are none: only to see that it is whole
        pass
    left, left_in_blocks, last = _LARGEST_ENTRIES, len(data), b""
    for _, handle in _block(data, start, size):
        (start, size), _ = _handle(handle, 0)
        left_in_blocks -= size + _TRAILER
        if left_in_blocks < 0:
            raise BadWeights("its blocks overlap; the file is broken or hostile")
        for key, value in _block(data, start, size):
            left -= 1
            if left < 0 or (last and key <= last):
                raise BadWeights(f"its keys are not in order, or more than {_LARGEST_ENTRIES}; the file is broken")
            last = key
            yield key, value


def _handle(data: memoryview, position: int) -> tuple[tuple[int, int], int]:
    """Where a block begins, and its size."""
    start, position = varint(data, position)
    size, position = varint(data, position)
    return (start, size), position


def _block(data: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    with naming(f"block at {start}"):
        end = start + size
        if end + _TRAILER > len(data) - _FOOTER or size < 4:
            raise BadWeights("it lies outside of the file; the file is cut short or broken, download it again")
        if masked(crc32c(data[start : end + 1])) != int.from_bytes(data[end + 1 : end + _TRAILER], "little"):
            raise BadWeights("its checksum is wrong; the file is damaged, download it again")
        if data[end] != _PLAIN:
            kind = "Snappy" if data[end] == _SNAPPY else "an unknown method"
            raise BadWeights(f"it is compressed with {kind}, which TensorFlow does not use for checkpoints")
        restarts = int.from_bytes(data[end - 4 : end], "little")
        if 4 * restarts + 4 > size:
            raise BadWeights("its restart points do not fit in it; the file is broken")
        block = data[start : end - 4 - 4 * restarts]
    position, key = 0, b""
    while position < len(block):
        shared, position = varint(block, position)
        fresh, position = varint(block, position)
        length, position = varint(block, position)
        middle = position + fresh
        position = middle + length
        if shared > len(key) or shared + fresh > _LARGEST_KEY or position > len(block):
            raise BadWeights("a key or a value reaches beyond its block; the file is broken or hostile")
        key = key[:shared] + bytes(block[middle - fresh : middle])
        yield key, block[middle:position]
