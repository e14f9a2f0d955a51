"""The canvas of the library of 2021, and its noise, against their own figures."""

from __future__ import annotations

import json

import deterministic
import numpy as np
import pytest
from figures import Figures

from ml4a.media import mask, noise
from ml4a.media.canvas.classic import classic, classic_frames, classic_map

TOLERANCE = 0.02
"""Grey levels. The picture is noise, pixel by pixel: a place that is off by a ten-thousandth of a pixel shows."""
CASES = [
    *(
        "identity",
        "shift",
        "shift_large",
        "stretch",
        "center_stretch",
        "zoom_in",
        "zoom_out",
        "expand_out",
        "expand_in",
    ),
    *("zoom_expand", "rot_const", "rot_ang", "rot_dst", "spiral", "spiral_negative", "noise", "noise_offset", "all"),
]


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("canvas")


@pytest.fixture(scope="module")
def image(figures) -> np.ndarray:
    return figures["image"]


@pytest.mark.parametrize("case", CASES)
def test_a_modification_gives_the_original_picture(case, image, figures):
    result = classic(image, read(figures, "cases_json")[case])
    assert error(result, figures, f"{case}_float_sample") < TOLERANCE
    assert np.abs(truncated(result) - figures[f"{case}_uint8"].astype(int)).max() <= 1


def test_floats_are_not_squeezed_through_grey_levels(image, figures):
    result = classic(image / np.float32(255), read(figures, "cases_json")["all"])
    assert error(result / 255, figures, "float_image_all_float_sample") < TOLERANCE / 255


def test_places_are_mixed_by_masks(image, figures):
    height, width = image.shape[:2]
    mods = read(figures, "mix_json")
    weights = deterministic.uniform("canvas_masks", (height, width, 3), 0.02, 1)
    assert error(classic(image, mods, weights), figures, "mix_noise_masks_float_sample") < TOLERANCE
    arcs = mask.classic(read(figures, "mix_mask_json"), (width, height), int(figures["mix_mask_t"])) + 0.001
    result = classic(image, mods, arcs)
    assert error(result, figures, "mix_shape_masks_float_sample") < TOLERANCE
    assert np.abs(truncated(result) - figures["mix_shape_masks_uint8"].astype(int)).max() <= 1


def test_without_masks_modifications_weigh_the_same_where_their_places_were_added_up(image, figures):
    mods = read(figures, "mix_json")
    alike = classic(image, mods, np.ones((*image.shape[:2], 3)))
    np.testing.assert_array_equal(classic(image, mods), alike)
    assert error(alike, figures, "mix_no_masks_bug_float_sample") > 100


def test_noise_along_x_only_moves_the_picture_where_it_did_nothing(image, figures):
    mod = read(figures, "cases_json")["noise_margin_x_only"]
    both = classic(image, mod | {"noise_margin": (1e-6, mod["noise_margin"][1])})
    result = classic(image, mod)
    assert np.abs(result - both).max() < 1e-4
    assert error(result, figures, "noise_margin_x_only_float_sample") > 100  # the picture itself


def test_a_picture_is_looked_up_with_the_original_border(image, figures):
    height, width = image.shape[:2]
    places = deterministic.uniform("canvas_index", (height, width, 2), -2.5, 3.5).astype(float) * (height, width)
    assert error(classic_map(image, places), figures, "map_image_float_sample") < TOLERANCE


@pytest.mark.parametrize(("axis", "place"), [("y", 0), ("x", 1)])
def test_the_border_mirrors_as_the_original_did(axis, place, figures):
    length, inputs = int(figures["mirror_size"][place]), figures[f"mirror_in_{axis}"]
    size = np.array([1, 1])
    size[place] = length
    ramp = np.linspace(0, 1, length).reshape(size)
    found = []
    for start in range(0, len(inputs), length):
        some = np.resize(inputs[start : start + length], length)
        places = np.zeros((*size, 2))
        places[:, :, place] = some.reshape(size)
        found.append(classic_map(ramp, places).ravel()[: len(inputs) - start] * (length - 1))
    np.testing.assert_allclose(np.concatenate(found), figures[f"mirror_out_{axis}"], atol=1e-5)


@pytest.mark.parametrize("film", ["feedback", "feedback_resized", "feedback_grid"])
def test_a_film_gives_the_original_frames_once_it_is_cut_off_to_grey_levels(film, figures):
    due = figures[film].astype(int)
    start, mod = figures[film][0], read(figures, "feedback_json")
    frames = classic_frames(start, mod, len(due), lambda frame: truncated(frame).astype(np.uint8))
    for number, frame in enumerate(frames):
        assert np.abs(truncated(frame) - due[number]).max() <= number


def test_noise_is_snoise2(figures):
    x, y = figures["noise_points"].T
    for octaves in (1, 3):
        np.testing.assert_allclose(
            noise.simplex(x, y, octaves=octaves), figures[f"snoise2_octaves{octaves}"], atol=1e-6
        )


def read(figures: Figures, name: str):
    return json.loads(str(figures[name]))


def error(result: np.ndarray, figures: Figures, name: str) -> float:
    return float(np.abs(result.ravel()[:: int(figures["step"])] * 255 - figures[name]).max())


def truncated(result: np.ndarray) -> np.ndarray:
    return np.floor(result * 255 + 1e-3).astype(int)
