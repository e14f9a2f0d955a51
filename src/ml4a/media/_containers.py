"""Which files are films or animations: known by their content, never by their names.

What is not on this list is never shown to FFmpeg, which would also open playlists, and with them other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from . import _blocks
from .image import _formats

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts"}
    | {".m2ts", ".ogv", ".flv", ".wmv", ".gif", ".apng"}
)
"""Names by which people call films. Other content under such a name is a film gone wrong, not a picture."""

_HEAD_BYTES = 600
_STILLS = (b"avif", b"avis", b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_BEGINNINGS = (
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"OggS", "ogg"),
    (b"FLV\x01", "flv"),
    (b"\0\0\x01\xba", "mpeg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
)
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"v=0", b"<MPD", b"<?xml", b"[playlist]", b"[Reference]", b"<asx", b"<smil")
_QUICKTIME_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def sniff(file: BinaryIO) -> str | None:
    """FFmpeg's name of the container, or `"webp"`; None if the file is no film and holds no more than one picture."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif" if _several(_blocks.gif_blocks(file), b"image") else None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp" if _several(_blocks.webp_chunks(file), b"ANMF") else None
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "apng" if _several(_blocks.png_chunks(file), b"fcTL") else None
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] in _QUICKTIME_ATOMS:
        return None if head[4:8] == b"ftyp" and head[8:12] in _STILLS else "mov"
    if _is_transport_stream(head):
        return "mpegts"
    return next((name for beginning, name in _BEGINNINGS if head.startswith(beginning)), None)


def is_called_film(path: Path, file: BinaryIO) -> bool:
    """Whether a file that `sniff` does not know was meant to be a film: by its name, if it is no picture either."""
    file.seek(0)
    return path.suffix.lower() in SUFFIXES and _formats.sniff(file.read(32)) is None


def describe(file: BinaryIO) -> str:
    """What a file that `sniff` does not know is, in words."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if _formats.sniff(head[:32]) is not None:
        return "a single picture; load it with image.load"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
        return "a playlist, which names other files; give the film itself"
    words = "text" if head.isascii() and b"\0" not in head else _formats.describe(head)
    return f"{words.replace('no picture', 'no film')}, whatever its name says; export it as .mp4"


def _several(blocks: Iterator[_blocks.Block], kind: bytes) -> bool:
    found = 0
    for block in blocks:
        found += block.kind == kind
        if found == 2:
            return True
    return False


def _is_transport_stream(head: bytes) -> bool:
    """Packets of 188 bytes that begin with 0x47; on discs each has a time stamp of 4 bytes before it."""
    return any(
        len(head) > start + 2 * step and all(head[start + i * step] == 0x47 for i in range(3))
        for start, step in ((0, 188), (4, 192))
    )
