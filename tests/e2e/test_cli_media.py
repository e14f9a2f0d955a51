"""The commands that need no model, as a user runs them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import film_files
import numpy as np
import pytest
import warm_command
from PIL import Image

from ml4a import canvas, color, image, motion, video


@pytest.fixture
def ml4a(tmp_path):
    def run(*arguments: str, stdin: bytes = b"") -> str:
        done = warm_command.run(*arguments, cwd=tmp_path, input=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    return run


@pytest.fixture
def photo(tmp_path) -> np.ndarray:
    image.sample("chelsea").crop((150, 60, 278, 156)).save(tmp_path / "photo.png")
    return image.to_array(tmp_path / "photo.png")


@pytest.fixture
def film(tmp_path) -> Path:
    """20 numbered frames, ten a second, with sound."""
    path = tmp_path / "clip.mp4"
    film_files.write_film(path, film_files.numbered(20), rate=10, sound=film_files.tones(2))
    return path


def numbers(path: Path) -> list[int]:
    return film_files.numbers(video.open(path))


def test_colours_are_matched_in_every_medium(ml4a, photo, film, tmp_path):
    ok = ml4a("match-color", "photo.png", "--reference", "sample:ink", "--strength", "0.5", "-o", "out.png")
    assert ok == "out.png\n"
    due = color.match_color(Image.open(tmp_path / "photo.png"), image.sample("ink"), strength=0.5)
    assert np.array_equal(image.to_array(tmp_path / "out.png"), image.to_array(due))
    ml4a("match-color", "clip.mp4", "--reference", "sample:embers", "--method", "reinhard", "-o", "out.mp4")
    result = video.open(tmp_path / "out.mp4")
    assert (result.count, result.has_sound) == (20, True)
    assert np.ptp(result.frame(5), axis=2).max() > 0.1  # the greys have got the embers' colours


def test_a_loop_is_fed_back_through_its_warps(ml4a, photo, tmp_path):
    arguments = ["--zoom", "1.1", "--rotate", "0.05", "--noise", "0.01", "--seconds", "0.5", "--rate", "10"]
    ml4a("loop", "photo.png", *arguments, "-o", "frames/%03d.png")
    warp = canvas.zoom(1.1) @ canvas.rotate(0.05) & canvas.noise(0.01)
    due = list(canvas.loop(tmp_path / "photo.png", warp, seconds=0.5, rate=10))
    files = sorted((tmp_path / "frames").iterdir())
    assert len(files) == len(due) == 5
    for file, frame in zip(files, due, strict=True):
        assert np.abs(image.to_array(file) - frame).max() <= 0.5001 / 255
    assert np.array_equal(image.to_array(files[0]), photo)


def test_a_loop_that_listens(ml4a, photo, tmp_path):
    clicks = film_files.clicks([1.0], 2.0, channels=1)
    from ml4a import audio

    audio.Sound(np.ascontiguousarray(clicks.T), film_files.SAMPLE_RATE).save(tmp_path / "click.wav")
    arguments = ["--zoom", "1..1.5@click.wav:onsets", "--sound", "click.wav", "--seconds", "2", "--rate", "10"]
    ml4a("loop", "photo.png", *arguments, "-o", "out.mp4")
    result = video.open(tmp_path / "out.mp4")
    assert (result.count, result.has_sound) == (20, True)
    frames = list(result)
    still = [np.abs(a - b).mean() for a, b in itertools.pairwise(frames[1:10])]
    assert max(still) < 0.01 < np.abs(frames[11] - frames[8]).mean()


def test_a_loop_by_a_score_from_a_file(ml4a, photo, tmp_path):
    (tmp_path / "score.yaml").write_text(canvas.dumps(canvas.kaleidoscope(4) @ canvas.zoom(1.2)))
    ml4a("loop", "-", "--score", "score.yaml", "--seconds", "0.2", "--rate", "10", "-o", "f/%d.png",
         stdin=(tmp_path / "photo.png").read_bytes())  # fmt: skip
    due = list(canvas.loop(photo, canvas.kaleidoscope(4) @ canvas.zoom(1.2), seconds=0.2, rate=10))
    assert np.abs(image.to_array(tmp_path / "f" / "1.png") - due[1]).max() <= 0.5001 / 255


def test_masks_of_a_picture_and_a_film(ml4a, photo, film, tmp_path):
    ml4a("mask", "photo.png", "--n", "3", "-o", "areas.png")
    areas = image.to_array(tmp_path / "areas.png").reshape(-1, 3)
    assert len(np.unique(areas, axis=0)) == 3
    ml4a("mask", "photo.png", "--n", "3", "--channel", "1", "--cutout", "-o", "front.png")
    front = image.to_array(tmp_path / "front.png")
    assert front.shape[2] == 4
    assert 0 < front[:, :, 3].mean() < 1
    ml4a("mask", "photo.png", "--method", "luminance", "--invert", "-o", "negative.png")
    grey = image.to_array(tmp_path / "negative.png")[:, :, 0]
    assert np.corrcoef(grey.ravel(), photo.mean(axis=2).ravel())[0, 1] < -0.95
    image.save(photo, tmp_path / "photo.jpg")
    assert ml4a("mask", "photo.jpg", "--cutout") == "photo-mask.png\n"
    assert image.to_array(tmp_path / "photo-mask.png").shape[2] == 4
    ml4a("mask", "clip.mp4", "--method", "bands", "--n", "2", "-o", "areas.mp4")
    assert video.open(tmp_path / "areas.mp4").count == 20


def test_a_film_is_trimmed_with_its_sound(ml4a, film, tmp_path):
    assert ml4a("video", "trim", "clip.mp4", "--start", "0.5", "--end", "1.2") == "clip-trim.mp4\n"
    assert numbers(tmp_path / "clip-trim.mp4") == list(range(5, 12))
    assert video.open(tmp_path / "clip-trim.mp4").sound.duration == pytest.approx(0.7, abs=0.06)


def test_films_and_folders_of_frames_are_joined(ml4a, film, tmp_path):
    ml4a("video", "frames", "clip.mp4", "--start", "1", "-o", "frames")
    assert sorted(os.listdir(tmp_path / "frames")) == [f"{number:05d}.png" for number in range(10)]
    ml4a("video", "join", "clip.mp4", "frames", "--rate", "10", "-o", "long.mp4")
    assert numbers(tmp_path / "long.mp4") == [*range(20), *range(10, 20)]
    ml4a("video", "join", "clip.mp4", "clip.mp4", "--crossfade", "0.5", "-o", "faded.mp4")
    faded = numbers(tmp_path / "faded.mp4")
    assert len(faded) == 35
    assert (faded[:15], faded[-15:]) == (list(range(15)), list(range(5, 20)))


def test_a_gif_a_comparison_a_sheet(ml4a, film, tmp_path):
    ml4a("video", "gif", "clip.mp4", "--height", "24", "--rate", "5", "-o", "small.gif")
    small = video.open(tmp_path / "small.gif")
    assert (small.size, small.count) == ((32, 24), 10)
    ml4a("video", "compare", "clip.mp4", "small.gif", "--no-labels", "-o", "both.mp4")
    width, height = video.open(tmp_path / "both.mp4").size
    assert width > 2 * 64
    assert height >= 48
    ml4a("video", "sheet", "clip.mp4", "--columns", "2", "--rows", "2", "--height", "48", "-o", "sheet.png")
    assert image.size(tmp_path / "sheet.png")[0] == 2 * 64 + 3 * 8


def test_a_film_is_turned_about_and_slowed_down(ml4a, film, tmp_path):
    ml4a("video", "reverse", "clip.mp4", "-o", "back.mp4")
    assert numbers(tmp_path / "back.mp4") == list(range(19, -1, -1))
    ml4a("video", "reverse", "clip.mp4", "--ping-pong", "-o", "both.mp4")
    assert numbers(tmp_path / "both.mp4") == [*range(20), *range(18, 0, -1)]
    ml4a("video", "speed", "clip.mp4", "0.5", "-o", "slow.mp4")
    slow = video.open(tmp_path / "slow.mp4")
    assert slow.duration == pytest.approx(4, abs=0.1)
    assert slow.sound.duration == pytest.approx(4, abs=0.1)


@pytest.mark.slow
def test_motion_is_shown_in_colours(ml4a, photo, film, tmp_path):
    image.save(photo[:, :110], tmp_path / "a.png")
    image.save(photo[:, 6:116], tmp_path / "b.png")
    assert ml4a("flow", "a.png", "b.png") == "a-flow.png\n"
    due = motion.dis(photo[:, :110], photo[:, 6:116])
    assert np.abs(image.to_array(tmp_path / "a-flow.png") - due.view()).max() <= 0.5001 / 255
    ml4a("flow", "a.png", "-", "--longest", "9", "--colors", "classic", "-o", "c.png",
         stdin=(tmp_path / "b.png").read_bytes())  # fmt: skip
    assert np.abs(image.to_array(tmp_path / "c.png") - due.view(9, "classic")).max() <= 0.5001 / 255
    ml4a("flow", "a.png", "b.png", "-o", "flow.flo")
    assert np.array_equal(motion.load(tmp_path / "flow.flo").vectors, due.vectors)
    ml4a("flow", "sample:pan", "-o", "flow.mp4")
    moving = video.open(tmp_path / "flow.mp4")
    assert (moving.count, moving.has_sound) == (video.open("sample:pan").count, True)
    assert np.ptp(moving.frame(40), axis=2).mean() > 0.05


def test_frames_are_made_between_pictures(ml4a, photo, tmp_path):
    for name, left in (("a", 0), ("b", 8), ("c", 16)):
        image.save(photo[:, left : left + 100], tmp_path / f"{name}.png")
    names = ["a.png", "b.png", "c.png"]
    assert ml4a("interpolate", *names, "--frames", "9", "-o", "frames") == "frames/%05d.png\n"
    files = sorted((tmp_path / "frames").iterdir())
    assert len(files) == 9
    for file, left in zip(files, range(0, 18, 2), strict=True):
        inner = image.to_array(file)[10:-10, 20:-20]
        assert np.abs(inner - photo[10:-10, left + 20 : left + 80]).mean() < 0.01
    ml4a("interpolate", *names, "--seconds", "0.8", "--rate", "10", "-o", "small.gif")
    assert video.open(tmp_path / "small.gif").count == 8
    assert ml4a("interpolate", "a.png", "b.png") == "a-interpolate.mp4\n"
    assert video.open(tmp_path / "a-interpolate.mp4").count == 30


def test_a_film_gets_slow_motion_and_a_higher_rate(ml4a, film, tmp_path):
    ml4a("interpolate", "clip.mp4", "--slow", "2", "-o", "slow.mp4")
    slow = video.open(tmp_path / "slow.mp4")
    assert (slow.count, slow.duration, slow.has_sound) == (40, pytest.approx(4, abs=0.05), True)
    ml4a("interpolate", "clip.mp4", "--rate", "25", "--quiet", "-o", "smooth.mp4")
    smooth = video.open(tmp_path / "smooth.mp4")
    assert (smooth.count, smooth.rate, smooth.sound.duration) == (50, 25, pytest.approx(2, abs=0.05))
    levels = [frame.mean() for frame in smooth]
    assert np.diff(levels[:40]).min() > 0  # each is between its neighbours
    ml4a("video", "frames", "clip.mp4", "--end", "0.5", "-o", "frames")
    assert ml4a("interpolate", "frames", "--slow", "3") == "frames-interpolate.mp4\n"
    assert video.open(tmp_path / "frames-interpolate.mp4").count == 15
