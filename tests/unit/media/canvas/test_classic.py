"""The canvas of 2021: what its words mean, that its bugs are gone, and that no picture is too odd for it."""

from __future__ import annotations

import copy
import importlib
import itertools
import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml4a._core.errors import BadValue, UnknownName
from ml4a.media import canvas
from ml4a.media.canvas.classic import classic, classic_frames, classic_map

module = importlib.import_module("ml4a.media.canvas.classic")

EVERYTHING = {
    "center": (0.33, 0.61),
    "shift": (0.1, -0.2),
    "stretch": (1.3, 0.7),
    "zoom": 1.2,
    "expand": 1.0,
    "rot_const": 0.3,
    "rot_ang": 0.1,
    "rot_dst": 0.02,
    "spiral_margin": 0.2,
    "spiral_periods": 5,
    "noise_rate": (2.0, 3.0),
    "noise_margin": (3.0, 5.0),
    "noise_offset": (-4.0, 7.0),
}
IDLE = [{}, {"spiral_margin": -0.2, "spiral_periods": 5}, {"noise_rate": (2, 3)}, {"center": (0.1, 0.2), "zoom": 1}]


def rough(width: int, height: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def soft(width: int, height: int) -> np.ndarray:
    return cv2.GaussianBlur(rough(width, height), (0, 0), 4)


def dot(width: int, height: int, column: int, row: int) -> np.ndarray:
    picture = np.zeros((height, width), np.float32)
    picture[row - 1 : row + 2, column - 1 : column + 2] = 1
    return picture


def middle(picture: np.ndarray) -> tuple[float, float]:
    """(column, row) of what is bright."""
    rows, columns = np.indices(picture.shape)
    return float((columns * picture).sum() / picture.sum()), float((rows * picture).sum() / picture.sum())


@pytest.mark.parametrize("mod", IDLE)
def test_what_does_nothing_changes_no_value(mod):
    picture = rough(31, 22)
    result = classic(picture, mod)
    np.testing.assert_array_equal(result, picture)
    assert not np.shares_memory(result, picture)
    np.testing.assert_array_equal(classic(picture, [mod, {}], np.full((22, 31), 0.3)), picture)


@pytest.mark.parametrize(
    ("mod", "column", "row"),
    [
        ({"shift": (0.1, 0)}, 60, 40),  # down, by a tenth of the height
        ({"shift": (0, 0.2)}, 80, 30),  # to the right, by a fifth of the width
        ({"stretch": (2, 1)}, 60, 10),
        ({"stretch": (1, 2)}, 70, 30),
        ({"zoom": 2}, 70, 10),
        ({"zoom": 0.8}, 58, 34),
        ({"center": (0.2, 0.5), "zoom": 2}, 70, 40),
        ({"expand": 2}, 60 + 2 / math.sqrt(5), 30 - 4 / math.sqrt(5)),
        ({"rot_const": math.pi / 2}, 50 - 20, 50 - 10),  # counter-clockwise: from the right of the middle upwards
        (
            {"rot_dst": 0.01},
            50 + 10 * math.cos(0.224) - 20 * math.sin(0.224),
            50 - 20 * math.cos(0.224) - 10 * math.sin(0.224),
        ),
    ],
)
def test_where_things_go(mod, column, row):
    """A dot at (60, 30) in a picture of 100×100."""
    at = middle(classic(dot(100, 100, 60, 30), mod))
    assert at == pytest.approx((column, row), abs=0.35)


def test_a_spiral_has_as_many_arms_as_periods():
    rings = np.hypot(*(np.indices((201, 201)) - 100.5)).astype(np.float32) / 150
    waved = classic(rings, {"spiral_margin": 0.1, "spiral_periods": 6})
    angles = np.arange(720) / 720 * math.tau
    along = waved[np.round(100.5 + 70 * np.sin(angles)).astype(int), np.round(100.5 + 70 * np.cos(angles)).astype(int)]
    spectrum = np.abs(np.fft.rfft(along - along.mean()))
    assert spectrum.argmax() == 6


def test_angular_rotation_leaves_a_seam_to_the_left_only():
    turned = classic(soft(80, 80), {"rot_ang": 0.3})
    seam = np.abs(np.diff(turned, axis=0)).mean(axis=2)[39]
    assert seam[:35].mean() > 3 * seam[45:].mean()


def test_noise_margins_are_vertical_and_horizontal_and_each_may_be_alone():
    stripes = np.tile(np.sin(np.arange(64, dtype=np.float32) / 3) / 2 + 0.5, (48, 1))  # vary along x
    across = {"noise_rate": (2, 2), "noise_margin": (0, 4)}
    down = {"noise_rate": (2, 2), "noise_margin": (4, 0)}
    assert np.abs(classic(stripes, across) - stripes).max() > 0.3
    assert np.abs(classic(stripes, down) - stripes).max() < 1e-5
    standing = np.ascontiguousarray(stripes.T)
    assert np.abs(classic(standing, down) - standing).max() > 0.3
    assert np.abs(classic(standing, across) - standing).max() < 1e-5
    opposite = classic(stripes, across | {"noise_margin": (0, -4)})
    assert np.abs(opposite - classic(stripes, across)).max() > 0.3


def test_noise_over_a_large_picture_is_interpolated_and_still_exact(monkeypatch):
    mod = {"noise_rate": (0.52, 0.35), "noise_margin": (24.0, 43.0)}
    fast = classic(rough(300, 280), mod)
    monkeypatch.setattr(module, "_NOISE_ERROR", 0)
    module._unmasked.cache_clear()
    exact = classic(rough(300, 280), mod)
    module._unmasked.cache_clear()
    assert np.abs(fast - exact).max() < 0.1 / 255


def test_where_one_pass_is_active_a_score_gives_the_same_picture():
    """Inside: the border is another. The centre of 2021 is half a pixel to the right of and below the middle."""
    picture, half = soft(90, 60), 0.5 / 60
    pairs = [
        ({"shift": (0.1, -0.2)}, canvas.shift(-0.2 * 90 / 60, 0.1)),
        ({"zoom": 1.2, "rot_const": 0.3}, canvas.zoom(1.2, (half, half)) @ canvas.rotate(0.3, (half, half))),
    ]
    for mod, score in pairs:
        was, now = classic(picture, mod), canvas.apply(picture, score)
        assert np.abs(was - now)[20:40, 30:60].max() < 1e-3
        assert np.abs(was - picture)[20:40, 30:60].max() > 0.03


def test_dictionaries_are_left_as_they_are_given():
    mods = [{"zoom": 1.1}, copy.deepcopy(EVERYTHING)]
    before = copy.deepcopy(mods)
    classic(rough(20, 20), mods)
    list(classic_frames(rough(20, 20), mods, 3))
    assert mods == before


def test_masks_weigh_places():
    picture = soft(60, 40)
    mods = [{"shift": (0, 0.1)}, {"shift": (0, -0.3)}]
    first, second = (classic(picture, mod) for mod in mods)
    one = np.zeros((40, 60, 2))
    one[:, :, 1] = 7
    np.testing.assert_array_equal(classic(picture, mods, one), second)
    half = classic(picture, mods, np.full((40, 60, 2), 0.2))
    np.testing.assert_allclose(half, classic(picture, {"shift": (0, -0.1)}), atol=1e-5)
    np.testing.assert_allclose(classic(picture, mods), half, atol=1e-6)
    np.testing.assert_allclose(classic(picture, mods, np.zeros((40, 60, 2))), half, atol=1e-6)
    single = np.ones((40, 60))
    single[:, 30:] = 0
    beside = classic(picture, mods, lambda size, time: single)
    np.testing.assert_allclose(beside, np.where(single[:, :, None], first, second), atol=1e-6)


@pytest.mark.parametrize(
    ("mods", "message"),
    [
        ({"zom": 2}, "did you mean 'zoom'"),
        ({"shift": 0.1}, "shift must be a pair"),
        ({"shift": (0.1, 0.2, 0.3)}, "shift must be a pair"),
        ({"zoom": (1, 2)}, "zoom"),
        ({"zoom": 0}, "zoom must be more than 0"),
        ({"zoom": -1}, "zoom must be more than 0"),
        ({"stretch": (1, 0)}, "stretch must be other than 0"),
        ({"rot_const": math.nan}, "rot_const"),
        ({"expand": math.inf}, "expand"),
        ({"expand": 1e9}, "expand must be between"),
        ({"center": ("a", 0)}, "center"),
        ([], "a list of them"),
        ("zoom", "a dictionary"),
        ([{"zoom": 1.1}, 3], "a dictionary"),
    ],
)
def test_modifications_that_are_refused(mods, message):
    with pytest.raises(BadValue, match=message) as caught:
        classic(rough(9, 7), mods)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UnknownName) == (mods == {"zom": 2})


