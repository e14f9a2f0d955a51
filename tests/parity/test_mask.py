"""Masks against those of the library of 2021.

Where that had a bug, the test says what is due instead: transposed sizes, interpolation of one channel, thresholds
that fall.
"""

from __future__ import annotations

import json
import re

import cv2
import deterministic
import numpy as np
import pytest
from figures import Figures
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import mask

FIGURES = Figures("mask")
CASES = json.loads(str(FIGURES["config_json"]))
SHAPES = [name for name, case in CASES.items() if "t" in case]
PICTURES = [
    name
    for name in CASES
    if re.match("kmeans|threshold|auto", name)
    and name not in ("kmeans_temporal", "threshold_descending", "auto_transposed_size")
]


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_the_original_ones(name):
    case, due = CASES[name], FIGURES[name].astype(np.float32)
    found = np.stack([mask.classic(case["config"], t=t) for t in case["t"]])
    assert found.shape == due.shape
    wrong = np.abs(found - due).max(axis=3) > (1e-5 if name.startswith("rects") else 1e-6)
    # A pixel exactly on the end of a line may fall on either side.
    assert wrong.mean() <= (0.002 if name.startswith("rects") else 0)


@pytest.mark.parametrize(("n", "period", "blend"), [(3, 4, 0.5), (3, 4, 0), (2, 7, 0.2)])
def test_interpolation_is_the_original_one(n, period, blend):
    config = {"type": "interpolation", "num_channels": n, "period": period, "blend": blend}
    for reverse, cross_fade, t, *due in FIGURES[f"interpolation_n{n}_period{period}_blend{blend}"]:
        options = {"reverse": bool(reverse), "cross_fade": bool(cross_fade)}
        found = mask.classic(config | options, (3, 2), t)
        np.testing.assert_allclose(found, np.broadcast_to(due, (2, 3, n)), atol=1e-6)


def test_interpolation_of_one_channel_is_one_where_the_original_faded_in_nothing():
    table = FIGURES["interpolation_n1_period4_blend0.5"]
    assert table[:, 3].min() == 0
    for reverse, cross_fade, t, _ in table:
        config = {"type": "interpolation", "period": 4, "blend": 0.5, "reverse": bool(reverse)}
        assert mask.classic(config | {"cross_fade": bool(cross_fade)}, (3, 2), t).min() == 1


@pytest.mark.parametrize("name", PICTURES)
def test_picture_masks_are_the_original_ones(name):
    config = {"type": "image", **CASES[name]["config"]}
    picture = FIGURES[f"image_kmeans{config['num_channels']}" if name.startswith("kmeans") else "image"]
    np.testing.assert_allclose(mask.classic(config | {"image": picture}), FIGURES[name], atol=1e-6)


def test_a_picture_asked_for_at_its_transposed_size_is_resized_not_cropped():
    config = {"type": "image", "image": FIGURES["image"], **CASES["auto_transposed_size"]["config"]}
    turned = Image.fromarray(FIGURES["image"]).resize(tuple(config["size"]), Image.Resampling.BICUBIC)
    found = mask.classic(config)
    np.testing.assert_array_equal(found, mask.classic(config | {"image": turned}))
    assert np.abs(found - FIGURES["auto_transposed_size"]).max() == 1


def test_falling_thresholds_are_refused_where_the_original_counted_pixels_twice():
    assert FIGURES["threshold_descending"].sum(axis=2).max() > 1
    config = {"type": "image", "image": FIGURES["image"], **CASES["threshold_descending"]["config"]}
    with pytest.raises(BadValue, match="thresholds must not fall"):
        mask.classic(config)


def test_clusters_of_a_film_keep_their_channels_as_in_the_original():
    config = {"type": "image", **CASES["kmeans_temporal"]["config"]}
    before = None
    for frame, due in zip(FIGURES["film"], FIGURES["kmeans_temporal"], strict=True):
        before = mask.classic(config | {"image": frame, "prev_mask": before})
        np.testing.assert_array_equal(before, due)


