"""Slow motion, higher frame rates, films between pictures, and films of motion."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction

import cv2
import numpy as np
import peak_memory
import pytest
from film_files import SAMPLE_RATE, clicks, film_threads, heard_clicks, write_film
from known_motion import KnownFilm, texture
from PIL import Image

from ml4a._core.errors import BadMedia, BadValue
from ml4a.media import image, motion, video
from ml4a.media.motion import Flow


def error(picture: np.ndarray, due: np.ndarray) -> float:
    return 255 * float(np.abs(picture - due).mean())


@pytest.fixture(scope="module")
def film() -> KnownFilm:
    return KnownFilm(count=9)


@pytest.fixture(scope="module")
def every_other(film) -> video.Clip:
    return video.from_frames(film.frames[::2], rate=10)


def test_slow_motion_shows_what_the_camera_missed(film, every_other):
    slow = every_other.slowed(2)
    assert (slow.rate, slow.count, slow.duration) == (10, 10, 1)
    frames = list(slow.frames())
    assert [frame.time for frame in frames] == [Fraction(number, 10) for number in range(10)]
    assert {frame.duration for frame in frames} == {Fraction(1, 10)}
    for number, due in enumerate(film.clean):
        if number % 2 == 0:
            assert np.array_equal(frames[number].array, film.frames[number])
            continue
        before, after = film.frames[number - 1], film.frames[number + 1]
        assert error(frames[number].array, due) < 0.35 * error((before + after) / 2, due)
        assert error(frames[number].array, due) < 0.35 * error(before, due)
    assert np.array_equal(frames[9].array, film.frames[8])  # after the last there is nothing to go to


def test_a_higher_rate_makes_frames_too_and_keeps_the_length(film, every_other):
    fast = every_other.at_rate(20, interpolate=True)
    assert (fast.rate, fast.count, fast.duration) == (20, 10, 0.5)
    frames = list(fast)
    assert len(frames) == 10
    assert error(frames[3], film.clean[3]) < 2
    plain = list(every_other.at_rate(20))
    assert error(plain[3], film.clean[3]) > 4


def test_times_that_fall_between_have_their_own_place(film, every_other):
    frames = list(every_other.at_rate(Fraction(40, 3), interpolate=True).trim(0, 0.35))
    assert len(frames) == 5  # at 0, 1.5, 3, 4.5 … of the original's frames
    assert error(frames[2], film.clean[3]) < 2
    assert error(frames[1], film.clean[1]) > 2.5 > error(frames[1], (film.clean[1] + film.clean[2]) / 2)


def test_frames_that_last_unequally_are_passed_at_their_pace(film):
    quick, long = film.frames[0], film.frames[2]
    clip = video.from_frames([quick, quick], rate=20) + video.from_frames([long, long], rate=5)
    frames = list(clip.at_rate(20, interpolate=True))
    # The second frame begins at 0.05 s, the third at 0.1 s, the fourth at 0.3 s.
    assert np.array_equal(frames[1], quick)
    assert np.array_equal(frames[2], long)
    assert all(error(frames[number], long) < 0.8 for number in (3, 4, 5))
    assert len(frames) == 10


def test_a_clip_may_be_read_from_the_middle(every_other):
    slow = every_other.slowed(4)
    frames = list(slow)
    assert np.array_equal(slow.at(0.75), frames[7])
    assert np.array_equal(slow.frame(5), frames[5])
    assert np.array_equal(next(iter(slow.trim(0.6))), frames[6])


def test_a_cut_is_no_motion():
    scenes = [image.to_array(image.sample(name).resize((96, 64))) for name in ("astronaut", "coffee")]
    clip = video.from_frames([scenes[0]] * 2 + [scenes[1]] * 2, rate=10)
    frames = list(clip.slowed(4))
    assert len(frames) == 16
    for number, frame in enumerate(frames):
        assert error(frame, scenes[number >= 8]) < 0.5, number


def test_a_flash_is_no_cut(film):
    dark = film.frames[2] * 0.75
    (middle,) = list(video.from_frames([film.frames[0], dark], rate=10).slowed(2))[1:2]
    assert error(middle, film.clean[1] * 0.875) < 4  # it moves, and it dims


@pytest.mark.parametrize("factor", [0.5, 101, float("nan"), "fast"])
def test_factors_that_are_no_slow_motion(factor, every_other):
    with pytest.raises(BadValue, match="factor must be"):
        every_other.slowed(factor)


def test_a_rate_may_be_chosen_for_slow_motion(every_other):
    slow = every_other.slowed(2, rate=25)
    assert (slow.rate, slow.count) == (25, 25)
    assert len(list(slow)) == 25
    with pytest.raises(BadValue, match="rate must be"):
        every_other.slowed(2, rate=0)


def test_sound_is_slowed_along(tmp_path, film):
    frames = [(frame * 255).astype(np.uint8) for frame in film.frames]
    path = write_film(tmp_path / "film.mkv", np.stack(frames), rate=9, sound=clicks([0.3, 0.7], 1), sound_codec="flac")
    slow = video.open(path).slowed(2)
    assert heard_clicks(slow.sound.samples, slow.sound.rate) == pytest.approx([0.6, 1.4], abs=0.01)
    saved = video.open(slow.save(tmp_path / "slow.mp4"))
    assert (saved.count, saved.size) == (18, (320, 240))
    assert saved.sound.duration == pytest.approx(2, abs=0.05)
    assert heard_clicks(saved.sound.samples, SAMPLE_RATE) == pytest.approx([0.6, 1.4], abs=0.02)
    faster = video.open(path).at_rate(18, interpolate=True)
    assert heard_clicks(faster.sound.samples, faster.sound.rate) == pytest.approx([0.3, 0.7], abs=0.01)


def test_whoever_reads_may_write_to_the_frames(every_other, film):
    frames = []
    for frame in every_other.slowed(2):
        frames.append(frame.copy())
        frame[:] = 0
    assert error(frames[1], film.clean[1]) < 2
    assert error(frames[2], film.clean[2]) < 2


def test_leaving_early_closes_what_was_opened(tmp_path, film):
    path = write_film(tmp_path / "film.mp4", np.stack([(frame * 255).astype(np.uint8) for frame in film.frames]))
    for _ in zip(range(3), video.open(path).slowed(3), strict=False):
        pass
    assert film_threads() == 0


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path):
    """Slow motion of 40 and of 400 frames in a process of its own."""

    def peak(count: int) -> int:
        code = f"""
