"""Copies of pictures that differ by chance."""

from __future__ import annotations

import random

import numpy as np
import pytest
from picture_files import scene
from PIL import Image

from ml4a._core.errors import BadValue, TooLarge
from ml4a.dataset.augment import Augmentation, Draw, chance, cut_out, enlarged_size

SIZE = (24, 18)


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(scene(90, 66))


@pytest.fixture
def places() -> Image.Image:
    """Red is x and green is y, in pixels."""
    y, x = np.mgrid[0:66, 0:90]
    return Image.fromarray(np.stack([x, y, 0 * x], axis=-1).astype(np.uint8))


def copies(picture, seed=1, name="a.png", size=SIZE, **how) -> list[np.ndarray]:
    return [np.asarray(copy) for copy in Augmentation(**how).copies(picture, size, seed, name)]


def test_chance_is_the_same_on_every_machine():
    assert chance(7, "naïve 夜.png", 2).random() == 0.7449158769622399
    assert chance(7, "a", 1).random() != chance(7, "a", 2).random() != chance(7, "b", 2).random()
    assert chance(7, "a1").random() != chance(7, "a", 1).random()


def test_copies_depend_on_seed_name_and_number_alone(picture):
    how = {"crop": 0.6, "rotate": 20, "stretch": 0.2}
    three = copies(picture, per_picture=3, **how)
    assert len(three) == 3
    for copy, again in zip(three, copies(picture, per_picture=5, **how), strict=False):
        np.testing.assert_array_equal(copy, again)
    for other in (copies(picture, 2, per_picture=3, **how), copies(picture, name="b.png", per_picture=3, **how)):
        assert (three[0] != other[0]).any()
    assert (three[0] != three[1]).any()


def test_pictures_keep_their_size_unless_one_is_given(picture):
    assert copies(picture, size=None)[0].shape == (66, 90, 3)
    assert copies(picture, size=(120, 10))[0].shape == (10, 120, 3)


def test_the_part_that_is_cut_out(places):
    (whole,) = copies(places, centered=True)
    assert np.ptp(whole[:, :, 0]) > 75
    (half,) = copies(places, centered=True, crop=0.5)
    assert 33 <= np.ptp(half[:, :, 0]) <= 44
    assert abs(half[:, :, 0].mean() - 44.5) < 1.5
    assert abs(half[:, :, 1].mean() - 32.5) < 1.5


def test_the_place_is_by_chance_unless_centered(places):
    middles = np.array([copy.mean(axis=(0, 1)) for copy in copies(places, crop=0.4, per_picture=20)])
    assert np.ptp(middles[:, 0]) > 20
    assert np.ptp(middles[:, 1]) > 15
    middles = np.array([copy.mean(axis=(0, 1)) for copy in copies(places, crop=0.4, per_picture=5, centered=True)])
    assert np.ptp(middles) < 60
    np.testing.assert_array_equal(middles, middles[:1].repeat(5, axis=0))


def test_the_part_varies(places):
    widths = [int(np.ptp(copy[:, :, 0])) for copy in copies(places, crop=0.6, crop_vary=0.3, per_picture=20)]
    assert min(widths) < 40 < 60 < max(widths)
    assert len({int(np.ptp(copy[:, :, 0])) for copy in copies(places, crop=0.6, per_picture=20)}) <= 3


def test_both_ways_of_turning(places):
    """In 2021 pictures were turned counter-clockwise or not at all."""
    slopes = []
    for copy in copies(places, crop=0.4, rotate=15, centered=True, per_picture=20):
        right, down = np.gradient(copy[:, :, 0].astype(float))[::-1]
        slopes.append(np.degrees(np.arctan2(down[4:-4, 4:-4].mean(), right[4:-4, 4:-4].mean())))
    assert min(slopes) < -4
    assert max(slopes) > 4
    assert max(map(abs, slopes)) <= 15.5
    turned = cut_out(places, SIZE, Draw(-15, 0.4, 0), random.Random(0), centered=True)
    assert (np.asarray(turned) != copies(places, crop=0.4, centered=True)[0]).any()


def test_stretching_changes_one_side(places):
    ratios = []
    for copy in copies(places, crop=0.5, stretch=0.4, centered=True, per_picture=20):
        across = np.gradient(copy[:, :, 0].astype(float), axis=1)[3:-3, 3:-3].mean()
        down = np.gradient(copy[:, :, 1].astype(float), axis=0)[3:-3, 3:-3].mean()
        ratios.append(across / down)
    assert min(ratios) < 0.85
    assert max(ratios) > 1.15


@pytest.mark.parametrize("stretch", [-0.5, 0.5])
@pytest.mark.parametrize("size", [(40, 40), (60, 30), (31, 77)])
def test_no_black_edge_comes_in_when_the_picture_is_small(stretch, size):
    white = Image.new("RGB", (40, 40), "white")
    for seed in range(4):
        assert np.asarray(cut_out(white, size, Draw(0, 1, stretch), random.Random(seed))).min() == 255


def test_what_is_cut_out_is_never_smaller_than_the_result(places):
    """So nothing is enlarged that need not be."""
    (copy,) = copies(places, size=(60, 44), crop=0.1, centered=True)
    assert np.ptp(copy[:, :, 0]) == 59


def test_enlarging_keeps_the_shape():
    assert enlarged_size((90, 66), (24, 18)) == (90, 66)
    assert enlarged_size((10, 20), (30, 30)) == (30, 60)
    assert all(side >= 33 for side in enlarged_size((7, 3), (33, 33)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("per_picture", 0),
        ("crop", 0),
        ("crop", 1.5),
        ("crop_vary", -1),
        ("rotate", 200),
        ("stretch", 1),
        ("centered", 3),
    ],
)
def test_numbers_out_of_range(name, value):
    with pytest.raises(BadValue, match=name):
        Augmentation(**{name: value})


def test_what_is_too_narrow_to_be_enlarged():
    with pytest.raises(TooLarge, match="2x4000 px, too narrow to be enlarged to 600x600"):
        cut_out(Image.new("RGB", (2, 4000)), (600, 600), Draw(0, 1, 0), random.Random(0))