@pytest.mark.parametrize(
    "mod",
    [
        {"shift": (1e6, -1e6)},
        {"zoom": 1e-6},
        {"expand": -1e6},
        {"rot_dst": 1e6, "rot_ang": 1e6},
        {"spiral_margin": 1e6, "spiral_periods": -1e6},
        {"noise_rate": (1e6, -1e6), "noise_margin": (1e6, 1e6), "noise_offset": (1e6, 0)},
    ],
)
def test_the_largest_numbers_still_make_a_picture(mod):
    picture = rough(9, 7)
    result = classic(picture, mod)
    assert picture.min() <= result.min() <= result.max() <= picture.max()


@pytest.mark.parametrize(
    "masks",
    [
        np.full((7, 9, 2), math.nan),
        np.full((7, 9, 2), -1.0),
        np.ones((7, 9, 3)),
        np.ones((0, 9, 2)),
        "left",
    ],
)
def test_masks_that_are_refused(masks):
    with pytest.raises(BadValue):
        classic(rough(9, 7), [{"zoom": 1.1}, {}], masks)


def test_pictures_keep_their_kind():
    array = (rough(20, 14, 4) * 255).astype(np.uint8)
    due = classic(array, EVERYTHING)
    assert due.dtype == np.float32
    pil = classic(Image.fromarray(array), EVERYTHING)
    assert pil.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(pil), (due * 255 + 0.5).astype(np.uint8))
    tensor = classic(torch.from_numpy(array.transpose(2, 0, 1).astype(np.float32) / 255), EVERYTHING)
    np.testing.assert_allclose(tensor.numpy().transpose(1, 2, 0), due, atol=1e-6)
    with pytest.raises(BadValue):
        classic(np.full((4, 4, 3), np.nan, np.float32), EVERYTHING)