import numpy as np
from ml4a import video
def frames():
    for number in range({count}):
        yield np.roll(ground, number, axis=1)
ground = np.random.default_rng(0).random((90, 160, 3), dtype=np.float32)
for _ in video.from_frames(frames, rate=25, count={count}).slowed(3): pass
print({peak_memory.EXPRESSION})
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert peak(400) < peak(40) + 8000


def test_from_picture_to_picture(tmp_path):
    photo = image.sample("chelsea")
    pictures = [photo.crop((x, 0, x + 200, 150)) for x in (0, 24, 48)]
    pictures[1].save(tmp_path / "second.png")
    clip = video.between([pictures[0], tmp_path / "second.png", np.asarray(pictures[2])], frames=13, rate=24)
    assert (clip.count, clip.rate, clip.duration, clip.size) == (13, 24, pytest.approx(13 / 24), (200, 150))
    frames = list(clip)
    assert len(frames) == 13
    for number, picture in zip((0, 6, 12), pictures, strict=True):
        assert error(frames[number], image.to_array(picture)) < 0.2
    due = image.to_array(photo.crop((12, 0, 212, 150)))
    assert error(frames[3][20:-20, 20:-20], due[20:-20, 20:-20]) < 1.5
    steps = [error(b, a) for a, b in itertools.pairwise(frames)]
    assert max(steps) < 2 * min(steps)


