"""Colour against the library of 2021."""

from __future__ import annotations

import numpy as np
import pytest
from figures import Figures
from PIL import Image

from ml4a.media import color, image

RANGES = [(0.5, 0.1), (1.0, 0.02), (0.0, 0.1), (-0.3, 0.05)]
ENHANCEMENTS = [(1.0, 1.0, 1.0), (1.6, 1.0, 1.0), (0.4, 1.0, 1.0), (1.0, 1.4, 1.0), (1.0, 0.6, 1.0), (1.0, 1.0, 2.0),
                (1.0, 1.0, 0.3), (1.3, 1.2, 1.25)]  # fmt: skip


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("color")


def both_kinds(array: np.ndarray) -> tuple[Image.Image, np.ndarray]:
    return Image.fromarray(array), array.astype(np.float32) / 255


def in_levels(picture) -> np.ndarray:
    return np.rint(image.to_array(picture) * 255).astype(int)


def test_histograms_count_alike(figures):
    for picture in both_kinds(figures["image"]):
        np.testing.assert_array_equal(color.histogram(picture, "rgb").counts, figures["histogram_rgb"])
        np.testing.assert_array_equal(color.histogram(picture, "intensity").counts[:, 0], figures["histogram_bright"])


def test_the_average_histogram_is_that_of_the_frames_that_2021_took(figures):
    first_two = [Image.fromarray(frame) for frame in figures["film"][:2]]
    average = color.average_histogram(first_two, "intensity")
    np.testing.assert_allclose(average.counts[:, 0], figures["average_histogram_bright"], rtol=1e-12)


@pytest.mark.parametrize("what", ["picture", "histogram"])
def test_matching_to_as_many_pixels_deals_the_same_values_to_the_same_pixels(figures, what):
    target = Image.fromarray(figures["target"])
    aim = target if what == "picture" else color.histogram(target, "rgb")
    for picture in both_kinds(figures["image"]):
        matched = in_levels(color.match_histogram(picture, aim))
        np.testing.assert_array_equal(matched, figures["match_same_size"])
        np.testing.assert_array_equal(matched, figures["match2_same_size"])


def test_where_2021_dealt_values_by_other_counts_ours_are_the_same(figures):
    """It rounded all counts down and left the brightest pixels as they were; here those are dealt white, to tell."""
    pixels = figures["image"].shape[0] * figures["image"].shape[1]
    other = color.histogram(figures["target_other_size"], "rgb").counts
    third = color.histogram(figures["target"].reshape(1, -1, 3)[:, ::3], "rgb").counts
    for name, counts in (
        ("match_other_size", np.floor(3 * pixels / other.sum() * other)),
        ("match2_third_of_pixels", third.copy()),
    ):
        dealt = counts.sum(axis=0).astype(int)
        counts[255] += pixels - dealt
        matched = in_levels(color.match_histogram(Image.fromarray(figures["image"]), color.Histogram(counts, "rgb")))
        for channel in range(3):
            before = figures["image"][:, :, channel]
            order = np.argsort(before, axis=None, kind="stable")
            due = figures[name][:, :, channel].ravel()
            np.testing.assert_array_equal(
                matched[:, :, channel].ravel()[order[: dealt[channel]]], due[order[: dealt[channel]]]
            )
            np.testing.assert_array_equal(due[order[dealt[channel] :]], before.ravel()[order[dealt[channel] :]])


def test_equalisation_has_the_curve_of_2021_and_looks_values_up_in_their_own_place(figures):
    """In 2021 each value took the entry of the next one up, and white had none."""
    grey = figures["image"][:, :, 0]
    table = figures["equalization_table_255"]
    np.testing.assert_array_equal(figures["equalized_channel0"], table[grey])
    for picture in both_kinds(np.repeat(grey[:, :, None], 3, axis=2)):
        for channel in ("luma", "rgb"):
            curve = image.to_array(color.equalize(picture, channel))[:, :, 1] * 255
            due = table[grey - 1]  # with 255 bins, entry v - 1 counts up to value v
            if image.kind_of(picture) == "array":
                np.testing.assert_array_equal(np.floor(curve + 1e-3), due)
            else:
                assert (np.abs(curve - due) <= 1).all()


@pytest.mark.parametrize(("amount", "border"), RANGES)
def test_ranges_are_stretched_and_compressed_alike(figures, amount, border):
    due = figures[f"range_amt{amount}_border{border}"] / 255
    stretched = color.adjust_range(figures["image"], amount, border)[::2, ::2]
    np.testing.assert_allclose(stretched, due, rtol=1e-5, atol=1e-6)
    counted = color.histogram(figures["image"], "intensity")
    np.testing.assert_array_equal(color.adjust_range(figures["image"], amount, border, counted)[::2, ::2], stretched)


@pytest.mark.parametrize(("saturation", "contrast", "sharpness"), ENHANCEMENTS)
def test_pil_images_are_enhanced_to_the_bit_and_floats_beyond(figures, saturation, contrast, sharpness):
    """In floats the luma is not rounded and nothing is truncated, which makes at most one level a step."""
    picture, floats = both_kinds(figures["film"][0])
    due = figures[f"enhance_sat{saturation}_con{contrast}_sharp{sharpness}"].astype(int)
    np.testing.assert_array_equal(np.asarray(color.enhance(picture, saturation, contrast, sharpness)), due)
    steps = sum(factor != 1 for factor in (saturation, contrast, sharpness))
    difference = color.enhance(floats, saturation, contrast, sharpness) * 255 - due
    assert -0.6 * steps - 1e-4 <= difference.min()
    assert difference.max() <= 1.25 * steps + 1e-4


def test_a_levelled_film_is_that_of_2021_once_it_is_enhanced(figures):
    frames = [Image.fromarray(frame) for frame in figures["film"]]
    levelled = [np.asarray(color.enhance(f, contrast=1.2, sharpness=1.25)) for f in color.level_brightness(frames)]
    np.testing.assert_array_equal(np.stack(levelled), figures["film_levelled"])
    means = [np.asarray(frame.convert("L")).mean() for frame in frames]
    np.testing.assert_allclose(means, figures["film_brightness"])
