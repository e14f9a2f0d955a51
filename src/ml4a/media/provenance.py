"""What a PIL image is known to be: the file it was loaded from, or the record of what made it.

PIL carries `info` along when a picture is cropped or rotated, so what is known holds only while the pixels agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ml4a._core.record import Input, Record, digest

_KEY = "ml4a"


@dataclass(frozen=True, slots=True)
class _Known:
    pixels: str
    origin: Input | Record


def pixels_digest(picture: Image.Image | np.ndarray[Any, Any]) -> str:
    """SHA-256 of a picture's shape and values."""
    if isinstance(picture, Image.Image):
        return digest(f"{picture.mode} {picture.size}".encode(), picture.tobytes())
    array = np.ascontiguousarray(picture)
    return digest(f"{array.dtype} {array.shape}".encode(), array.view(np.uint8).data)


def mark(picture: Image.Image, origin: Input | Record) -> None:
    """Remember where `picture` comes from."""
    picture.info[_KEY] = _Known(pixels_digest(picture), origin)


def mark_file(picture: Image.Image, sha256: str, options: Mapping[str, Any]) -> None:
    """Remember that `picture` was loaded from the file with this hash, with these options of `image.load`."""
    mark(picture, Input("", "file", sha256, _size(picture.size), dict(options)))


def origin_of(picture: Image.Image) -> Input | Record | None:
    """Where `picture` comes from, or None if it was changed since or nobody knows."""
    known = picture.info.get(_KEY)
    if not isinstance(known, _Known) or known.pixels != pixels_digest(picture):
        return None
    return known.origin


def record_of(picture: Any) -> Record | None:
    """The record of the call that made `picture`, if it is a PIL image that carries one and still is what was made."""
    origin = origin_of(picture) if isinstance(picture, Image.Image) else None
    return origin if isinstance(origin, Record) else None


def as_input(picture: Image.Image | np.ndarray[Any, Any], role: str) -> Input:
    """`picture` as a record's input in the given role."""
    if isinstance(picture, np.ndarray):
        return Input(role, "pixels", pixels_digest(picture), _size((picture.shape[1], picture.shape[0])))
    origin = origin_of(picture)
    size = _size(picture.size)
    if isinstance(origin, Input):
        return Input(role, origin.kind, origin.sha256, size, origin.options)
    return Input(role, "pixels" if origin is None else "result", pixels_digest(picture), size, record=origin)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
