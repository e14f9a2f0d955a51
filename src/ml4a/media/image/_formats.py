"""The picture formats that ml4a reads and writes. Files are known by their first bytes, never by their names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ml4a._core.errors import BadValue


@dataclass(frozen=True, slots=True)
class Format:
    """What a format can hold."""

    name: str
    """Pillow's name."""
    suffixes: tuple[str, ...]
    largest_side: int
    """Pixels; a header field or the encoder ends there."""
    alpha: bool = True
    deep: bool = False
    """Whether it can hold 16 bits a channel."""


FORMATS = (
    Format("PNG", (".png",), 2**31 - 1, deep=True),
    Format("JPEG", (".jpg", ".jpeg"), 65500, alpha=False),
    Format("WEBP", (".webp",), 16383),
    Format("TIFF", (".tif", ".tiff"), 2**31 - 1, deep=True),
    Format("AVIF", (".avif",), 65536),
    Format("GIF", (".gif",), 65535),
    Format("BMP", (".bmp",), 2**31 - 1, alpha=False),
)

_SVG = Format("SVG", (".svg",), 2**31 - 1)
"""Is written, by `ml4a.trace`, and not read."""

_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"MZ", "a program"),
    (b"\x7fELF", "a program"),
    (b"\x1aE\xdf\xa3", "a film"),
)


def by_suffix(path: str | os.PathLike[str]) -> Format:
    """The format that a name's suffix asks for.

    Raises:
        BadValue: no such format.
    """
    suffix = Path(path).suffix.lower()
    written = (*FORMATS, _SVG)
    for known in written:
        if suffix in known.suffixes:
            return known
    choices = ", ".join(suffix for known in written for suffix in known.suffixes)
    raise BadValue(f"a picture's name must end in one of {choices}, not {suffix!r}")


def is_svg(head: bytes) -> bool:
    """Whether a file that begins with `head` (some hundred bytes) is an SVG document."""
    return b"<svg" in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml"))


def sniff(head: bytes) -> str | None:
    """Pillow's name of the format of a file that begins with `head` (32 bytes will do), or None."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if head[4:8] == b"ftyp" and (b"avif" in head or b"avis" in head):
        return "AVIF"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    return "BMP" if head[:2] == b"BM" else None


def describe(head: bytes) -> str:
    """What a file that is no picture of ours is, as far as its first bytes say."""
    if not head:
        return "empty"
    if head[4:8] == b"ftyp":
        return "a HEIC picture" if head[8:11] in (b"hei", b"hev", b"mif") else "a film"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, words in _OTHERS:
        if text[: len(magic)].lower() == magic.lower():
            return words
    return "no picture"
