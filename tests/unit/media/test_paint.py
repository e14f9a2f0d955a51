"""The style pictures: the same every time, and unlike each other."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ml4a.media import image, paint

pytestmark = pytest.mark.xdist_group("paint")  # so that they are painted once


@pytest.fixture(scope="module")
def paintings() -> dict[str, np.ndarray]:
    return {name: image.to_array(f"sample:{name}") for name in paint.names()}


def test_there_are_six_of_512_pixels_square(paintings):
    assert sorted(paintings) == ["embers", "ink", "mosaic", "night", "pastel", "waves"]
    for name, array in paintings.items():
        assert array.shape == (512, 512, 3), name


def test_a_painting_is_the_same_each_time():
    np.testing.assert_array_equal(np.asarray(paint.paint("ink")), np.asarray(image.sample("ink")))  # of another run


def test_each_is_rich_in_tones_and_texture(paintings):
    for name, array in paintings.items():
        grey = array.mean(axis=2)
        assert grey.std() > 0.09, name
        assert np.abs(np.diff(grey, axis=1)).mean() > 0.006, name
        assert len(np.unique((array * 31).astype(int) @ [1, 32, 32**2])) > 300, name


def test_no_two_share_their_colours(paintings):
    def histogram(array: np.ndarray) -> np.ndarray:
        return np.histogramdd(array.reshape(-1, 3), bins=6, range=[(0, 1)] * 3)[0] / array[:, :, 0].size

    for (one, a), (other, b) in itertools.combinations(paintings.items(), 2):
        assert np.minimum(histogram(a), histogram(b)).sum() < 0.6, (one, other)


def test_ember_is_warm_and_waves_and_night_are_blue(paintings):
    assert paintings["embers"][:, :, 0].mean() > 2 * paintings["embers"][:, :, 2].mean()
    for name in ("waves", "night"):
        assert paintings[name][:, :, 2].mean() > 1.1 * paintings[name][:, :, 0].mean()
    assert np.abs(paintings["ink"][:, :, 0] - paintings["ink"][:, :, 2]).mean() < 0.12
