"""Pictures of all kinds and sizes through warps: borders, interpolation, alpha, resolution."""

from __future__ import annotations

import math
import re

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sampling import grain

from ml4a._core.errors import BadValue, NotFound, TooLarge, UnknownName
from ml4a.media import canvas, image
from ml4a.media.canvas import expand, identity, kaleidoscope, mix, noise, polar, rotate, shift, swirl, zoom

SIDES = st.integers(1, 200)


def random(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def plainly(picture, places, border):
    """Bilinear sampling in double precision, pixel by pixel: `places` are x and y on the canvas."""
    height, width, channels = picture.shape
    unit = min(width, height)
    result = np.zeros((*places.shape[:2], channels))
    for row, column in np.ndindex(places.shape[:2]):
        x, y = (places[row, column] * unit + (width / 2 - 0.5, height / 2 - 0.5)).tolist()
        for i, weight_x in ((math.floor(x), 1 - x % 1), (math.floor(x) + 1, x % 1)):
            for j, weight_y in ((math.floor(y), 1 - y % 1), (math.floor(y) + 1, y % 1)):
                at = [outside(place, length, border) for place, length in ((j, height), (i, width))]
                if None not in at:
                    result[row, column] += weight_x * weight_y * picture[at[0], at[1]]
    return result


def outside(place, length, border):
    """The pixel seen at `place` beyond the border; None if there is none."""
    if border == "wrap":
        return place % length
    if border == "clamp":
        return min(max(place, 0), length - 1)
    if border == "mirror":
        return min(place % (2 * length), 2 * length - 1 - place % (2 * length))
    return place if 0 <= place < length else None


@pytest.mark.parametrize("border", ["mirror", "wrap", "clamp"])
@pytest.mark.parametrize(
    "warp", [zoom(0.4), rotate(0.7) @ shift(0.3), swirl(2), expand(-0.4), zoom(0.02), kaleidoscope(3)], ids=repr
)
def test_all_forms_agree_on_5_by_7(warp, border):
    """The pixel at a time by its definition, one matrix, and a grid of places."""
    picture = random(5, 7)
    expected = plainly(picture, canvas.coordinates(warp, (7, 5)).astype(np.float64), border)
    tolerance = 2e-3 + 2 * grain()
    np.testing.assert_allclose(warp(picture, border=border), expected, atol=tolerance)
    np.testing.assert_allclose(
        canvas.map_image(picture, canvas.coordinates(warp, (7, 5)), border=border), expected, atol=tolerance
    )


def test_beyond_a_transparent_border_there_is_nothing():
    picture = random(5, 7)
    result = shift(0.4)(picture, border="transparent")  # two pixels
    assert result.shape == (5, 7, 4)
    np.testing.assert_array_equal(result[:, :2, 3], 0)
    np.testing.assert_array_equal(result[:, 2:, 3], 1)
    np.testing.assert_allclose(result[:, 2:, :3], picture[:, :-2], atol=1e-6)
    soft = shift(0.1)(picture, border="transparent")
    np.testing.assert_allclose(soft[:, 0, 3], 0.5, atol=1e-5)
    np.testing.assert_allclose(soft[:, 0, :3], picture[:, 0], atol=1e-5)  # as bright as it was


@settings(deadline=None, max_examples=40)
@given(
    SIDES,
    SIDES,
    st.integers(1, 4),
    st.sampled_from(["mirror", "wrap", "clamp", "transparent"]),
    st.sampled_from(
        [zoom(0.3), swirl(3) @ zoom(2), polar(), noise(0.2, 0.1), mix(0.5, kaleidoscope(3), rotate(1)) & expand(0.2)]
    ),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_every_size_and_number_of_channels(width, height, channels, border, warp, interpolation):
    picture = random(height, width, channels)
    result = canvas.apply(picture, warp, border=border, interpolation=interpolation)
    alpha = border == "transparent" and channels in (1, 3)
    assert result.shape == (height, width, channels + alpha)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1  # also false for NaN
    if border != "transparent" and channels in (1, 3) and interpolation == "bilinear":
        assert result.max() <= picture.max() + 1e-6


@settings(deadline=None, max_examples=20)
@given(
    SIDES,
    SIDES,
    st.integers(1, 4),
    st.sampled_from(["mirror", "wrap", "clamp"]),
    st.sampled_from(["bilinear", "bicubic"]),
)
def test_identity_is_exact(width, height, channels, border, interpolation):
    picture = random(height, width, channels)
    for warp in (identity(), rotate(0) @ zoom(1), mix(0.3, identity(), identity())):
        np.testing.assert_array_equal(canvas.apply(picture, warp, border=border, interpolation=interpolation), picture)
    places = canvas.coordinates(identity(), (width, height))
    again = canvas.map_image(picture, places, border=border, interpolation=interpolation)
    np.testing.assert_allclose(again, picture, atol=0 if channels in (1, 3) else 1e-6)


def test_every_kind_comes_out_as_it_went_in(tmp_path):
    picture = random(30, 40)
    expected = swirl(1)(picture)
    tensor = swirl(1)(torch.from_numpy(picture.transpose(2, 0, 1).copy()))
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(tensor.numpy().transpose(1, 2, 0), expected)
    pil = Image.fromarray((picture * 255).astype(np.uint8))
    assert swirl(1)(pil).mode == "RGB"
    np.testing.assert_allclose(np.asarray(swirl(1)(pil)), expected * 255, atol=2)
    pil.save(tmp_path / "photo.png")
    assert isinstance(swirl(1)(tmp_path / "photo.png"), Image.Image)
    grey = swirl(1)(picture[:, :, 0])
    np.testing.assert_allclose(grey, expected[:, :, 0], atol=1e-6)
    np.testing.assert_allclose(swirl(1)((picture * 65535).astype(np.uint16)), expected, atol=1e-4)
    assert rotate(0.3)(pil, border="transparent").mode == "RGBA"


def test_colours_of_transparent_pixels_do_not_bleed():
    picture = np.zeros((40, 40, 4), np.float32)
    picture[10:30, 10:30] = (1, 0, 0, 1)
    picture[:, :, 1] = np.where(picture[:, :, 3] == 0, 1, 0)  # green, but unseen
    turned = rotate(0.4)(picture)
    seen = turned[:, :, 3] > 0.01
    np.testing.assert_allclose(turned[seen][:, :2], np.tile([1, 0], (seen.sum(), 1)), atol=1e-3)


def test_bicubic_is_sharper_and_stays_in_range():
    picture = (random(64, 64) > 0.5).astype(np.float32)
    warp = rotate(0.1) @ swirl(0.01)
    soft, sharp = (canvas.apply(picture, warp, interpolation=how) for how in ("bilinear", "bicubic"))
    assert cv2.Laplacian(sharp, cv2.CV_32F).std() > 1.1 * cv2.Laplacian(soft, cv2.CV_32F).std()
    assert 0 <= sharp.min() <= sharp.max() <= 1


def ssim(a, b):
    """Mean structural similarity (Wang et al. 2004)."""
    blur = lambda x: cv2.GaussianBlur(x.astype(np.float64), (0, 0), 1.5)  # noqa: E731
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, both = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    up = (2 * mean_a * mean_b + 0.01**2) * (2 * both + 0.03**2)
    return float((up / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2))).mean())


