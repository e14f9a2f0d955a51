"""Films of scores: over time, fed back, and without an end."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from ml4a._core.errors import BadValue, UnknownName
from ml4a.media import canvas, image, mask, video
from ml4a.media.canvas import identity, noise, rotate, shift, swirl, zoom
from ml4a.media.signals import keys, wave


def photo(height=36, width=48, channels=3):
    picture = np.random.default_rng(0).random((height, width, channels), dtype=np.float32)
    return cv2.GaussianBlur(picture, (0, 0), 2)


def test_a_score_is_played_over_time():
    score = zoom(wave(2, 1, 2))
    clip = canvas.play(photo(), score, seconds=2, rate=10)
    frames = list(clip)
    assert (len(frames), clip.count, clip.rate, clip.size) == (20, 20, 10, (48, 36))
    for number in (0, 3, 19):
        np.testing.assert_array_equal(frames[number], score(photo(), time=number / 10))


def test_what_comes_back_to_where_it_began_loops():
    frames = list(canvas.play(photo(), noise(0.2, speed=1, period=1.5) @ swirl(wave(1.5)), seconds=1.5, rate=20))
    steps = [np.abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1], strict=True)]
    assert steps[-1] < 1.3 * max(steps[:-1])


def test_feedback_sees_the_frame_before_through_the_warp():
    warp = zoom(1.05) @ rotate(keys({0: 0, 1: 0.2}))
    frames = list(canvas.loop(photo(), warp, seconds=1, rate=8))
    np.testing.assert_array_equal(frames[0], photo())
    for number in range(1, 8):
        expected = warp(frames[number - 1], time=number / 8, interpolation="bicubic")
        np.testing.assert_array_equal(frames[number], expected)


def test_a_hundred_steps_that_do_nothing_change_nothing():
    frames = list(canvas.loop(photo(), identity(), lambda frame: frame, shift(0), seconds=10, rate=10))
    assert len(frames) == 100
    np.testing.assert_array_equal(frames[-1], photo())


def test_feedback_does_not_darken():
    """The library of 2021 truncated to 8 bits in every frame: 30 of them cost 15 grey levels."""
    frames = list(canvas.loop(photo(), rotate(0.05), seconds=3, rate=30))
    assert frames[-1].mean() == pytest.approx(photo().mean(), abs=0.004)


def test_bicubic_feedback_keeps_detail_and_does_not_ring():
    sharp, soft = (
        list(canvas.loop(image.sample("astronaut", size=(160, 120)), rotate(0.013), seconds=2, interpolation=how))
        for how in ("bicubic", "bilinear")
    )
    detail = [cv2.Laplacian(frames[-1], cv2.CV_32F).std() for frames in (sharp, soft)]
    assert 2 * detail[1] < detail[0] <= cv2.Laplacian(sharp[0], cv2.CV_32F).std()
    assert np.abs(sharp[-1]).std() <= sharp[0].std() * 1.02


def test_sharpening_makes_up_for_softness():
    def detail(**options):
        return cv2.Laplacian(list(canvas.loop(photo(), rotate(0.02), seconds=1, **options))[-1], cv2.CV_32F).std()

    soft, kept = (detail(interpolation="bilinear", sharpen=amount) for amount in (0, 0.8))
    assert kept > 1.3 * soft
    assert detail(sharpen=wave(1, 0, 0.001)) == pytest.approx(detail(), rel=0.05)


def test_steps_may_be_anything_that_makes_pictures_of_pictures():
    def pil(frame):
        return image.to_picture(1 - frame)

    def tensor(frame):
        return torch.from_numpy(frame.transpose(2, 0, 1).copy()) * 0.5

    def grey(frame):
        return frame[:, :, 0]

    def larger(frame):
        return cv2.resize(frame, (96, 72), interpolation=cv2.INTER_CUBIC).clip(0, 1)

    for step in (pil, tensor, grey, larger, shift(0.1)):
        frames = list(canvas.loop(photo(), identity(), step, seconds=0.2, rate=10))
        assert frames[1].shape == photo().shape
        assert frames[1].dtype == np.float32
    (_, inverted), (_, halved) = (
        list(canvas.loop(photo(), identity(), step, seconds=0.2, rate=10)) for step in (pil, tensor)
    )
    np.testing.assert_allclose(inverted, 1 - photo(), atol=1 / 255)
    np.testing.assert_allclose(halved, photo() / 2, atol=1e-6)


def test_steps_run_in_order_on_what_the_one_before_made():
    frames = list(
        canvas.loop(photo(), identity(), lambda f: f * 0.5, lambda f: f + np.float32(0.25), seconds=0.3, rate=10)
    )
    np.testing.assert_allclose(frames[2], (photo() * 0.5 + 0.25) * 0.5 + 0.25, atol=1e-6)


def test_masks_say_where_steps_act():
    where = mask.circle(0.25)
    inside = where((48, 36))
    one = list(canvas.loop(photo(), identity(), lambda f: f * 0, masks=where, seconds=0.2, rate=10))[1]
    np.testing.assert_allclose(one, photo() * (1 - inside), atol=1e-6)
    two = list(
        canvas.loop(photo(), identity(), lambda f: f * 0, lambda f: 1 - f, masks=[where, None], seconds=0.2, rate=10)
    )[1]
    np.testing.assert_allclose(two, 1 - photo() * (1 - inside), atol=1e-6)


def test_where_a_result_is_transparent_the_frame_shows_through():
    def spot(frame):
        result = np.zeros((*frame.shape[:2], 4), np.float32)
        result[5:9, 5:9] = 1
        return result

    frame = list(canvas.loop(photo(), identity(), spot, seconds=0.2, rate=10))[1]
    expected = photo()
    expected[5:9, 5:9] = 1
    np.testing.assert_allclose(frame, expected, atol=1e-6)


def test_refreshing_lays_the_first_frame_over_the_others():
    black = lambda f: f * 0  # noqa: E731
    third = list(canvas.loop(photo(), identity(), black, refresh=0.3, seconds=0.3, rate=10))[2]
    np.testing.assert_allclose(third, 0.3 * photo(), atol=1e-6)
    where = mask.circle(0.25)
    third = list(canvas.loop(photo(), zoom(1.2), refresh=where, seconds=0.3, rate=10))[2]
    inside = where((48, 36))[:, :, 0] == 1
    np.testing.assert_array_equal(third[inside], photo()[inside])
    assert np.abs(third - photo())[~inside].mean() > 0.01
    fading = list(canvas.loop(photo(), identity(), black, refresh=keys({0: 1, 0.2: 0}), seconds=0.3, rate=10))
    np.testing.assert_allclose(fading[1], 0.5 * photo(), atol=1e-6)


@pytest.mark.parametrize("rate", [20, 21])
def test_a_seamless_film_leads_to_its_first_frame(rate):
    """Exactly: the frame after the last is the first."""
    warp = zoom(wave(1, 1.02, 1.06)) @ rotate(0.03)
    frames = list(canvas.loop(photo(), warp, seconds=1, rate=rate, seamless=True, interpolation="bilinear"))
    assert len(frames) == rate
    after_last = photo()
    for number in (*range(rate // 2 + 1, rate), 0):
        after_last = warp(after_last, time=number / rate)
    np.testing.assert_allclose(frames[0], after_last, atol=1e-6)
    steps = [np.abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1], strict=True)]
    assert steps[-1] < 1.2 * max(steps[:-1])
    open_ended = list(canvas.loop(photo(), warp, seconds=1, rate=rate, interpolation="bilinear"))
    assert np.abs(open_ended[-1] - open_ended[0]).mean() > 2 * max(steps)


def test_a_seamless_film_shows_the_picture_itself_in_the_middle():
    frames = list(canvas.loop(photo(), rotate(0.1), seconds=2, rate=10, seamless=True))
    np.testing.assert_allclose(frames[10], list(canvas.loop(photo(), rotate(0.1), seconds=2, rate=10))[10], atol=1e-6)


def test_a_film_is_computed_again_each_time_it_is_read():
    clip = canvas.loop(photo(), zoom(1.1), seconds=0.5, rate=10)
    for first, second in zip(clip, clip, strict=True):
        np.testing.assert_array_equal(first, second)


def test_transparent_borders_give_a_film_with_alpha():
    for clip in (
        canvas.loop(photo(), shift(0.2), border="transparent", seconds=0.3, rate=10),
        canvas.play(photo(), shift(keys({0: 0, 1: 1})), border="transparent", seconds=0.3, rate=10),
    ):
        frames = list(clip)
        assert {frame.shape for frame in frames} == {(36, 48, 4)}
        assert frames[0][:, :, 3].min() == 1
        assert frames[2][:, 0, 3].max() == 0


def test_a_film_can_be_saved(tmp_path):
    canvas.loop(photo(), zoom(1.05), seconds=0.5, rate=10, size=(64, 48)).save(tmp_path / "loop.mp4")
    assert (video.open(tmp_path / "loop.mp4").size, video.open(tmp_path / "loop.mp4").count) == ((64, 48), 5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: canvas.loop(photo(), "zoom"), BadValue, "a warp such as"),
        (lambda: canvas.loop(photo(), zoom(1), 3), BadValue, "a step is a function"),
        (lambda: canvas.loop(photo(), zoom(1), seconds=0), BadValue, "seconds must be above 0"),
        (lambda: canvas.loop(photo(), zoom(1), seconds=np.nan), BadValue, "seconds must be a finite"),
        (lambda: canvas.loop(photo(), zoom(1), rate=-1), BadValue, "rate must be above 0"),
        (lambda: canvas.loop(photo(), zoom(1), refresh=2.0), BadValue, "between 0 and 1"),
        (lambda: canvas.loop(photo(), zoom(1), sharpen="a bit"), BadValue, "sharpen must be"),
        (lambda: canvas.loop(photo(), zoom(1), masks=[None]), BadValue, "0 steps and 1 masks"),
        (lambda: canvas.loop(photo(), zoom(1), border="none"), UnknownName, "border"),
        (lambda: canvas.play(photo(), 3), BadValue, "a warp such as"),
        (lambda: canvas.play(np.full((4, 4, 3), np.nan), zoom(1)), BadValue, "values are in"),
        (
            lambda: list(canvas.loop(photo(), zoom(1), lambda f: f * np.nan, seconds=0.2, rate=10)),
            BadValue,
            "values are in",
        ),
        (lambda: list(canvas.loop(photo(), zoom(1), lambda f: None, seconds=0.2, rate=10)), BadValue, "a picture is"),
        (
            lambda: list(canvas.loop(photo(), zoom(1), zoom(1), masks=np.ones((4, 4, 2)), seconds=0.2, rate=10)),
            BadValue,
            "one channel, not 2",
        ),
    ],
)
def test_wrong_films_are_refused_in_one_line(make, error, message):
    with pytest.raises(error, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
