"""Colour transfer brings the clouds of colours together."""

from __future__ import annotations

import numpy as np
import pytest
from picture_files import scene

from ml4a.media import color, image
from ml4a.media.color._colors import to_lab


def shadows_apart(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of the clouds' shadows on 30 lines, in levels of 255."""
    lines = np.random.default_rng(8).standard_normal((3, 30))
    lines /= np.linalg.norm(lines, axis=0)
    share = np.linspace(0, 1, 300)
    first, second = (np.quantile(p.reshape(-1, 3) @ lines, share, axis=0) for p in (a, b))
    return float(np.abs(first - second).mean() * 255)


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    return tuple(image.to_array(image.sample(name, size=120)) for name in ("coffee", "waves"))


def test_reinhard_gives_the_mean_and_the_spread():
    picture, target = scene(60, 50) // 3 + 60, scene(40, 30, seed=2)[::-1] // 4 + 110
    result = color.reinhard(picture.astype(np.float32) / 255, target)
    lab, due = (to_lab(image.to_array(p)).reshape(-1, 3) for p in (result, target))
    np.testing.assert_allclose(lab.mean(axis=0), due.mean(axis=0), atol=0.5)
    np.testing.assert_allclose(lab.std(axis=0), due.std(axis=0), rtol=0.05)


def test_a_flat_picture_takes_on_the_mean():
    flat = color.reinhard(np.full((5, 5, 3), 0.3, np.float32), np.full((9, 9, 3), (200, 90, 40), np.uint8))
    np.testing.assert_allclose(flat * 255, np.broadcast_to((200, 90, 40), flat.shape), atol=1)


def test_transport_brings_the_clouds_together_where_channels_alone_cannot(pair):
    picture, target = pair
    by_channel = shadows_apart(color.match_histogram(picture, target), target)
    transported = [color.optimal_transport(picture, target, iterations=n) for n in (1, 5, 20)]
    once, some, many = (shadows_apart(result, target) for result in transported)
    assert shadows_apart(picture, target) > 40
    assert many < 1.5 < some < once
    assert many < by_channel / 2


def test_transport_is_the_same_for_the_same_seed(pair):
    picture, target = pair
    first, again, other = (color.optimal_transport(picture, target, iterations=4, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
    assert np.abs(color.optimal_transport(picture, target, iterations=4, seed=None) - first).max() > 0


def test_large_pictures_are_planned_on_a_sample_and_moved_as_a_whole():
    generator = np.random.default_rng(0)
    picture = (generator.random((300, 260, 3)) * 0.3).astype(np.float32)
    target = (0.5 + generator.random((260, 300, 3)) ** 2 * 0.5).astype(np.float32)
    assert shadows_apart(color.optimal_transport(picture, target, iterations=8), target) < 2


def test_match_color_is_the_method_that_it_names(pair):
    picture, target = pair
    np.testing.assert_array_equal(color.match_color(picture, target), color.match_histogram(picture, target))
    for method, function in (("reinhard", color.reinhard), ("transport", color.optimal_transport)):
        np.testing.assert_array_equal(
            color.match_color(picture, target, method=method, strength=0.6), function(picture, target, 0.6)
        )
