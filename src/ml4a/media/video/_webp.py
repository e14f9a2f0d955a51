"""Animated WebP, which FFmpeg does not decode: read by Pillow."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml4a._core.errors import BadMedia

from .. import sources
from ..image import _decode
from . import _animation_times
from ._frames import Frame, on_white
from ._pipeline import ahead
from ._source import Header


class WebPFile:
    """An animated WebP, read like a `FilmFile`.

    Raises:
        BadMedia: broken.
        TooLarge: more bytes or pixels than `limits` allow.
    """

    track = None
    damaged = 0

    def __init__(self, source: Path | bytes) -> None:
        self._name = sources.shown(source)
        self._source = source
        data = sources.read(source)
        self._durations = _animation_times.of_webp(io.BytesIO(data))
        count, duration = len(self._durations), sum(self._durations, start=Fraction(0))
        self.header = Header(self._name, count / duration, Fraction(1, 1000), count, duration, animation=True)
        first = next(self._pictures(data), None)
        if first is None:
            raise BadMedia(f"{self._name} holds no frame that can be decoded; it may be cut short")
        self.size = first.size
        self._alpha = first.mode == "RGBA" and first.getchannel("A").getextrema() != (255, 255)

    def frames(self, start: Fraction = Fraction(0), queue: int = 1) -> Generator[Frame, None, None]:
        """The frames in order, uint8, decoded in a thread of their own.

        Raises:
            BadMedia: the file is broken or cut short.
        """
        with contextlib.closing(ahead(lambda: self._read(start), queue)) as frames:
            yield from frames

    def _read(self, start: Fraction) -> Generator[Frame, None, None]:
        time = Fraction(0)
        pictures = self._pictures(sources.read(self._source))
        for picture, duration in zip(pictures, self._durations, strict=False):
            if time + duration > start:
                array = np.asarray(picture)
                yield Frame(array if self._alpha else on_white(array), time, duration)
            time += duration

    def _pictures(self, data: bytes) -> Generator[Image.Image, None, None]:
        file: Any = _decode.read_header(data, self._name).picture
        for number in range(file.n_frames):
            try:
                file.seek(number)
                yield file.copy()
            except Exception as error:  # decoders answer hostile bytes with almost any error
                raise BadMedia(f"{self._name} is broken or cut short at frame {number} ({error})") from None