def test_colours_of_transparent_pixels_do_not_bleed():
    picture = np.zeros((20, 20, 4), np.float32)
    picture[:, :10] = (1, 0, 0, 1)
    picture[:, 10:, 1] = 1  # green, but not to be seen
    moved = classic(picture, {"shift": (0, 0.02)})
    seen = moved[:, :, 3] > 0.01
    assert np.abs(moved[seen][:, :3] - (1, 0, 0)).max() < 1e-5
    assert ((moved[:, :, 3] > 0.01) & (moved[:, :, 3] < 0.99)).any()


@given(
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    channels=st.integers(0, 4),
    mod=st.sampled_from(
        [
            EVERYTHING,
            {"rot_const": 0.2},
            {"zoom": 0.3},
            {"expand": -3.0},
            {"noise_rate": (1, 2), "noise_margin": (2, 2)},
        ]
    ),
)
@settings(max_examples=40, deadline=None)
def test_pictures_of_all_sizes_and_channels(size, channels, mod):
    picture = rough(*size, max(1, channels), seed=sum(size))
    if channels in (2, 4):
        picture[:, :, -1] = 1
    picture = picture[:, :, 0] if channels == 0 else picture
    result = classic(picture, mod)
    assert result.shape == picture.shape
    assert result.dtype == np.float32
    assert picture.min() - 1e-6 <= result.min()
    assert result.max() <= picture.max() + 1e-6
    if channels > 1:
        np.testing.assert_allclose(classic(np.ascontiguousarray(picture[:, :, 0]), mod), result[:, :, 0], atol=1e-6)


