"""Pictures with more than 8 bits a channel, which Pillow cannot hold: 16-bit PNG and TIFF, TIFF in floats."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import TiffImagePlugin

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_UINT, _FLOAT = 1, 3
_UNSPECIFIED, _ASSOCIATED, _UNASSOCIATED = 0, 1, 2
_DEFLATE, _HORIZONTAL = 8, 2
_SILENT = 0
"""OpenCV's log level."""


@dataclass(frozen=True, slots=True)
class TiffTags:
    """The tags of a TIFF's first picture that decide how it is read."""

    size: tuple[int, int]
    """(width, height) as stored."""
    bits: int
    sample_format: int
    photometric: int
    samples: int
    planar: int
    extra: int | None
    """What the channel after the colours is; None where there is no such tag."""
    orientation: int
    profile: bytes | None
    end: int
    """Where the last of the pixels' bytes should be."""

    @classmethod
    def read(cls, data: bytes) -> TiffTags:
        """Read the first directory of a TIFF; of a broken one, raise almost anything."""
        file = io.BytesIO(data)
        is_big = 43 in data[2:4]
        tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(16 if is_big else 8))
        file.seek(tags.next)
        tags.load(file)
        orientation = tags.get(274, 1)
        return cls(
            size=(int(tags[256]), int(tags[257])),
            bits=max(tags.get(258, (1,))),
            sample_format=max(tags.get(339, (_UINT,))),
            photometric=tags.get(262, _BLACK_IS_ZERO),
            samples=tags.get(277, 1),
            planar=tags.get(284, 1),
            extra=next(iter(tags.get(338, ())), None),
            orientation=orientation if orientation in range(1, 9) else 1,
            profile=tags.get(34675),
            end=max(map(sum, zip(tags.get(273, tags.get(324, ())), tags.get(279, tags.get(325, ())), strict=False))),
        )

    @property
    def readable(self) -> bool:
        """Whether it is deep, and of a layout that OpenCV is known to read right."""
        deep = (self.bits, self.sample_format) in ((16, _UINT), (32, _FLOAT), (64, _FLOAT))
        grey = self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and self.samples == 1
        colour = self.photometric == _RGB and self.samples in (3, 4) and self.planar == 1
        return deep and (grey or colour)

    @property
    def misread_by_pillow(self) -> bool:
        """Whether it is deep with a plane for each channel, which Pillow takes for 8 bits."""
        return self.bits > 8 and self.samples > 1 and self.planar != 1

    def __str__(self) -> str:
        planes = " in planes" if self.planar != 1 else ""
        return f"{self.samples} channels of {self.bits} bits{planes}, photometric {self.photometric}"


def decode_png(data: bytes, transparent: int | None = None) -> np.ndarray[Any, Any]:
    """A 16-bit PNG as H×W×C float32 in [0, 1], not yet upright.

    Args:
        data: The file, verified: OpenCV's own complaints go to the terminal.
        transparent: The grey value that a tRNS chunk calls transparent (of colours OpenCV makes alpha itself).
    """
    array = _decode(data)
    if array.shape[2] == 1 and transparent is not None:
        array = np.concatenate([array, np.where(array == transparent, array.dtype.type(0), 65535)], axis=2)
    return _as_unit(array)


def decode_tiff(data: bytes) -> np.ndarray[Any, Any]:
    """A `TiffTags.readable` TIFF as H×W×C float32 in [0, 1], upright. Floats beyond [0, 1] are clipped."""
    tags = TiffTags.read(data)
    array = _as_unit(_decode(data))
    if tags.photometric == _WHITE_IS_ZERO:
        array = 1 - array
    if array.shape[2] == 4 and tags.extra == _UNSPECIFIED:
        array = array[:, :, :3]
    if array.shape[2] == 4 and tags.extra == _ASSOCIATED:
        alpha = array[:, :, 3:]
        array[:, :, :3] = np.divide(array[:, :, :3], alpha, out=np.zeros_like(array[:, :, :3]), where=alpha > 0)
    return array.clip(0, 1)


def encode_png(array: np.ndarray[Any, Any]) -> bytes:
    """An H×W×C uint16 array, C = 3 or 4, as a PNG."""
    import cv2

    done, encoded = cv2.imencode(".png", _swap_colours(array))
    if not done:
        raise OSError("OpenCV could not write it")
    return encoded.tobytes()


def encode_tiff(array: np.ndarray[Any, Any], packet: bytes | None) -> bytes:
    """An H×W×C uint16 array, C = 3 or 4, as a TIFF (deflate, horizontal differences) with an XMP packet."""
    height, width, channels = array.shape
    differences = np.diff(array, axis=1, prepend=np.zeros_like(array[:, :1]))
    strip = zlib.compress(differences.astype("<u2").tobytes())
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    tags[256], tags[257], tags[258], tags[259] = width, height, (16,) * channels, _DEFLATE
    tags[262], tags[277], tags[278], tags[317] = _RGB, channels, height, _HORIZONTAL
    tags[273], tags[279] = 0, len(strip)  # Pillow adds the directory's own length to the offset
    if channels == 4:
        tags[338] = _UNASSOCIATED
    if packet is not None:
        tags[700] = packet
    return b"II*\0" + struct.pack("<I", 8) + tags.tobytes(8) + strip


def _decode(data: bytes) -> np.ndarray[Any, Any]:
    import cv2

    with _quiet():
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise OSError("OpenCV could not read it")
    return _swap_colours(array if array.ndim == 3 else array[:, :, None])


def _swap_colours(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """RGB[A] ↔ OpenCV's BGR[A]."""
    return array if array.shape[2] < 3 else np.ascontiguousarray(array[:, :, [2, 1, 0, 3][: array.shape[2]]])


def _as_unit(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if array.dtype == np.uint16:
        return array.astype(np.float32) / np.float32(65535)
    return np.nan_to_num(array.astype(np.float32), nan=0.0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV's log off the terminal: what is wrong with a file is said by our own error."""
    import cv2

    log: Any = getattr(cv2.utils, "logging", cv2)  # before OpenCV 5 the functions are OpenCV's own
    level = log.getLogLevel()
    log.setLogLevel(_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)
