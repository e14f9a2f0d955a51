"""Animated WebP, which FFmpeg does not decode: read by Pillow."""

from __future__ import annotations

import io
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml4a._core.errors import BadMedia

from . import _blocks, _decode, sources
from ._frames import Frame, on_white

_UNHURRIED = 100
"""Milliseconds for which browsers show a frame whose duration is 0."""


class WebPFile:
    """An animated WebP, with the attributes and frames of a `FilmFile`.

    Raises:
        BadMedia: broken.
        TooLarge: more bytes or pixels than `limits` allow.
    """

    time_base = Fraction(1, 1000)
    sound = False
    animation = True
    colors = (2, 2)
    damaged = 0

    def __init__(self, source: Path | bytes) -> None:
        self.name = sources.shown(source)
        self._source = source
        data = sources.read(source)
        self._durations = _durations(data)
        self.count = len(self._durations)
        self.duration = sum(self._durations, start=Fraction(0))
        self.rate = self.count / self.duration
        first = next(self._pictures(data), None)
        if first is None:
            raise BadMedia(f"{self.name} holds no frame that can be decoded; it may be cut short")
        self.size = first.size
        self._alpha = first.mode == "RGBA" and first.getchannel("A").getextrema() != (255, 255)

    def frames(self) -> Generator[Frame, None, None]:
        """The frames in order, uint8.

        Raises:
            BadMedia: the file is broken or cut short.
        """
        time = Fraction(0)
        pictures = self._pictures(sources.read(self._source))
        for picture, duration in zip(pictures, self._durations, strict=False):
            array = np.asarray(picture)
            yield Frame(array if self._alpha else on_white(array), time, duration)
            time += duration

    def _pictures(self, data: bytes) -> Generator[Image.Image, None, None]:
        file: Any = _decode.read_header(data, self.name).picture
        for number in range(file.n_frames):
            try:
                file.seek(number)
                yield file.copy()
            except Exception as error:  # decoders answer hostile bytes with almost any error
                raise BadMedia(f"{self.name} is broken or cut short at frame {number} ({error})") from None


def _durations(data: bytes) -> list[Fraction]:
    """Seconds of each frame (RFC 9649, 2.7.1.2)."""
    starts = [chunk.start for chunk in _blocks.webp_chunks(io.BytesIO(data)) if chunk.kind == b"ANMF"]
    milliseconds = [int.from_bytes(data[start + 12 : start + 15], "little") for start in starts]
    return [Fraction(each or _UNHURRIED, 1000) for each in milliseconds]
