"""What tells a picture that is worth keeping: how sharp it is, and whether an earlier one looks the same."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image

BITS = 64
"""Of a perceptual hash."""
SHARPNESS_SIDE = 512
"""Pixels of the longer side at which sharpness is measured; smaller pictures are measured as they are."""

_HASHED, _LOW = 32, 8
"""Side of the picture whose frequencies are computed; how many of them count in each direction."""
_NOISE = 1.0
"""By how much a frequency must be above the median: a wave of a 16th of a grey level. Flat areas are not even so."""
_FIRST = 1024
"""Hashes that there is room for at first."""

Array = np.ndarray[Any, Any]


def sharpness(picture: Picture) -> float:
    """How sharp a picture is: the variance of its Laplacian (Pech-Pacheco et al., ICPR 2000).

    It is measured in grey levels from 0 to 255, on the picture reduced to `SHARPNESS_SIDE` pixels, so that
    resolutions can be compared. Photographs that are in focus have some hundreds and
    more, blurred ones some tens and less; what is flat has 0.
    """
    return float(cv2.Laplacian(_grey(picture, SHARPNESS_SIDE), cv2.CV_32F).var())


def perceptual_hash(picture: Picture) -> int:
    """64 bits that hardly change when a picture is scaled, saved as JPEG, or made lighter or darker.

    The lowest 8×8 frequencies of the picture squeezed to 32×32 grey pixels, each compared with their median (the pHash
    of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010). Bits in which two pictures'
    hashes differ count how unlike they are: up to about 6 are copies of one picture, other pictures differ in some 30.
    A picture's mirror image is another picture.
    """
    grey = cv2.resize(_grey(picture), (_HASHED, _HASHED), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey)[:_LOW, :_LOW].ravel()
    low[0] = -np.inf  # the mean brightness, far above all others, says nothing
    bits = low > np.median(low[1:]) + _NOISE
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


class Duplicates:
    """Remembers what pictures looked like, and says which earlier one a new one looks like.

    Args:
        distance: How many of the 64 bits may differ in what is still the same picture; 0 and more.

    Raises:
        BadValue: no number of bits.
    """

    def __init__(self, distance: int) -> None:
        if isinstance(distance, bool) or not isinstance(distance, int) or not 0 <= distance <= BITS:
            raise BadValue(f"duplicates are told by a number of bits from 0 to {BITS}, not {distance!r}")
        self._distance = distance
        self._names: list[str] = []
        self._hashes = np.zeros(_FIRST, np.uint64)

    def first_like(self, name: str, hash: int) -> str | None:
        """The name of the first picture that looks like this one; if there is none, this one is remembered.

        Some 100 µs among 100,000 pictures.

        Args:
            name: What to call this one later.
            hash: Its `perceptual_hash`.
        """
        known = self._hashes[: len(self._names)]
        like = np.bitwise_count(known ^ np.uint64(hash)) <= self._distance
        if like.any():
            return self._names[int(like.argmax())]
        if len(self._names) == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.zeros_like(self._hashes)])
        self._hashes[len(self._names)] = hash
        self._names.append(name)
        return None


def _grey(picture: Picture, longest: int | None = None) -> Array:
    """H×W float32 from 0 to 255, reduced to `longest` pixels at most."""
    array = image.to_array(picture)
    grey = cv2.cvtColor(np.ascontiguousarray(array[:, :, :3], np.float32), cv2.COLOR_RGB2GRAY) * np.float32(255)
    height, width = grey.shape
    if longest is not None and max(height, width) > longest:
        scale = longest / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return grey