def test_clusters_of_single_frames_are_the_original_ones():
    config = {"type": "image", **CASES["kmeans_temporal"]["config"]}
    for frame, due in zip(FIGURES["film"], FIGURES["kmeans_untracked"], strict=True):
        np.testing.assert_array_equal(mask.classic(config | {"image": frame}), due)


def test_clusters_of_today_are_no_worse_than_the_originals():
    """The original starts but once, and may settle on clusters that are worse than could be."""
    before = None
    for frame, due in zip(FIGURES["film"], FIGURES["kmeans_temporal"], strict=True):
        before = mask.kmeans(cv2.blur(frame, (2, 2)), 4, previous=before)
        assert spread(frame, before(frame.shape[1::-1])) <= 1.02 * spread(frame, due)


def test_views_are_the_original_ones():
    values = FIGURES["arcs_blend"][1]
    # The figures were made with 0.001 more everywhere, lest the original divide by zero.
    colours = np.asarray(mask.view((values + 0.001) / 1.001))
    assert np.abs(colours - FIGURES["frames_merged"]).max() <= 0.51
    split = np.asarray(mask.view(values, merged=False))
    assert np.abs(split - (FIGURES["frames_split"] - 0.255)[:, :, None]).max() <= 0.51
    flat = np.asarray(mask.view(values, merged=False, flat=True))
    assert np.abs(flat - FIGURES["frames_split_flat"][:, :, None]).max() <= 0.51


def test_fifteen_channels_have_fourteen_colours_and_the_second_yellow_is_cyan():
    values = deterministic.uniform("mask_15_channels", (6, 7, 15), 0.01, 1)
    share = values[:, :, 5:6] / values.sum(axis=2, keepdims=True)
    due = FIGURES["frames_15_channels"] + share * np.array([-255, 0, 255])
    assert np.abs(np.asarray(mask.view(values)) - due).max() <= 0.51
    changed = FIGURES["default_color_labels"].tolist()
    changed[5] = [0, 255, 255]
    assert list(map(list, mask.COLOURS)) == changed


def test_masks_become_pictures_rounded_where_the_original_cut_off():
    values = FIGURES["arcs_blend"][1][:, :, 0]
    picture = np.asarray(mask.to_image(values))[:, :, 0]
    np.testing.assert_array_equal(picture, np.floor(values * 255 + 0.5))
    assert set(np.unique(picture.astype(int) - FIGURES["mask_to_image"])) == {0, 1}
    back = mask.from_image(FIGURES["mask_to_image"])((44, 30))
    np.testing.assert_allclose(back[:, :, 0], FIGURES["image_to_mask"], atol=1e-7)


def test_pictures_times_masks_are_the_original_ones():
    picture, grey = FIGURES["image"] / np.float32(255), FIGURES["mask_image_mask"]
    colours = np.stack([grey, 255 - grey, grey // 2], axis=2)
    for name, given, weights in (
        ("mask_image_gray_mask", picture, grey),
        ("mask_image_rgb_mask", picture, colours),
        ("mask_image_gray_both", picture[:, :, 0], grey),
    ):
        found = mask.apply(given, weights)[::2, ::2] * 255
        assert np.abs(found - FIGURES[name]).max() < 1e-3


def test_brightness_is_the_original_one():
    found = mask.from_luminance(FIGURES["image"])((44, 30))[:, :, 0] * 255
    assert np.abs(found - FIGURES["gray"]).max() <= 0.51


def spread(frame: np.ndarray, weights: np.ndarray) -> float:
    """The sum of squared distances of colours from their cluster's mean."""
    pixels, labels = cv2.blur(frame, (2, 2)).reshape(-1, 3).astype(float), weights.argmax(axis=2).ravel()
    return sum(np.square(pixels[labels == n] - pixels[labels == n].mean(axis=0)).sum() for n in range(4))
