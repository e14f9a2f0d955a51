"""Flows are found, checked and followed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from known_motion import HEIGHT, WIDTH, KnownFilm, texture

from ml4a._core.errors import BadValue
from ml4a.media import image, motion
from ml4a.media.motion import Flow


def constant_flow(height, width, dx, dy):
    return Flow(np.full((height, width, 2), (dx, dy), np.float32))


@pytest.mark.parametrize(("preset", "error"), [("ultrafast", 0.8), ("fast", 0.5), ("medium", 0.25)])
def test_dis_finds_the_motion_of_a_camera(preset, error):
    film = KnownFilm(count=6, square=0)
    flow = motion.dis(film.frames[5], film.frames[4], preset=preset)
    assert flow.size == (WIDTH, HEIGHT)
    assert flow.vectors.dtype == np.float32
    distance = np.linalg.norm(flow.vectors - film.flow_back(5), axis=2)
    assert distance[film.seen_before(5)].mean() < error


def test_dis_leads_from_the_first_picture_to_the_second():
    wide = texture(80, 120, 3)
    flow = motion.dis(wide[:, 4:100], wide[:, :96])  # what is at x in the first is at x + 4 in the second
    assert np.median(flow.vectors, axis=(0, 1)) == pytest.approx((4, 0), abs=0.1)


def test_dis_takes_grey_and_8_bit_pictures():
    wide = texture(80, 120, 3)
    a, b = wide[:, 4:100], wide[:, :96]
    for convert in (lambda p: p[:, :, 1], lambda p: p[:, :, :1], lambda p: (p * 255).astype(np.uint8)):
        assert np.median(motion.dis(convert(a), convert(b)).vectors[:, :, 0]) == pytest.approx(4, abs=0.1)


def test_dis_on_large_pictures_gives_pixels_of_the_large_pictures():
    wide = cv2.resize(texture(270, 490, 3), (1960, 1080), interpolation=cv2.INTER_CUBIC)
    flow = motion.dis(wide[:, 30:1950], wide[:, 10:1930])
    assert flow.size == (1920, 1080)
    assert np.median(flow.vectors, axis=(0, 1)) == pytest.approx((20, 0), abs=0.2)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 30), (7, 5), (31, 33)])
def test_dis_takes_small_pictures(height, width):
    picture = texture(height, width, 1)
    assert np.abs(motion.dis(picture, picture).vectors).max() < 0.5


def test_dis_refuses_pictures_of_two_sizes_and_unknown_presets():
    with pytest.raises(BadValue, match="one size"):
        motion.dis(np.zeros((40, 40, 3)), np.zeros((40, 41, 3)))
    with pytest.raises(BadValue, match="ultrafast, fast, medium, not 'best'"):
        motion.dis(np.zeros((40, 40, 3)), np.zeros((40, 40, 3)), preset="best")


def test_a_flow_may_be_for_pictures_of_another_size():
    larger = constant_flow(20, 30, 3, -1).resized((60, 80))
    assert larger.size == (60, 80)
    assert larger.vectors[40, 30].tolist() == [6, -4]


def test_warp_pulls_the_picture_along_the_flow():
    picture = texture(40, 60, 2)
    moved = motion.warp(picture, constant_flow(40, 60, 5, -3))
    np.testing.assert_allclose(moved[10:30, 10:40], picture[7:27, 15:45], atol=1e-6)


def test_warp_along_the_true_flow_gives_the_next_frame():
    film = KnownFilm(count=4, square=0, grain=0)
    moved = motion.warp(film.clean[2], Flow(film.flow_back(3)))
    seen = film.seen_before(3)
    assert np.abs(moved - film.clean[3])[seen].mean() < 0.004
    assert np.abs(film.clean[2] - film.clean[3])[seen].mean() > 0.015


def test_warp_by_cubic_interpolation_stays_sharper_than_by_linear():
    picture = texture(64, 64, 2)
    there, back = constant_flow(64, 64, 0.5, 0.5), constant_flow(64, 64, -0.5, -0.5)
    loss = {}
    for method in ("linear", "cubic"):
        twice = motion.warp(motion.warp(picture, there, interpolation=method), back, interpolation=method)
        loss[method] = np.abs(twice - picture)[4:-4, 4:-4].mean()
    assert loss["cubic"] < 0.5 * loss["linear"]


@pytest.mark.parametrize(("border", "outside"), [("zero", 0), ("replicate", 0.1), ("reflect", 0.2)])
def test_warp_fills_what_lies_outside(border, outside):
    picture = np.broadcast_to((np.arange(30, dtype=np.float32) / 10 + 0.1)[None, :, None], (20, 30, 3)).copy()
    moved = motion.warp(picture, constant_flow(20, 30, -2, 0), border=border, interpolation="linear")
    assert moved[10, 0, 0] == pytest.approx(outside)
    assert moved[10, 5, 0] == pytest.approx(picture[10, 3, 0])


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 2), (20, 30, 4)])
def test_warp_keeps_the_shape(shape):
    assert motion.warp(np.ones(shape, np.float32), constant_flow(20, 30, 1, 1)).shape == shape


def test_warp_scales_a_flow_to_the_picture():
    picture = texture(80, 120, 2)
    moved = motion.warp(picture, constant_flow(40, 60, 4, 0))
    np.testing.assert_allclose(moved[:, 10:100], picture[:, 18:108], atol=1e-5)


def test_a_flow_is_trusted_where_the_flow_back_returns_and_not_where_something_was_hidden():
    # A square of 20 px moves 6 px to the right over a ground that stays.
    backward, forward = np.zeros((60, 80, 2), np.float32), np.zeros((60, 80, 2), np.float32)
    forward[20:40, 20:40] = (6, 0)
    backward[20:40, 26:46] = (-6, 0)
    trust = motion.consistency(Flow(backward), Flow(forward))
    assert (trust[22:38, 21:25] == 0).all()  # just uncovered
    assert (trust[22:38, 28:44] == 1).all()  # the square
    assert (trust[:18] == 1).all()  # the ground


def test_flows_of_a_real_search_agree_on_what_both_frames_show():
    film = KnownFilm(count=5)
    backward = motion.dis(film.frames[4], film.frames[3])
    forward = motion.dis(film.frames[3], film.frames[4])
    trust = motion.consistency(backward, forward)
    assert trust.shape == (HEIGHT, WIDTH)
    assert trust[film.seen_before(4)].mean() > 0.95


def test_flows_that_lead_outside_are_not_trusted():
    there, back = constant_flow(20, 30, 5, 0), constant_flow(20, 30, -5, 0)
    trust = motion.consistency(there, back)
    assert (trust[:, :25] > 0.99).all()
    assert (trust[:, 25:] == 0).all()


def test_blend_mixes_by_a_number_or_by_pixel():
    a, b = np.zeros((4, 6, 3), np.float32), np.ones((4, 6, 3), np.float32)
    assert (motion.blend(a, b, 0.25) == 0.25).all()
    weight = np.linspace(0, 1, 6, dtype=np.float32)[None].repeat(4, axis=0)
    np.testing.assert_array_equal(motion.blend(a, b, weight)[:, :, 1], weight)


def test_a_flow_shows_directions_as_hues():
    vectors = np.zeros((2, 3, 2), np.float32)
    vectors[0, 1], vectors[0, 2], vectors[1, 0] = (4, 0), (-4, 0), (2, 0)
    shown = motion.Flow(vectors).view()
    assert np.allclose(shown[0, 0], (1, 1, 1))  # it stands still
    assert np.allclose(shown[0, 1], (1, 0, 0), atol=0.01)
    assert np.allclose(shown[0, 2], (0, 1, 1), atol=0.01)
    assert np.allclose(shown[1, 0], (1, 0.5, 0.5), atol=0.01)
    decoded = image.to_array(image.load(motion.Flow(vectors)._repr_png_()))
    assert np.abs(decoded - shown).max() < 0.003
