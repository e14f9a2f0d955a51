"""Size and shape of pictures. Sizes are (width, height); every function gives back the kind that it was given."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture

from .. import sources
from . import _crop, _decode, _kinds, _resample
from ._load import load


def size(picture: Picture) -> tuple[int, int]:
    """(width, height) of a picture, upright. Of a file only the header is read."""
    if isinstance(picture, str | bytes | os.PathLike):
        return _decode.read_header(sources.read(picture), sources.shown(picture)).size
    if isinstance(picture, Image.Image):
        return load(picture).size
    height, width = picture.shape[-2:] if _kinds.kind_of(picture) == "tensor" else picture.shape[:2]
    return width, height


def aspect_ratio(picture: Picture) -> float:
    """Width divided by height."""
    width, height = size(picture)
    return width / height


def resize(picture: Picture, size: int | tuple[int, int], filter: _resample.Filter = "auto") -> Any:
    """`picture` at another size, anti-aliased when it shrinks.

    Float arrays and tensors are not squeezed through 8 bits, and grey arrays stay grey.

    Args:
        picture: What to resize.
        size: A number is the height; a pair is exactly (width, height).
        filter: `"auto"` is bicubic where the area grows and Lanczos where it shrinks.

    Raises:
        BadValue: no such size or filter.
    """
    kind, pixels = _kinds.kind_of(picture), _pixels(picture)
    current = pixels.size if isinstance(pixels, Image.Image) else (pixels.shape[1], pixels.shape[0])
    return _kinds.as_kind(_resample.resample(pixels, _resample.target_size(current, size), filter), kind)


def crop_to_aspect_ratio(picture: Picture, ratio: float) -> Any:
    """The largest part in the middle of `picture` whose width / height is `ratio`; no pixel is resampled.

    Raises:
        BadValue: `ratio` is not a positive number.
    """
    if not (isinstance(ratio, int | float) and 0 < ratio < float("inf")):
        raise BadValue(f"an aspect ratio is a positive number, width / height, not {ratio!r}")
    kind, array = _kinds.kind_of(picture), np.asarray(_pixels(picture))
    left, top, right, bottom = _crop.centre_box((array.shape[1], array.shape[0]), ratio)
    return _kinds.as_kind(np.ascontiguousarray(array[top:bottom, left:right]), kind)


def _pixels(picture: Picture) -> Any:
    """A PIL image as it is after loading; an array or tensor as float32 with the channels that it has."""
    if isinstance(picture, str | bytes | os.PathLike | Image.Image):
        return load(picture)
    return _kinds.as_float(picture)
