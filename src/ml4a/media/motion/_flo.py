"""`.flo` files: flows as the Middlebury benchmark keeps them, and as OpenCV and all its peers read and write them.

A magic number, the width, the height, and (dx, dy) of every pixel, row by row, all little-endian and of 4 bytes.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np

from ml4a._core import files, limits
from ml4a._core.errors import BadMedia, BadValue, TooLarge

from .. import sources
from ._flow import Array, Flow

SUFFIX = ".flo"
_MAGIC = b"PIEH"
_HEADER = struct.Struct("<4sii")
_UNKNOWN = 1e9
"""Vectors that are longer stand for pixels of which nothing is known."""


def load(source: str | os.PathLike[str]) -> Flow:
    """A flow from a `.flo` file. Pixels of which it says that nothing is known stand still.

    Raises:
        NotFound: there is no such file.
        BadMedia: it is no flow, or is cut short.
        TooLarge: it has more pixels than `ml4a._core.limits` allow.
    """
    data, name = sources.read(source), sources.shown(source)
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        raise BadMedia(f"{name} is no flow: a .flo file begins with {_MAGIC.decode()}")
    _, width, height = _HEADER.unpack_from(data)
    if width < 1 or height < 1:
        raise BadMedia(f"{name} is broken: a flow of {width}x{height} px")
    if width * height > limits.PICTURE_PIXELS:
        raise TooLarge(f"{name} has {width}x{height} px; {limits.PICTURE_PIXELS} pixels are the most")
    missing = _HEADER.size + 8 * width * height - len(data)
    if missing:
        what = "cut short" if missing > 0 else "longer than it says"
        raise BadMedia(f"{name} is {what}: a flow of {width}x{height} px takes {len(data) + missing} bytes")
    vectors = np.frombuffer(data, "<f4", offset=_HEADER.size).reshape(height, width, 2).astype(np.float32)
    known = (np.abs(vectors) < _UNKNOWN).all(axis=2, keepdims=True)  # false also for NaN
    return Flow(np.where(known, vectors, np.float32(0)))


def save(vectors: Array, path: Path, *, overwrite: bool) -> Path:
    """See `Flow.save`."""
    if path.suffix.lower() != SUFFIX:
        raise BadValue(f"the name of a flow must end in {SUFFIX}, not {path.suffix!r}")
    height, width = vectors.shape[:2]
    with files.atomic(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(_HEADER.pack(_MAGIC, width, height) + vectors.astype("<f4").tobytes())
    return path
