"""Whole calls of RealESRGAN against the original program's `RealESRGANer.enhance`, its tiles included."""

from __future__ import annotations

import deterministic
import numpy as np
import official_keys as keys
import pytest
from figures import Figures

import ml4a
from ml4a.networks import from_state_dict


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("real_esrgan")


@pytest.fixture(scope="module")
def cartoons():
    return ml4a.load("real_esrgan", "animevideo", dtype="float32")


@pytest.fixture(scope="module")
def doubling():
    """A model around a network of scale 2."""
    model = ml4a.load("real_esrgan", "animevideo", dtype="float32")
    state = deterministic.state_dict(keys.rrdbnet(given=12, blocks=2))
    state["conv_last.weight"] *= 0.1
    state["conv_last.bias"][:] = 0.5
    model.network = from_state_dict("esrgan", state)
    return model


def assert_same(result: np.ndarray, figures: Figures, name: str) -> None:
    """`result` is float RGB[A]; the original's figures are 8 bits BGR[A]."""
    channels = [2, 1, 0, 3][: result.shape[2]]
    bgr = np.round(result[:, :, channels] * 255)
    assert list(bgr.shape) == list(figures[f"enhance_{name}_shape"])
    values = bgr.ravel()[:: int(figures[f"enhance_{name}_step"])]
    assert np.abs(values - figures[f"enhance_{name}_sample"].astype(np.float32)).max() <= 1


def rgba(figures: Figures) -> np.ndarray:
    return np.ascontiguousarray(figures["enhance_in_rgba"][:, :, [2, 1, 0, 3]])


def test_the_whole_at_once(cartoons, figures):
    assert_same(cartoons(rgba(figures)[:, :, :3]), figures, "animevideov3_rgb")


def test_transparency_goes_through_the_network_in_the_originals_tiles(cartoons, figures):
    assert_same(cartoons(rgba(figures), tile=16, tile_pad=10), figures, "animevideov3_rgba_tile16_pad10")


def test_a_grey_picture(cartoons, figures):
    result = cartoons(np.ascontiguousarray(figures["enhance_in_rgba"][:, :, 1]))
    grey = result @ np.float32([0.299, 0.587, 0.114])
    values = np.round(grey * 255).ravel()[:: int(figures["enhance_animevideov3_gray_step"])]
    assert np.abs(values - figures["enhance_animevideov3_gray_sample"].astype(np.float32)).max() <= 1


def test_sixteen_bits(cartoons, figures):
    result = cartoons(rgba(figures)[:, :, :3].astype(np.uint16) * 257)
    bgr = np.round(result[:, :, ::-1] * 65535).ravel()[:: int(figures["enhance_animevideov3_u16_step"])]
    assert np.abs(bgr - figures["enhance_animevideov3_u16_sample"].astype(np.float32)).max() <= 2


def test_odd_sides_at_scale_2(doubling, figures):
    assert_same(doubling(rgba(figures)[:, :, :3], scale=2), figures, "x2_prepad0")


def test_the_originals_tiles_at_scale_2(doubling, figures):
    assert_same(doubling(rgba(figures)[:, :, :3], scale=2, tile=16, tile_pad=10), figures, "x2_tile16")


def test_the_originals_tiles_leave_seams_and_ours_do_not(cartoons, figures):
    picture = rgba(figures)[:, :, :3]
    whole = cartoons(picture)
    assert np.abs(cartoons(picture, tile=16) - whole).max() * 255 <= 1
    assert np.abs(cartoons(picture, tile=16, tile_pad=2) - whole).max() * 255 > 1
