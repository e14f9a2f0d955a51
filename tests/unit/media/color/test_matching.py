"""Histograms are matched exactly, ties and all, in 8 bits and in floats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import scene
from PIL import Image

from ml4a.media import color, image
from ml4a.media.color._ranks import deal_levels, deal_values


def distance(a, b) -> float:
    """Wasserstein-1 between the values of two pictures, the worst channel, in levels of 255."""
    share = (np.arange(1000) + 0.5) / 1000
    channels = []
    for channel in range(3):
        quantiles = [np.quantile(image.to_array(p)[:, :, channel], share, method="inverted_cdf") for p in (a, b)]
        channels.append(np.abs(quantiles[0] - quantiles[1]).mean() * 255)
    return max(channels)


def finer(array: np.ndarray) -> np.ndarray:
    """Floats between the levels of 8 bits."""
    return (array + np.random.default_rng(1).random(array.shape, dtype=np.float32) * 0.5).clip(0, 255) / 255


def ranked(plane: np.ndarray, due: np.ndarray) -> np.ndarray:
    """What should come out, by the plainest means."""
    dealt = np.empty_like(due)
    dealt[np.argsort(plane, kind="stable")] = due
    return dealt


@settings(max_examples=60, deadline=None)
@given(
    pixels=st.integers(1, 60_000),
    values=st.integers(1, 256),
    levels=st.integers(1, 256),
    seed=st.integers(0, 2**32 - 1),
)
def test_levels_are_dealt_by_rank_and_in_raster_order(pixels, values, levels, seed):
    generator = np.random.default_rng(seed)
    plane = generator.permutation(256)[:values][generator.integers(0, values, pixels)].astype(np.uint8)
    due = np.sort(generator.permutation(256)[:levels][generator.integers(0, levels, pixels)]).astype(np.uint8)
    np.testing.assert_array_equal(deal_levels(plane, np.bincount(due, minlength=256)), ranked(plane, due))


@settings(max_examples=30, deadline=None)
@given(pixels=st.integers(1, 5000), steps=st.integers(1, 3000), seed=st.integers(0, 999))
def test_values_are_dealt_by_rank_and_in_raster_order(pixels, steps, seed):
    generator = np.random.default_rng(seed)
    plane = (generator.integers(0, steps, pixels) / steps).astype(np.float32)
    plane[plane == 0] = generator.choice(np.array([0.0, -0.0], np.float32), (plane == 0).sum())
    due = np.sort(generator.random(pixels, dtype=np.float32))
    np.testing.assert_array_equal(deal_values(plane, due), ranked(plane, due))


@pytest.mark.parametrize("kind", ["pil", "float"])
@pytest.mark.parametrize("target_kind", ["pil", "float", "histogram", "coarse"])
def test_matched_histograms_are_within_a_level(kind, target_kind):
    source, aim = scene(90, 70), scene(61, 83, seed=3) // 2 + 90
    aim[:20] = 255
    picture = Image.fromarray(source) if kind == "pil" else finer(source)
    target = {
        "pil": lambda: Image.fromarray(aim),
        "float": lambda: finer(aim),
        "histogram": lambda: color.histogram(aim, "rgb"),
        "coarse": lambda: color.histogram(aim, "rgb", bins=512),
    }[target_kind]()
    assert distance(picture, aim) > 30
    assert distance(color.match_histogram(picture, target), aim) < 1


def test_floats_keep_the_levels_between_those_of_8_bits():
    ramp = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100, 1).repeat(3, axis=2)
    for target in (ramp**2, color.histogram(ramp**2, "rgb")):
        matched = color.match_histogram(ramp[::-1].copy(), target)
        assert len(np.unique(matched)) > 5000
        np.testing.assert_allclose(matched[::-1], ramp**2, atol=1 / 255)


def test_a_picture_matched_to_itself_stays():
    for picture in (Image.fromarray(scene(50, 40)), finer(scene(50, 40))):
        np.testing.assert_array_equal(image.to_array(color.match_histogram(picture, picture)), image.to_array(picture))


def test_the_average_of_frames_is_a_target():
    frames = [scene(40, 30, seed=seed) for seed in range(3)]
    matched = color.match_histogram(scene(40, 30, seed=9) // 2, color.average_histogram(frames))
    assert distance(matched, np.concatenate(frames)) < 1


def test_strength_leads_from_the_picture_to_the_match():
    picture, target = scene(30, 20).astype(np.float32) / 255, scene(30, 20, seed=4)[::-1] // 3
    for method in ("histogram", "reinhard", "transport"):
        none, half, full = (color.match_color(picture, target, method=method, strength=s) for s in (0, 0.5, 1))
        np.testing.assert_allclose(none, picture, atol=1e-6)
        np.testing.assert_allclose(half, (picture + full) / 2, atol=1e-6)
        assert np.abs(full - picture).mean() > 0.1


def test_a_16_bit_file_is_matched_in_16_bits(tmp_path):
    ramp = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100, 1).repeat(3, axis=2)
    path = image.save(ramp, tmp_path / "deep.png", bits=16)
    matched = color.match_histogram(ramp[:, ::-1].copy(), path)
    assert len(np.unique(matched)) == 10_000
