"""Sharpness and likeness: what is measured is what people see."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from ml4a._core.errors import BadValue
from ml4a.dataset import filters
from ml4a.media import image

NAMES = ("astronaut", "chelsea", "coffee", "rocket", "waves", "embers", "mosaic")
COPY = 6
"""Bits."""


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    return {name: image.sample(name) for name in NAMES}


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return image.load(buffer.getvalue())


def differing(a, b) -> int:
    return (filters.perceptual_hash(a) ^ filters.perceptual_hash(b)).bit_count()


CHANGES = {
    "smaller": lambda picture: picture.resize((picture.width // 3, picture.height // 3)),
    "squeezed": lambda picture: picture.resize((300, 200)),
    "jpeg": lambda picture: as_jpeg(picture, 30),
    "lighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "grey": lambda picture: ImageOps.grayscale(picture).convert("RGB"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_has_nearly_the_same_hash(pictures, change):
    for name, picture in pictures.items():
        assert differing(picture, CHANGES[change](picture)) <= COPY, name


def test_other_pictures_and_mirror_images_have_other_hashes(pictures):
    names = list(pictures)
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            assert differing(pictures[name], pictures[other]) > 2 * COPY, (name, other)
        assert differing(pictures[name], ImageOps.mirror(pictures[name])) > 2 * COPY


def test_a_hash_has_64_bits_and_does_not_depend_on_the_kind_of_picture(pictures):
    for picture in pictures.values():
        found = filters.perceptual_hash(picture)
        assert 0 <= found < 1 << 64
        assert found == filters.perceptual_hash(image.to_array(picture))


def test_flat_pictures_look_the_same():
    hashes = {filters.perceptual_hash(np.full((70, 90, 3), level, np.float32)) for level in (0, 0.2, 0.5, 0.999)}
    assert len(hashes) == 1


def test_of_pictures_that_look_alike_the_first_stays(pictures):
    duplicates = filters.Duplicates(COPY)
    assert duplicates.first_like("cat", filters.perceptual_hash(pictures["chelsea"])) is None
    assert duplicates.first_like("cup", filters.perceptual_hash(pictures["coffee"])) is None
    small = CHANGES["jpeg"](CHANGES["smaller"](pictures["chelsea"]))
    assert duplicates.first_like("small cat", filters.perceptual_hash(small)) == "cat"
    assert duplicates.first_like("again", filters.perceptual_hash(small)) == "cat"


def test_the_distance_decides_what_is_the_same():
    for distance in (0, 3, 64):
        duplicates = filters.Duplicates(distance)
        assert duplicates.first_like("a", 0b0) is None
        assert (duplicates.first_like("b", 0b1111) == "a") is (distance >= 4)
        assert duplicates.first_like("c", 0b0) == "a"
    # What is like two is like the first; what was like one is not remembered, and nothing is like it.
    duplicates = filters.Duplicates(2)
    assert [duplicates.first_like(*each) for each in (("a", 0b0), ("b", 0b1111), ("c", 0b11), ("d", 0b11111))] == [
        None, None, "a", "b",
    ]  # fmt: skip


def test_thousands_of_hashes_are_compared_as_one_by_one():
    hashes = np.random.default_rng(0).integers(0, 1 << 64, 3000, np.uint64)
    hashes[2500:] = hashes[:500] ^ np.uint64(1 << 63 | 1)
    duplicates = filters.Duplicates(2)
    found = [duplicates.first_like(str(number), hash) for number, hash in enumerate(hashes.tolist())]
    assert found == [None] * 2500 + [str(number) for number in range(500)]


@pytest.mark.parametrize("distance", [-1, 65, True, 2.0, "2"])
def test_a_distance_is_a_number_of_bits(distance):
    with pytest.raises(BadValue, match="0 to 64"):
        filters.Duplicates(distance)


def test_blurred_pictures_are_less_sharp(pictures):
    for name, picture in pictures.items():
        values = [filters.sharpness(picture.filter(ImageFilter.GaussianBlur(radius))) for radius in (0, 2, 5)]
        assert values[0] > 10 * values[1] > 30 * values[2], name


def test_sharpness_is_that_of_the_picture_and_not_of_its_pixels(pictures):
    picture = pictures["astronaut"]
    large = picture.resize((1536, 1536), Image.Resampling.BICUBIC)
    blurred = picture.filter(ImageFilter.GaussianBlur(1))
    assert filters.sharpness(blurred) < 0.5 * filters.sharpness(picture) < filters.sharpness(large)
    assert filters.sharpness(np.full((20, 30, 3), 0.5, np.float32)) == 0
    assert filters.sharpness(np.zeros((1, 2000, 3), np.float32)) == 0
