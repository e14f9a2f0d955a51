"""Equalisation, ranges, enhancement, brightness and the simple changes."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from picture_files import scene
from PIL import Image

from ml4a._core.errors import Cancelled
from ml4a._core.progress import Cancel, listening
from ml4a.media import color, image, video
from ml4a.media.color._colors import to_lab


def floats(*arguments, **options) -> np.ndarray:
    return scene(*arguments, **options).astype(np.float32) / 255


def luma(picture) -> np.ndarray:
    return image.to_array(picture)[:, :, :3] @ np.array([0.299, 0.587, 0.114])


def test_equalising_grey_is_opencvs():
    grey = scene(50, 40)[:, :, 0] // 3 + 40
    for channel in ("luma", "rgb"):
        result = np.rint(color.equalize(grey, channel)[:, :, 0] * 255)
        np.testing.assert_allclose(result, cv2.equalizeHist(grey), atol=1)


def test_equalised_floats_are_spread_evenly_and_finely():
    dim = (np.linspace(0, 1, 40_000, dtype=np.float32) ** 1.5).reshape(200, 200) * 0.2 + 0.4
    equal = np.sort(color.equalize(dim)[:, :, 0], axis=None)
    np.testing.assert_allclose(equal, np.linspace(0, 1, 40_000), atol=2e-3)
    assert len(np.unique(equal)) > 3000


def test_equalising_luma_keeps_greys_grey_and_channels_do_not():
    picture = floats(40, 30)
    picture[:15] = picture[:15, :, :1]
    by_luma, by_channel = color.equalize(picture), color.equalize(picture, "rgb")
    assert np.ptp(by_luma[:15], axis=2).max() < 1e-6
    assert np.ptp(by_channel[:15], axis=2).max() > 0.05


def test_a_picture_of_one_colour_stays_as_it_is():
    one = np.full((6, 5, 3), 0.25, np.float32)
    for change in (color.equalize, color.adjust_range):
        np.testing.assert_array_equal(change(one), one)


def test_the_full_range_is_reached_and_amounts_lie_between():
    dull = floats(60, 50) * 0.3 + 0.3
    full = color.adjust_range(dull, 1, 0.02)
    assert (full == 0).mean() < 0.1
    assert full.min() == 0
    assert full.max() == 1
    half = color.adjust_range(dull, 0.5, 0.02)
    assert dull.std() < half.std() < full.std()
    assert color.adjust_range(dull, -0.1, 0.02).std() < dull.std() * 0.9
    assert color.adjust_range(dull, -1, 0.02).std() < 1e-3
    np.testing.assert_array_equal(color.adjust_range(dull, 0, 0.02), dull)


def test_frames_are_stretched_alike_by_one_histogram():
    dark, bright = floats(40, 30) * 0.3, floats(40, 30) * 0.3 + 0.3
    film = color.average_histogram([dark, bright], "intensity")
    results = [color.adjust_range(frame, 1, 0.02, film).mean() for frame in (dark, bright)]
    assert results[1] - results[0] > 0.4


def test_enhancement_does_what_it_says():
    picture = floats(60, 40) * 0.5 + 0.25
    assert np.ptp(color.enhance(picture, saturation=0), axis=2).max() < 1e-6
    np.testing.assert_allclose(luma(color.enhance(picture, saturation=0)), luma(picture), atol=1e-6)
    np.testing.assert_allclose(color.enhance(picture, contrast=0), luma(picture).mean(), atol=1e-6)
    detail = [cv2.Laplacian(color.enhance(picture, sharpness=s), -1).std() for s in (0, 1, 2)]
    assert detail[0] < detail[1] < detail[2]
    np.testing.assert_array_equal(color.enhance(picture), picture)


def test_a_hundred_enhancements_of_floats_lose_nothing():
    picture = floats(40, 30) * 0.5 + 0.25
    result = picture
    for _ in range(50):
        result = color.enhance(color.enhance(result, saturation=1.25), saturation=0.8)
    np.testing.assert_allclose(result, picture, atol=1e-4)


def test_levelled_pictures_are_equally_bright():
    frames = [floats(40, 30, seed=1) * gain for gain in (0.9, 0.4, 0.7)]
    levelled = color.level_brightness(frames)
    means = [luma(frame).mean() for frame in levelled]
    assert np.ptp(means) < 0.01
    assert means[0] == pytest.approx(np.mean([luma(frame).mean() for frame in frames]), abs=0.01)
    black = np.zeros((4, 4, 3), np.float32)
    np.testing.assert_array_equal(color.level_brightness([frames[0], black])[1], black)


def test_a_clip_is_levelled_as_a_clip_frame_by_frame_as_it_is_read():
    gains = (0.9, 0.4, 0.7)
    passes = []

    def frames():
        passes.append(len(passes))
        for gain in gains:
            yield floats(40, 30, seed=1) * np.float32(gain)

    levelled = color.level_brightness(video.from_frames(frames, rate=12, count=3))
    assert isinstance(levelled, video.Clip)
    assert levelled.rate == 12
    assert np.ptp([luma(frame).mean() for frame in levelled]) < 0.01
    assert np.ptp([luma(frame).mean() for frame in levelled]) < 0.01
    assert len(passes) >= 3  # once to measure, once for each reading: nothing is held in memory


def test_measuring_a_film_can_be_stopped():
    cancel, seen = Cancel(), []

    def frames():
        for number in range(100):
            seen.append(number)
            if number == 5:
                cancel.cancel()
            yield floats(8, 8)

    with listening(None, cancel), pytest.raises(Cancelled):
        color.level_brightness(video.from_frames(frames, count=100))
    assert max(seen) < 10


def test_hues_go_round_and_come_back():
    picture = floats(40, 30) * 0.3 + 0.35
    turned = color.hue(picture, 1.2)
    np.testing.assert_allclose(to_lab(turned)[:, :, 0], to_lab(picture)[:, :, 0], atol=3)
    np.testing.assert_allclose(color.hue(turned, -1.2), picture, atol=0.02)
    np.testing.assert_allclose(color.hue(picture, 2 * math.pi), picture, atol=0.005)
    red = np.full((1, 1, 3), (0.7, 0.4, 0.4), np.float32)
    yellowish, greenish = color.hue(red, 1.0)[0, 0], color.hue(red, 2.2)[0, 0]
    assert yellowish[1] > red[0, 0, 1]
    assert greenish[1] > greenish[0]


def test_warmer_is_redder_and_cooler_is_bluer_and_neither_brighter():
    picture = floats(40, 30) * 0.4 + 0.3
    warm, cool = color.temperature(picture, 0.6), color.temperature(picture, -0.6)
    assert warm[:, :, 0].mean() > picture[:, :, 0].mean() + 0.02
    assert warm[:, :, 2].mean() < picture[:, :, 2].mean() - 0.02
    assert cool[:, :, 2].mean() > picture[:, :, 2].mean() + 0.02
    np.testing.assert_allclose(luma(warm), luma(picture), atol=1e-5)
    np.testing.assert_array_equal(color.temperature(np.zeros((3, 3, 3), np.float32), 1), 0)


def test_a_duotone_goes_from_the_first_colour_to_the_last():
    ramp = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, -1)
    result = color.duotone(ramp, ["#102030", (1, 0.5, 0.25), "white"])
    np.testing.assert_allclose(result[0, 0] * 255, (16, 32, 48), atol=0.6)
    np.testing.assert_allclose(result[0, 127:129].mean(axis=0), (1, 0.5, 0.25), atol=0.01)
    np.testing.assert_allclose(result[0, -1], 1, atol=1e-6)


def test_every_operation_is_a_step_of_a_loop():
    picture = Image.fromarray(scene(40, 30))
    frame = image.to_array(picture)
    for _ in range(20):
        frame = color.hue(color.enhance(frame, 1.05, 1.01, 1.1), 0.05)
    assert frame.shape == (30, 40, 3)
    assert frame.std() > 0.05
