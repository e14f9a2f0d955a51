"""What holds for every colour operation: the kind, the size and the alpha of the picture, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import scene
from PIL import Image

from ml4a._core.errors import BadValue, Ml4aError
from ml4a.media import color, image

TARGET = Image.fromarray(scene(31, 23, seed=5)[:, ::-1] // 2)
OPERATIONS = {
    "adjust_range": lambda p: color.adjust_range(p, 1, 0.1),
    "dither": lambda p: color.dither(p, 3),
    "dither_palette": lambda p: color.dither(p, ["black", "#b13e53", "white"], "ordered"),
    "duotone": color.duotone,
    "enhance": lambda p: color.enhance(p, 1.4, 1.2, 2),
    "equalize": color.equalize,
    "hue": lambda p: color.hue(p, 1),
    "level_brightness": lambda p: color.level_brightness([p, TARGET])[0],
    "match_histogram": lambda p: color.match_histogram(p, TARGET),
    "optimal_transport": lambda p: color.optimal_transport(p, TARGET, iterations=3),
    "reinhard": lambda p: color.reinhard(p, TARGET),
    "temperature": lambda p: color.temperature(p, 0.5),
}


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


def as_kinds(array: np.ndarray) -> list:
    floats = array.astype(np.float32) / 255
    return [Image.fromarray(array), floats, torch.from_numpy(floats.transpose(2, 0, 1).copy())]


@pytest.mark.parametrize("channels", [3, 4])
def test_the_kind_the_size_and_the_alpha_stay_and_the_colours_change(operation, channels):
    array = scene(40, 30, channels)
    for given_ in as_kinds(array):
        before = image.to_array(given_).copy()
        result = operation(given_)
        after = image.to_array(result)
        assert image.kind_of(result) == image.kind_of(given_)
        assert after.shape == (30, 40, channels)
        assert np.abs(after[:, :, :3] - before[:, :, :3]).max() > 0.02
        np.testing.assert_array_equal(after[:, :, 3:], before[:, :, 3:])
        np.testing.assert_array_equal(image.to_array(given_), before)  # the picture itself is not written to


def test_the_kinds_agree(operation):
    results = [image.to_array(operation(each)) for each in as_kinds(scene(40, 30))]
    np.testing.assert_array_equal(results[1], results[2])
    assert np.abs(results[0] - results[1]).mean() < 1.5 / 255


def test_a_path_gives_a_pil_image(operation, tmp_path):
    path = image.save(scene(16, 12), tmp_path / "photo.png")
    assert operation(str(path)).size == (16, 12)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"dither", "dither_palette", "enhance", "level_brightness"}))
def test_what_is_transparent_has_no_say_and_stays(name):
    """All but those that see each pixel in its place, as in 2021."""
    array = scene(40, 30, 4)
    array[:, :, 3] = 255
    array[:, :13, 3] = 0
    results = []
    for hidden in (0, 255):
        array[:, :13, :3] = hidden
        result = OPERATIONS[name](array)
        np.testing.assert_array_equal(result[:, :13, :3] * 255, hidden)
        results.append(result[:, 13:])
    np.testing.assert_array_equal(*results)


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    channels=st.integers(1, 4),
    name=st.sampled_from(sorted(OPERATIONS)),
    seed=st.integers(0, 99),
)
def test_any_size_and_number_of_channels(width, height, channels, name, seed):
    array = np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)
    result = OPERATIONS[name](array)
    assert result.dtype == np.float32
    assert result.shape == (height, width, 4 if channels in (2, 4) else 3)
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_pictures_of_one_colour_come_through(operation, value):
    result = operation(np.full((5, 7, 3), value, np.float32))
    assert np.isfinite(result).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.full((4, 4, 3), np.nan, np.float32),
        np.zeros((0, 4, 3), np.float32),
        np.zeros((4, 4, 5)),
        np.full((4, 4), 9.0),
    ],
)
def test_what_is_no_picture_is_refused(operation, wrong):
    with pytest.raises(Ml4aError):
        operation(wrong)


def test_arguments_out_of_range_are_named():
    photo = scene(8, 6)
    for wrong, words in (
        (lambda: color.enhance(photo, saturation=-1), "saturation must be between 0 and 100"),
        (lambda: color.enhance(photo, contrast=float("nan")), "contrast must be a finite number"),
        (lambda: color.match_color(photo, photo, strength=2), "strength must be between 0 and 1"),
        (lambda: color.match_color(photo, photo, method="mood"), "there is no method named 'mood'"),
        (lambda: color.optimal_transport(photo, photo, iterations=0), "iterations must be between 1"),
        (lambda: color.optimal_transport(photo, photo, seed=-1), "seed must be 0 or more"),
        (lambda: color.adjust_range(photo, border=0.5), "border must be between 0 and 0.49"),
        (lambda: color.adjust_range(photo, histogram=color.histogram(photo, "rgb")), "a Histogram of"),
        (lambda: color.palette(photo, 0), "count must be between 1 and 256"),
        (lambda: color.histogram(photo, "alpha"), "there is no channel named 'alpha'"),
        (lambda: color.dither(photo, 1), "2 to 256 levels, not 1"),
        (lambda: color.dither(photo, "black"), "a palette is a Palette"),
        (lambda: color.dither(photo, ["blck"]), "'blck' is no colour"),
        (lambda: color.dither(photo, [(0, 0, 2)]), "a colour is a name"),
        (lambda: color.duotone(photo, []), "one colour or more"),
        (lambda: color.temperature(photo, 1.5), "amount must be between -1 and 1"),
        (lambda: color.match_histogram(photo, color.histogram(photo)), 'matching wants a histogram of "rgb"'),
        (lambda: color.level_brightness([]), "no frames"),
    ):
        with pytest.raises(BadValue) as caught:
            wrong()
        assert words in str(caught.value)


@pytest.mark.parametrize("function", [color.histogram, color.palette])
def test_a_picture_of_nothing_but_transparency_has_no_colours(function):
    nothing = np.zeros((4, 4, 4), np.float32)
    with pytest.raises(BadValue, match="transparent"):
        function(nothing)
    for transfer in (color.match_histogram, color.reinhard, color.optimal_transport):
        with pytest.raises(BadValue, match="transparent"):
            transfer(scene(4, 4), nothing)
        np.testing.assert_array_equal(transfer(nothing, scene(4, 4)), nothing)
