"""The blocks that GIF, PNG and WebP files are made of, found without decoding anything.

Each walk ends quietly where the file stops making sense.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple


class Block(NamedTuple):
    """A block of a file."""

    kind: bytes
    """A chunk's name; in GIFs `b"image"`, or the label of an extension (`b"\\xf9"`: graphic control)."""
    start: int
    """Offset of its content."""
    length: int


def png_chunks(file: BinaryIO) -> Iterator[Block]:
    """The chunks of a PNG (W3C PNG, 5.3)."""
    position = 8
    while len(head := _read(file, position, 8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        yield Block(kind, position + 8, length)
        position += 12 + length


def webp_chunks(file: BinaryIO) -> Iterator[Block]:
    """The chunks of a WebP (RFC 9649, 2.3)."""
    position = 12
    while len(head := _read(file, position, 8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        yield Block(kind, position + 8, length)
        position += 8 + length + length % 2


def gif_blocks(file: BinaryIO) -> Iterator[Block]:
    """The images and extensions of a GIF (GIF89a, 20 to 26)."""
    position = gif_header_length(file)
    while introducer := _read(file, position, 1):
        if introducer == b"\x21":
            kind = _read(file, position + 1, 1)
            start = position + 2
        elif introducer == b"\x2c" and len(flags := _read(file, position + 9, 1)) == 1:
            kind = b"image"
            start = position + 10 + _color_table_length(flags[0]) + 1
        else:
            return
        end = _skip_sub_blocks(file, start)
        yield Block(kind, start, end - start)
        position = end


def gif_header_length(file: BinaryIO) -> int:
    """Bytes before a GIF's first block: header, screen and global colour table."""
    flags = _read(file, 10, 1)
    return 13 + (_color_table_length(flags[0]) if flags else 0)


def _color_table_length(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_sub_blocks(file: BinaryIO, position: int) -> int:
    while size := _read(file, position, 1):
        position += 1 + size[0]
        if size == b"\0":
            break
    return position


def _read(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)
