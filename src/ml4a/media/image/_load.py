"""Reading pictures, from wherever they are."""

from __future__ import annotations

import os
from typing import Any, Literal, overload

import numpy as np
from PIL import Image

from ml4a._core import record
from ml4a._core.kinds import Picture

from .. import provenance, sources
from . import _crop, _decode, _kinds, _resample


@overload
def load(
    source: Picture | bytes,
    size: int | tuple[int, int] | None = ...,
    *,
    autocrop: bool = ...,
    allow_truncated: bool = ...,
) -> Image.Image: ...
@overload
def load(
    source: Picture | bytes,
    size: int | tuple[int, int] | None = ...,
    *,
    as_array: Literal[True],
    autocrop: bool = ...,
    allow_truncated: bool = ...,
) -> np.ndarray[Any, Any]: ...
@overload
def load(
    source: Picture | bytes,
    size: int | tuple[int, int] | None = ...,
    *,
    as_array: bool,
    autocrop: bool = ...,
    allow_truncated: bool = ...,
) -> Image.Image | np.ndarray[Any, Any]: ...


def load(
    source: Picture | bytes,
    size: int | tuple[int, int] | None = None,
    *,
    as_array: bool = False,
    autocrop: bool = False,
    allow_truncated: bool = False,
) -> Image.Image | np.ndarray[Any, Any]:
    """Read a picture: PNG, JPEG, WebP, TIFF, AVIF, GIF or BMP, recognised by its content.

    It comes out upright (EXIF), in sRGB (embedded colour profile, CMYK, grey), with its alpha. Of an animation, the
    first frame.

        photo = image.load("photo.jpg", size=768)
        cat = image.load("sample:chelsea")
        scan = image.load("scan16.tif", as_array=True)

    Args:
        source: A path, an http(s) URL, `sample:NAME`, the bytes of a picture file, or a picture in memory.
        size: A number is the HEIGHT, as in "720p"; a pair is exactly (width, height), whatever the aspect.
        as_array: H×W×C float32 in [0, 1] instead of a PIL image; 16-bit files keep their 16 bits.
        autocrop: Cut the picture to the shape of `size` first, around its middle, instead of squeezing it.
        allow_truncated: Read what is left of a file that was cut short; the rest is black or grey.

    Returns:
        A PIL image of mode RGB, or RGBA where there is alpha; or the array, C = 3 or 4.

    Raises:
        NotFound: there is no such file.
        BadMedia: not a picture, broken, or cut short.
        TooLarge: more than `limits.PICTURE_PIXELS` pixels or `PICTURE_BYTES` bytes.
        UnsafeURL, DownloadFailed, UnknownName: the URL is refused or fails; no such sample.
        BadValue: `size` is no size, or a picture in memory is not one.
    """
    if isinstance(source, str | bytes | os.PathLike):
        return _from_file(sources.read(source), sources.shown(source), size, as_array, autocrop, allow_truncated)
    return _finished(source, size, as_array, autocrop)


def loaded(picture: Picture) -> Any:
    """`picture` itself if it is in memory, of whatever kind; else the PIL image that its path or URL names.

    Raises:
        NotFound, BadMedia, UnsafeURL, DownloadFailed: as `load`.
    """
    return picture if _kinds.is_loaded(picture) else load(picture)


def load_deep(source: Picture | bytes) -> tuple[Any, Literal[8, 16]]:
    """Load `source` so that nothing is lost, and say how many bits a channel its result deserves.

    Returns:
        A float array and 16 for a file with more than 8 bits a channel; else what `load` gives and 8. A picture in
        memory is returned as it is, with 8.
    """
    if not isinstance(source, str | bytes | os.PathLike):
        return source, 8
    data = sources.read(source)
    name = sources.shown(source)
    deep = _decode.read_header(data, name).deep
    return _from_file(data, name, None, deep, False, False), 16 if deep else 8


def file_input(source: str | bytes | os.PathLike[str]) -> record.Input:
    """A picture file as a record's input: its SHA-256 and its size, upright."""
    data = sources.read(source)
    width, height = _decode.read_header(data, sources.shown(source)).size
    return record.Input("", "file", record.digest(data), f"{width}x{height}")


def _from_file(data: bytes, name: str, size: Any, as_array: bool, autocrop: bool, allow_truncated: bool) -> Any:
    picture = _finished(_decode.decode(data, name, allow_truncated=allow_truncated), size, as_array, autocrop)
    if isinstance(picture, Image.Image) and record.enabled():
        options: dict[str, Any] = {} if size is None else {"size": size}
        if autocrop:
            options["autocrop"] = True
        if allow_truncated:
            options["allow_truncated"] = True
        provenance.mark_file(picture, record.digest(data), options)
    return picture


def _finished(picture: Any, size: Any, as_array: bool, autocrop: bool) -> Any:
    picture = _kinds.to_array(picture) if as_array else _kinds.to_pil(picture)
    if size is None:
        return picture
    current = picture.size if isinstance(picture, Image.Image) else (picture.shape[1], picture.shape[0])
    target = _resample.target_size(current, size)
    if autocrop and not isinstance(size, int | np.integer):
        left, top, right, bottom = _crop.centre_box(current, target[0] / target[1])
        is_image = isinstance(picture, Image.Image)
        picture = picture.crop((left, top, right, bottom)) if is_image else picture[top:bottom, left:right]
    return _resample.resample(picture, target, "auto")
