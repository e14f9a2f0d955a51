"""The bytes of a picture file → pixels: upright, in sRGB. The content decides the format, never the name."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ml4a._core import limits
from ml4a._core.errors import BadMedia, TooLarge

from . import _deep, _formats, _icc, _orientation

# Not `Image.open`: it would try every plug-in, and its guard against large pictures is a warning that depends on a
# global of the process and comes before ours.
_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a picture before its pixels are decoded."""

    size: tuple[int, int]
    """(width, height) once it is upright."""
    orientation: int
    picture: ImageFile.ImageFile | None
    """Opened by Pillow, not yet decoded; None for TIFFs in floats, which it does not know."""
    profile: bytes | None
    missing: int
    """How many of its last bytes are not there, as far as the header tells."""
    deep: bool
    """Whether it has more than 8 bits a channel and OpenCV decodes it."""


def decode(data: bytes, name: str, *, allow_truncated: bool = False) -> Image.Image | np.ndarray[Any, Any]:
    """The picture in `data`: RGB or RGBA, or H×W×C float32 (C = 1 to 4) where the file has more than 8 bits.

    Of an animation, the first frame. `name` is for messages. With `allow_truncated` the rest of a picture cut short is
    black or grey, and 16-bit pictures are salvaged in 8 bits.

    Raises:
        BadMedia: not a picture, broken, or cut short.
        TooLarge: more than `limits.PICTURE_PIXELS`, by its header.
    """
    header = read_header(data, name)
    try:
        if header.missing and not allow_truncated:
            raise EOFError(f"{header.missing} bytes are missing")
        if header.picture is not None and (allow_truncated or not header.deep):
            picture = _pillow_pixels(header.picture, allow_truncated)
            return _plain(_icc.to_srgb(_orientation.upright(picture)))
        if isinstance(header.picture, PngImagePlugin.PngImageFile):
            _open(data, "PNG").verify()
            array = _deep.decode_png(data, header.picture.info.get("transparency"))
            array = _orientation.upright_array(array, header.orientation)
        else:
            array = _deep.decode_tiff(data)
        return _icc.array_to_srgb(array, header.profile)
    except Exception as error:  # decoders answer hostile bytes with almost any error
        hint = "" if allow_truncated else "; allow_truncated=True reads what is left of it"
        raise BadMedia(f"{name} is broken or cut short ({_short(error)}){hint}") from None


def read_header(data: bytes, name: str) -> Header:
    """Recognise the format and check the size, without decoding.

    Raises:
        BadMedia: not a picture of a format that ml4a reads.
        TooLarge: more than `limits.PICTURE_PIXELS`.
    """
    kind = _formats.sniff(data[:32])
    if kind is None:
        known = ", ".join(known.name for known in _formats.FORMATS)
        raise BadMedia(f"{name} is {_formats.describe(data[:64])}, whatever its name says; pictures are {known}")
    try:
        return _tiff_header(data, name) if kind == "TIFF" else _pillow_header(data, kind, name)
    except BadMedia:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise TooLarge(f"{name} has more pixels than the limit of {limits.PICTURE_PIXELS:,}") from None
    except Exception as error:  # as in `decode`
        raise BadMedia(f"{name} is a broken {kind} picture ({_short(error)})") from None


def _pillow_header(data: bytes, kind: str, name: str) -> Header:
    picture = _open(data, kind)
    _check_size(picture.size, name)
    is_late = kind == "PNG" and "exif" not in picture.info
    orientation = _late_orientation(data) if is_late else _orientation.of(picture)
    size = _orientation.upright_size(picture.size, orientation)
    deep = kind == "PNG" and data[24] == 16  # the bit depth in IHDR
    return Header(size, orientation, picture, picture.info.get("icc_profile"), 0, deep)


def _late_orientation(data: bytes) -> int:
    """The orientation of a PNG that has no EXIF data before its pixels; looking behind them means decoding it."""
    return _orientation.of(_open(data, "PNG")) if b"eXIf" in data or b":Orientation" in data else 1


def _tiff_header(data: bytes, name: str) -> Header:
    tags = _deep.TiffTags.read(data)
    _check_size(tags.size, name)
    try:
        picture = _open(data, "TIFF")
    except SyntaxError:
        picture = None
    if not tags.readable and (picture is None or tags.misread_by_pillow):
        raise BadMedia(f"{name} is a TIFF of a rare kind ({tags}); save it as PNG")
    size = _orientation.upright_size(tags.size, tags.orientation)
    missing = max(0, tags.end - len(data))
    return Header(size, tags.orientation, picture, tags.profile, missing, tags.readable)


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > limits.PICTURE_PIXELS:
        raise TooLarge(
            f"{name} has {width}x{height} = {width * height:,} pixels and the limit is {limits.PICTURE_PIXELS:,}; "
            "make it smaller first"
        )


def _open(data: bytes, kind: str) -> ImageFile.ImageFile:
    return _OPENERS[kind](io.BytesIO(data), "")


def _pillow_pixels(picture: ImageFile.ImageFile, allow_truncated: bool) -> Image.Image:
    try:
        picture.load()
    except OSError:
        if not allow_truncated or picture._im is None:  # noqa: SLF001
            raise
        # What was decoded until then is there. Pillow's own switch for this would hold for all threads.
        picture.tile = []
    return picture


def _plain(picture: Image.Image) -> Image.Image:
    """`picture` without what Pillow knows of its file, which is no longer true."""
    if isinstance(picture, ImageFile.ImageFile):
        picture = picture.copy()
    picture.info = {}
    return picture


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:80] or type(error).__name__