@pytest.mark.parametrize(
    "score",
    [
        zoom(1.3) @ rotate(0.3) & noise(0.05, octaves=2),
        swirl(1.5) @ shift(0.1, 0.2),
        mix(
            lambda size, time: np.linspace(0, 1, size[0], dtype=np.float32)[None].repeat(size[1], 0),
            expand(0.1),
            zoom(2),
        ),
        kaleidoscope(5, 0.3),
    ],
    ids=lambda score: re.sub(r" at 0x\w+", "", repr(score)),
)
def test_a_score_has_no_size(score):
    rng = np.random.default_rng(7)
    small = cv2.GaussianBlur(rng.random((192, 256, 3), dtype=np.float32), (0, 0), 4)
    small = cv2.normalize(small, np.empty_like(small), 0, 1, cv2.NORM_MINMAX)
    large = cv2.resize(small, (1024, 768), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    result = cv2.resize(score(large), (256, 192), interpolation=cv2.INTER_AREA)
    assert ssim(score(small), result) >= 0.98
    assert ssim(score(small), small) < 0.9


def test_another_size_shows_the_same():
    picture = cv2.GaussianBlur(random(150, 200), (0, 0), 5)
    large = canvas.apply(picture, swirl(1), size=(400, 300))
    assert large.shape == (300, 400, 3)
    np.testing.assert_allclose(
        cv2.resize(large, (200, 150), interpolation=cv2.INTER_AREA), swirl(1)(picture), atol=0.01
    )
    assert canvas.apply(picture, swirl(1), size=75).shape == (75, 100, 3)
    checks = (np.indices((400, 400)).sum(0) % 2).astype(np.float32)
    np.testing.assert_allclose(canvas.apply(checks, identity(), size=(50, 50))[4:-4, 4:-4], 0.5, atol=0.02)  # no moiré


def test_scores_that_do_not_move_are_compiled_once(monkeypatch):
    calls = []
    follow = type(swirl(1)).follow
    monkeypatch.setattr(type(swirl(1)), "follow", lambda self, points: calls.append(1) or follow(self, points))
    warp = swirl(0.123)
    first = warp(random(200, 300))
    count = len(calls)
    np.testing.assert_array_equal(warp(random(200, 300)), first)
    assert len(calls) == count + 1  # to see whether it is a matrix


@pytest.mark.parametrize(
    "warp", [zoom(1e-3) ** 30, zoom(1e3) ** 30 @ swirl(1), shift(1e30), expand(-100)], ids=["in", "out", "far", "ring"]
)
@pytest.mark.parametrize("border", ["mirror", "wrap", "clamp", "transparent"])
def test_far_away_is_no_trouble(warp, border):
    result = warp(random(20, 30), border=border)
    assert np.isfinite(result).all()


def test_map_image_looks_anywhere():
    picture = random(20, 30)
    places = canvas.coordinates(identity(), (30, 20))
    np.testing.assert_allclose(canvas.map_image(picture, places[:, ::-1].copy()), picture[:, ::-1], atol=1e-6)
    assert canvas.map_image(picture, places[:5, :6]).shape == (5, 6, 3)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (np.full((2, 2, 2), np.nan), "finite"),
        (np.zeros((2, 2)), "H×W×2"),
        (np.zeros((0, 2, 2)), "at least those of one pixel"),
        (np.zeros((2, 2, 2), int), "finite floats"),
        ([[0, 0]], "H×W×2"),
    ],
)
def test_places_that_are_none_are_refused(places, message):
    with pytest.raises(BadValue, match=message):
        canvas.map_image(random(4, 4), places)


