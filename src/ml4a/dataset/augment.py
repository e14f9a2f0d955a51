"""Copies of a picture that differ by chance: cut out elsewhere, larger or smaller, turned, stretched."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from ml4a._core import limits
from ml4a._core.errors import TooLarge
from ml4a._core.params import Parameter, Range, check

_BICUBIC = Image.Resampling.BICUBIC


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far the copies of a picture may differ.

        Augmentation(per_picture=4, crop=0.8, crop_vary=0.15, rotate=10, stretch=0.1)

    Raises:
        BadValue: a number out of its range.
    """

    per_picture: int = 1
    """How many pictures are made of each."""
    crop: float = 1.0
    """The part of a picture's limiting side that is kept, above 0 to 1; never fewer pixels than the result has."""
    crop_vary: float = 0.0
    """By how much that part is more or less, at most."""
    rotate: float = 0.0
    """Degrees by which a picture is turned at most, either way; corners come in black."""
    stretch: float = 0.0
    """By which part a picture becomes wider or narrower, or higher or lower, at most."""
    centered: bool = False
    """Whether the middle is cut out, instead of a place by chance."""

    def __post_init__(self) -> None:
        for name, (kind, bounds) in _BOUNDS.items():
            object.__setattr__(
                self, name, check(Parameter(name, kind, None, bounds, "", None, True), getattr(self, name))
            )

    def draw(self, rng: random.Random) -> Draw:
        """What one copy is: three numbers are drawn, in this order, also where they cannot matter."""
        rotate = self.rotate * _either_way(rng)
        crop = self.crop + self.crop_vary * _either_way(rng)
        return Draw(rotate, crop, self.stretch * _either_way(rng))

    def copies(self, picture: Image.Image, size: tuple[int, int] | None, seed: int, name: str) -> Iterator[Image.Image]:
        """All copies of a picture. What they are depends on the seed, the name and the number of the copy alone.

        Args:
            picture: An RGB image.
            size: (width, height) of the copies; None is that of the picture.
            seed: The data set's.
            name: The picture's own, by which others differ.
        """
        for number in range(self.per_picture):
            rng = chance(seed, name, number)
            yield cut_out(picture, size, self.draw(rng), rng, centered=self.centered)


_BOUNDS: dict[str, tuple[type, Range | None]] = {
    "per_picture": (int, Range(1, 10_000)),
    "crop": (float, Range(0.01, 1)),
    "crop_vary": (float, Range(0, 1)),
    "rotate": (float, Range(0, 180)),
    "stretch": (float, Range(0, 0.95)),
    "centered": (bool, None),
}


@dataclass(frozen=True, slots=True)
class Draw:
    """What chance has chosen for one copy."""

    rotate: float
    """Degrees, counter-clockwise."""
    crop: float
    """The part of the limiting side."""
    stretch: float
    """By which part one of the sides, which is drawn when it is cut out, is longer."""


def chance(*of: object) -> random.Random:
    """Random numbers that depend on nothing but these words and numbers, on every machine alike."""
    words = "\0".join(map(str, of)).encode("utf-8", "surrogatepass")
    return random.Random(int.from_bytes(hashlib.sha256(words).digest()[:16]))  # noqa: S311  # no secret


def cut_out(
    picture: Image.Image, size: tuple[int, int] | None, draw: Draw, rng: random.Random, *, centered: bool = False
) -> Image.Image:
    """One copy: enlarged if it is too small, stretched, turned, cut out and resized, all of it bicubic and in 8 bits.

    Up to rounding the pixels are those of the dataset tool of ml4a's 2021 library, but for what was wrong there: angles
    below 0 count, and what stretching makes too small is enlarged again instead of having a black edge.

    Args:
        picture: An RGB image.
        size: (width, height) of the result; None is that of the picture.
        draw: What chance has chosen before.
        rng: Chooses which side is stretched and, unless `centered`, the place.
        centered: Whether the middle is cut out.

    Raises:
        TooLarge: it is so narrow that, enlarged until it fits, it would have more pixels than a picture may.
    """
    size = size or picture.size
    picture = _at_least(picture, size)
    if draw.stretch:
        across, down = (1.0, 1 + draw.stretch) if rng.random() < 0.5 else (1 + draw.stretch, 1.0)
        stretched = (max(1, int(picture.width * across)), max(1, int(picture.height * down)))
        picture = _at_least(picture.resize(stretched, _BICUBIC), size)
    if draw.rotate:
        picture = picture.rotate(draw.rotate, _BICUBIC)
    width, height = _crop_size(picture.size, size, draw.crop)
    right, below = (0.5, 0.5) if centered else (rng.random(), rng.random())
    x, y = int((picture.width - width - 1) * right), int((picture.height - height - 1) * below)
    return picture.crop((x, y, x + int(width), y + int(height))).resize(size, _BICUBIC)


def enlarged_size(size: tuple[int, int], least: tuple[int, int]) -> tuple[int, int]:
    """(width, height) with the same shape, large enough to hold `least`, and no larger than `size` where that does."""
    factor = max(least[0] / size[0], least[1] / size[1])
    if factor <= 1:
        return size
    return max(least[0], int(factor * size[0])), max(least[1], int(factor * size[1]))


def _at_least(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    enlarged = enlarged_size(picture.size, size)
    if enlarged[0] * enlarged[1] > limits.PICTURE_PIXELS:
        raise TooLarge(f"it has {picture.width}x{picture.height} px, too narrow to be enlarged to {size[0]}x{size[1]}")
    return picture if enlarged == picture.size else picture.resize(enlarged, _BICUBIC)


def _crop_size(whole: tuple[int, int], size: tuple[int, int], part: float) -> tuple[float, float]:
    """What is cut out: of the shape of `size`, not smaller than it, inside `whole`."""
    ratio = size[0] / size[1]
    if whole[0] / whole[1] > ratio:
        height = max(size[1], whole[1] * part)
        width, height = height * ratio, height
    else:
        width = max(size[0], whole[0] * part)
        width, height = width, width / ratio
    return min(width, whole[0]), min(height, whole[1])


def _either_way(rng: random.Random) -> float:
    return -1 + 2 * rng.random()