@pytest.mark.parametrize(
    ("given", "count"), [({}, 60), ({"seconds": 1}, 30), ({"seconds": 0}, 3), ({"seconds": 2, "rate": 10}, 20)]
)
def test_how_long_a_film_between_pictures_is(given, count):
    pictures = [np.full((8, 10, 3), level, np.float32) for level in (0, 0.5, 1)]
    clip = video.between(pictures, **given)
    frames = list(clip)
    assert len(frames) == clip.count == count
    assert (frames[0] == 0).all()
    assert (frames[-1] == 1).all()


def test_pictures_with_nothing_in_common_fade():
    a, b = (image.sample(name).resize((96, 64)) for name in ("astronaut", "coffee"))
    frames = list(video.between([a, b], frames=5))
    assert error(frames[1], 0.75 * image.to_array(a) + 0.25 * image.to_array(b)) < 0.1


def test_pictures_of_other_sizes_are_fitted_into_the_first():
    tall = Image.new("RGB", (40, 80), (255, 255, 255))
    frames = list(video.between([Image.new("RGB", (80, 40), (255, 255, 255)), tall], frames=2))
    assert [frame.shape for frame in frames] == [(40, 80, 3)] * 2
    assert frames[1][:, 0].max() == 0  # black bars
    assert frames[1][:, 40].min() == 1


@pytest.mark.parametrize(
    ("count", "given", "words"),
    [
        (1, {}, "two pictures or more"),
        (3, {"frames": 2}, "frames must be a whole number from 3 up"),
        (2, {"frames": 2.5}, "frames must be a whole number"),
        (2, {"seconds": -1}, "seconds must be"),
        (2, {"seconds": 1, "frames": 9}, "not both"),
        (2, {"rate": 0}, "rate must be"),
    ],
)
def test_films_between_pictures_that_cannot_be(count, given, words):
    with pytest.raises(BadValue, match=words):
        video.between([np.zeros((4, 4, 3))] * count, **given)


def test_a_picture_that_is_none_is_named(tmp_path):
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(BadMedia, match=r"b\.png"):
        list(video.between([np.zeros((4, 4, 3)), tmp_path / "b.png"], frames=4))


def test_motion_in_colours():
    wide = texture(60, 200, 1)
    clip = video.from_frames([wide[:, x : x + 90] for x in (0, 4, 8, 10)], rate=10, sound=None)
    shown = list(video.flows(clip, longest=8))
    assert [frame.shape for frame in shown] == [(60, 90, 3)] * 4
    middle = [np.median(frame, axis=(0, 1)) for frame in shown]
    assert np.allclose(middle[0], (0.5, 1, 1), atol=0.05)  # to the left, half as pure
    assert np.allclose(middle[2], (0.75, 1, 1), atol=0.05)  # slower, and so paler
    assert np.array_equal(shown[3], shown[2])  # after the last there is no other
    classic = next(iter(video.flows(clip, longest=4, colors="classic")))
    assert np.allclose(np.median(classic, axis=(0, 1)), (0, 1, 1), atol=0.05)
    default = list(video.flows(video.from_frames([cv2.resize(frame, (180, 120)) for frame in clip], rate=10)))
    assert np.allclose(np.median(default[0], axis=(0, 1)), (0, 1, 1), atol=0.05)


def test_a_single_frame_does_not_move():
    (shown,) = list(video.flows(video.from_frames([texture(20, 30, 0)], rate=10)))
    assert (shown == 1).all()
    assert len(list(video.from_frames([texture(20, 30, 0)], rate=10).slowed(3))) == 3


def test_the_engine_is_asked_for_the_motion(film, every_other):
    sizes = []

    def engine(a, b):
        sizes.append((a.shape, b.shape))
        return motion.dis(a, b, preset="fast")

    assert len(list(every_other.slowed(3, engine=engine))) == 15
    assert sizes == [((240, 320, 3), (240, 320, 3))] * 8  # both ways, once for each pair
    still = list(every_other.slowed(2, engine=lambda a, b: Flow.still((a.shape[1], a.shape[0]))))
    assert error(still[1], (film.frames[0] + film.frames[2]) / 2) < 0.2
