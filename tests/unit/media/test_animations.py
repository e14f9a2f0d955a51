"""Animations are saved with their colours, their transparency and their times."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from film_files import RECORD, colour_bars, numbered, numbers, pan, write_film
from PIL import Image

from ml4a._core.record import Record
from ml4a.media import image, video


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif", ".webp", ".png"])
def test_the_last_frame_lasts_as_long_as_it_did(tmp_path, suffix):
    images = [Image.fromarray(picture) for picture in numbered(4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 50, 70, 1500])
    saved = video.open(tmp_path / "a.gif").save(tmp_path / f"out{suffix}")
    frames = list(video.open(saved).frames())
    assert [frame.duration for frame in frames] == [Fraction(n, 100) for n in (10, 5, 7, 150)]
    assert numbers(frame.array for frame in frames) == [0, 1, 2, 3]


def test_transparency_is_kept_where_it_can_be_and_else_laid_on_white(tmp_path):
    pictures = np.zeros((3, 48, 64, 4), np.uint8)
    for number in range(3):
        pictures[number, 8:24, 8 + 8 * number : 24 + 8 * number] = (200, 30, 60, 255)
    images = [Image.fromarray(picture) for picture in pictures]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=100)
    clip = video.open(tmp_path / "a.png")
    for suffix in (".gif", ".webp", ".png"):
        for frame, picture in zip(video.open(clip.save(tmp_path / f"out{suffix}")), pictures, strict=True):
            assert np.array_equal(frame[:, :, 3] > 0.5, picture[:, :, 3] > 0)
            shown = picture[:, :, 3] > 0
            assert np.abs(frame[shown] * 255 - picture[shown]).max() < (12 if suffix == ".webp" else 0.1)
    for suffix in (".mp4", ".mkv"):
        frame = next(iter(video.open(clip.save(tmp_path / f"out{suffix}"))))
        assert frame.shape == (48, 64, 3)
        assert np.abs(frame[40, 40] - 1).max() < 0.02
        assert np.abs(frame[16, 16] * 255 - (200, 30, 60)).max() < 12


def test_half_transparent_pixels_survive_webp_and_png(tmp_path):
    picture = np.dstack([pan(1, 64, 48)[0], np.tile(np.linspace(0, 255, 64), (48, 1))]).astype(np.uint8)
    images = [Image.fromarray(picture), Image.fromarray(picture[::-1].copy())]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=100)
    for suffix in (".webp", ".png"):
        saved = video.open(video.open(tmp_path / "a.png").save(tmp_path / f"out{suffix}"))
        assert np.abs(next(iter(saved))[:, :, 3] * 255 - picture[:, :, 3]).max() <= 1


def test_a_gif_has_good_colours_and_keeps_the_few_it_had(tmp_path):
    source = write_film(tmp_path / "film.mp4", pan(6, 160, 120), options={"crf": "4"})
    frames = list(video.open(source))
    for frame, shown in zip(frames, video.open(video.open(source).save(tmp_path / "out.gif")), strict=True):
        seen_from_afar = [cv2.GaussianBlur(picture, (0, 0), 1.5) for picture in (frame, shown[:, :, :3])]
        assert np.abs(seen_from_afar[0] - seen_from_afar[1]).mean() * 255 < 2
    bars = np.stack([np.roll(colour_bars(60, 20), 10 * number, axis=1) for number in range(4)])
    flat = write_film(tmp_path / "flat.mkv", bars, codec="ffv1", pixels="bgr0", options={})
    for picture, shown in zip(bars, video.open(video.open(flat).save(tmp_path / "flat.gif")), strict=True):
        assert np.array_equal((shown * 255).round(), picture)


def test_a_gif_shows_at_most_fifty_frames_a_second(tmp_path):
    source = write_film(tmp_path / "film.mp4", numbered(24), rate=120)
    frames = list(video.open(video.open(source).save(tmp_path / "out.gif")).frames())
    assert min(frame.duration for frame in frames) >= Fraction(1, 50)
    assert sum(frame.duration for frame in frames) == pytest.approx(0.2, abs=0.011)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("channels", [3, 4])
def test_animations_in_which_nothing_moves_can_be_saved(tmp_path, suffix, channels):
    def still(frame):
        picture = np.full((48, 64, channels), 0.4, np.float32)
        picture[:, :, 3:] = 1
        picture[:10, :, channels - 1] = 0
        return picture

    clip = video.open(write_film(tmp_path / "film.mp4", numbered(6))).map(still)
    saved = clip.save(tmp_path / f"out{suffix}", record=RECORD)
    shown = image.load(saved, as_array=True)
    assert np.abs(shown[20:, :, :3] - 0.4).max() < 0.02
    assert np.abs(shown[:8, :, channels - 1]).max() < 0.02
    assert Record.from_json(video.read_record_text(saved)) == RECORD