@given(st.tuples(st.integers(1, 80), st.integers(1, 80)), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_sampling_without_opencv_gives_the_same(size, channels, seed):
    picture = rough(*size, channels, seed)
    rng = np.random.default_rng(seed)
    columns, rows = ((rng.random(picture.shape[:2]) * (side + 1)).astype(np.float32) for side in size)
    height, width = picture.shape[:2]
    x, y = columns.clip(0, width - 1).astype(float), rows.clip(0, height - 1).astype(float)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    dx, dy = (x - left)[:, :, None], (y - top)[:, :, None]
    above = picture[top, left] * (1 - dx) + picture[top, right] * dx
    below = picture[bottom, left] * (1 - dx) + picture[bottom, right] * dx
    due = above * (1 - dy) + below * dy
    np.testing.assert_allclose(module._gathered(picture, columns, rows), due, atol=1e-6)
    np.testing.assert_allclose(module._sampled(picture, columns, rows), due, atol=2e-6)


def test_a_picture_too_long_for_opencv_is_sampled_all_the_same():
    strip = rough(40_000, 2)
    moved = classic(strip, {"shift": (0, 0.25)})
    np.testing.assert_allclose(moved[:, 10_000:], strip[:, :-10_000], atol=1e-6)


def test_places_of_ones_own():
    picture = rough(8, 5)
    rows, columns = np.indices((5, 8)).astype(float)
    places = np.stack([rows, columns], axis=2)
    np.testing.assert_array_equal(classic_map(picture, places), picture)
    np.testing.assert_array_equal(classic_map(picture, -places), picture)  # mirrored about the first pixel
    beyond = np.stack([rows, np.minimum(columns + 8, 9)], axis=2)
    np.testing.assert_array_equal(classic_map(picture, beyond)[:, 1:], np.repeat(picture[:, 7:], 7, axis=1))
    np.testing.assert_allclose(classic_map(picture, places + np.array([0, 16])), picture, atol=1e-6)
    for wrong in (
        places[:4],
        places.astype(int),
        np.where(places == 3, np.nan, places),
        places + 1e12,
        places.tolist(),
    ):
        with pytest.raises(BadValue, match="places"):
            classic_map(picture, wrong)


def test_each_frame_is_the_one_before_modified():
    picture = soft(40, 30)
    frames = list(classic_frames(picture, EVERYTHING, 4))
    assert len(frames) == 4
    np.testing.assert_array_equal(frames[0], picture)
    for before, after in itertools.pairwise(frames):
        np.testing.assert_allclose(after, classic(before, EVERYTHING), atol=1e-6)
        assert np.abs(after - before).max() > 0.01


def test_nothing_drifts_over_a_hundred_frames():
    picture = rough(30, 20)
    *_, last = classic_frames(picture, {}, 101)
    np.testing.assert_array_equal(last, picture)
    *_, last = classic_frames(picture, {"shift": (0, 1 / 30)}, 61)
    assert last.mean() == pytest.approx(picture.mean(), abs=0.2)
    *_, last = classic_frames(picture, {"noise_rate": (1, 1), "noise_margin": (0.5, 0.5)}, 31)
    assert last.mean() == pytest.approx(picture.mean(), abs=0.03)


def test_steps_are_done_to_each_further_frame():
    frames = list(classic_frames(np.full((3, 3), 0.1, np.float32), {}, 3, lambda f: f * 2, lambda f: f + 0.05))
    assert [float(frame[0, 0]) for frame in frames] == pytest.approx([0.1, 0.25, 0.55])
    with pytest.raises(BadValue, match="shape"):
        list(classic_frames(rough(4, 4), {}, 2, lambda frame: frame[:2]))
    for count in (0, 2.5, True):
        with pytest.raises(BadValue, match="count"):
            classic_frames(rough(4, 4), {}, count)
