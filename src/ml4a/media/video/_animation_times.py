"""How long each frame of an animation is shown, read off its blocks without decoding anything."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import BinaryIO

from .. import _blocks

_UNHURRIED = Fraction(1, 10)
"""Seconds for which browsers show a frame whose duration is 0, and GIFs those that claim 1/100."""
_UNHURRIED_PNG = Fraction(1, 15)
"""The same in PNGs, where FFmpeg has it so."""


def of_gif(file: BinaryIO) -> list[Fraction]:
    """Seconds of each frame (GIF89a, 23)."""
    durations = []
    hundredths = 0
    for block in _blocks.gif_blocks(file):
        if block.kind == b"\xf9":
            hundredths = int.from_bytes(_at(file, block.start + 2, 2), "little")
        elif block.kind == b"image":
            durations.append(Fraction(hundredths, 100) if hundredths > 1 else _UNHURRIED)
            hundredths = 0
    return durations


def of_png(file: BinaryIO) -> list[Fraction]:
    """Seconds of each frame (W3C PNG, 11.3.6.2)."""
    durations = []
    for chunk in _blocks.png_chunks(file):
        delay = _at(file, chunk.start + 20, 4) if chunk.kind == b"fcTL" else b""
        if len(delay) == 4:
            numerator, denominator = struct.unpack(">HH", delay)
            durations.append(Fraction(numerator, denominator or 100) or _UNHURRIED_PNG)
    return durations


def of_webp(file: BinaryIO) -> list[Fraction]:
    """Seconds of each frame (RFC 9649, 2.7.1.2)."""
    starts = [chunk.start for chunk in _blocks.webp_chunks(file) if chunk.kind == b"ANMF"]
    milliseconds = [int.from_bytes(_at(file, start + 12, 3), "little") for start in starts]
    return [Fraction(each, 1000) or _UNHURRIED for each in milliseconds]


def _at(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    return file.read(length)