def test_pictures_are_blended_without_rounding():
    a, b = random(6, 8), random(6, 8, seed=1)
    np.testing.assert_allclose(canvas.blend(a, b, 0.3), 0.7 * a + 0.3 * b, atol=1e-6)
    assert canvas.blend(a, random(3, 4, 4), 0.5).shape == (6, 8, 4)
    assert isinstance(canvas.blend(image.to_picture(a), b, 0.5), Image.Image)
    with pytest.raises(BadValue, match="between 0 and 1"):
        canvas.blend(a, b, 1.5)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: zoom(2)(np.full((4, 4, 3), np.nan, np.float32)), BadValue),
        (lambda: zoom(2)(np.zeros((0, 4, 3), np.float32)), BadValue),
        (lambda: zoom(2)(np.zeros((4, 4, 5), np.float32)), BadValue),
        (lambda: zoom(2)("nowhere.png"), NotFound),
        (lambda: zoom(2)(7), BadValue),
        (lambda: canvas.apply(random(4, 4), "zoom"), BadValue),
        (lambda: zoom(2)(random(4, 4), border="mirrored"), UnknownName),
        (lambda: zoom(2)(random(4, 4), interpolation="nearest"), UnknownName),
        (lambda: zoom(2)(random(4, 4), time=math.nan), BadValue),
        (lambda: zoom(2)(random(4, 4), size=(0, 4)), BadValue),
        (lambda: zoom(2)(np.zeros((1, 40_000), np.float32)), TooLarge),
        (lambda: zoom(2)(random(4, 4), size=(40_000, 1)), TooLarge),
    ],
)
def test_what_cannot_be_warped_is_refused_in_one_line(call, error):
    with pytest.raises(error) as caught:
        call()
    assert "\n" not in str(caught.value)
