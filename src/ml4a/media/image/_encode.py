"""Pixels → the bytes of a picture file, and the files themselves."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from ml4a._core import files
from ml4a._core import record as records
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.record import Record

from .. import provenance
from . import _deep, _formats, _metadata
from ._load import load

LOSSLESS = 100


def save(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    record: Record | None = None,
    bits: Literal[8, 16] = 8,
    quality: int = 95,
    overwrite: bool = True,
) -> Path:
    """Write a picture; the name's suffix chooses the format. The file appears whole or not at all.

    JPEG and BMP have no transparency: there the picture is laid on white. GIF has 256 colours and no half-transparent
    pixels. SVG is traced, as `ml4a.trace.svg` does it by default. The record of what made the picture goes along (not
    in BMP); nothing else of the source's metadata does.

    Args:
        picture: What to write.
        path: Ends in .png, .jpg, .webp, .tif, .avif, .gif, .bmp or .svg. Missing folders are made.
        record: What made it, for arrays and tensors; PIL images carry theirs.
        bits: 16 bits a channel, in PNG and TIFF.
        quality: 1 to 100, for JPEG, WebP and AVIF; 100 is lossless in WebP.
        overwrite: Whether a file of that name may be replaced.

    Returns:
        Where it is.

    Raises:
        BadValue: no such format, or one that cannot hold this picture or so many bits.
        OutputExists: the file exists and `overwrite` is false, or it is a folder.
        CannotWrite: no permission, no space.
    """
    target = Path(path)
    form = _formats.by_suffix(target)
    files.refuse_existing(target, overwrite)
    data = encode(picture, form.suffixes[0], record=record, bits=bits, quality=quality)
    with files.atomic(target, overwrite=overwrite) as temporary:
        temporary.write_bytes(data)
    return target


def encode(
    picture: Picture,
    suffix: str = ".png",
    *,
    record: Record | None = None,
    bits: Literal[8, 16] = 8,
    quality: int = 95,
) -> bytes:
    """The bytes that `save` would write to a file with this suffix."""
    form = _formats.by_suffix(f"picture{suffix}")
    if bits not in (8, 16) or (bits == 16 and not form.deep):
        raise BadValue(f"bits must be 8, or 16 in PNG and TIFF; {form.name} with bits={bits!r} is not possible")
    if not (isinstance(quality, int) and 1 <= quality <= LOSSLESS):
        raise BadValue(f"quality must be a whole number between 1 and {LOSSLESS}, not {quality!r}")
    record = (record or provenance.record_of(picture)) if records.enabled() else None
    if form.name == "SVG":
        from .. import trace  # which needs this package

        return _metadata.insert_into_svg(trace.svg(picture), record).encode()
    if bits == 16:
        array = load(picture, as_array=True)
        _check_sides((array.shape[1], array.shape[0]), form)
        deep = (array * 65535 + 0.5).astype(np.uint16)
        if form.name == "TIFF":
            return _deep.encode_tiff(deep, None if record is None else _metadata.packet(record))
        return _metadata.insert_into_png(_deep.encode_png(deep), record)
    image = load(picture)
    _check_sides(image.size, form)
    return _encode_8_bit(image, form, quality, record)


def most_bits(path: str | os.PathLike[str]) -> Literal[8, 16]:
    """How many bits a channel a file of this name can have: 16 in PNG and TIFF, 8 in the others.

    Raises:
        BadValue: no such format.
    """
    return 16 if _formats.by_suffix(path).deep else 8


def _encode_8_bit(image: Image.Image, form: _formats.Format, quality: int, record: Record | None) -> bytes:
    if image.mode == "RGBA" and not form.alpha:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    else:
        image = image.copy()
    image.info = {}  # Pillow would write what it finds there: a profile that is no longer true, another's comment
    buffer = io.BytesIO()
    options = {**_options(form.name, quality), **_metadata.pillow_options(form.name, record)}
    image.save(buffer, form.name, **options)
    data = buffer.getvalue()
    return _metadata.insert_into_png(data, record) if form.name == "PNG" else data


def _options(name: str, quality: int) -> dict[str, Any]:
    return {
        "JPEG": {"quality": quality, "subsampling": "4:4:4"},
        "WEBP": {"quality": quality, "lossless": quality == LOSSLESS, "exact": True},
        "AVIF": {"quality": quality, "subsampling": "4:4:4"},
        "TIFF": {"compression": "tiff_adobe_deflate"},
    }.get(name, {})


def _check_sides(size: tuple[int, int], form: _formats.Format) -> None:
    if max(size) > form.largest_side:
        width, height = size
        raise BadValue(f"{form.name} has at most {form.largest_side} px a side, not {width}x{height}; save as .png")
