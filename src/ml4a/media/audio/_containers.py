"""Which files hold sound: known by their content, never by their names.

Films are on the list too: their sound is read like any other. What is not on it is never shown to FFmpeg.
"""

from __future__ import annotations

from typing import BinaryIO

from .. import _containers

_HEAD_BYTES = 64
_CHUNKED = {
    (b"RIFF", b"WAVE"): "wav",
    (b"RF64", b"WAVE"): "wav",
    (b"BW64", b"WAVE"): "wav",
    (b"FORM", b"AIFF"): "aiff",
    (b"FORM", b"AIFC"): "aiff",
}
"""Files of chunks: the first four bytes, then a size, then what the chunks are."""
_BEGINNINGS = (
    (b"fLaC", "flac"),
    (b".snd", "au"),
    (b"caff", "caf"),
    (b"wvpk", "wv"),
    (b"riff\x2e\x91\xcf\x11", "w64"),
)
_SOUNDLESS = ("gif", "apng", "webp")


def sniff(file: BinaryIO) -> str | None:
    """FFmpeg's name of the container; None if it is none that holds sound."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head.startswith(b"ID3"):
        file.seek(_length_of_tag(head))
        head = file.read(_HEAD_BYTES)
        known = _sniff_sound(head)
        return known or "mp3"  # players of MP3 look for its first frame beyond any tag
    known = _sniff_sound(head)
    if known is None:
        known = _containers.sniff(file)
    return None if known in _SOUNDLESS else known


def describe(file: BinaryIO) -> str:
    """What a file that `sniff` does not know is, in words."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if head.startswith(b"MThd"):
        return "MIDI: notes, but no sound; render it in a music program first"
    if _containers.sniff(file) in _SOUNDLESS:
        return "an animation, which has no sound"
    words = _containers.describe(file).replace("no film", "no sound").replace("the film itself", "the sound itself")
    return words.replace("; load it with image.load", ", which has no sound").replace("as .mp4", "as .wav")


def _sniff_sound(head: bytes) -> str | None:
    chunked = _CHUNKED.get((head[:4], head[8:12]))
    return chunked or next((name for start, name in _BEGINNINGS if head.startswith(start)), None) or _mpeg_audio(head)


def _length_of_tag(head: bytes) -> int:
    """Bytes of the ID3 tag that a file begins with: its length has seven bits in each of four bytes."""
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length


def _mpeg_audio(head: bytes) -> str | None:
    """Bare frames of MPEG sound begin with eleven bits set; an AAC frame claims to be of layer 0."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if layer == 0:
        return "aac" if head[1] & 0xF0 == 0xF0 else None
    reserved = version == 1 or head[2] >> 4 == 15 or head[2] >> 2 & 3 == 3
    return None if reserved else "mp3"
