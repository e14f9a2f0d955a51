"""Clips made of pictures, functions and cameras, and pictures made of clips."""

from __future__ import annotations

import itertools
import os
import sys

import numpy as np
import pytest
from film_files import RECORD, SAMPLE_RATE, numbered, numbers, pan, read_sound, tones, write_film
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml4a._core.errors import BadMedia, BadValue, NotFound, OutputExists
from ml4a._core.record import Record
from ml4a.media import image, video
from ml4a.media.audio import Sound
from ml4a.media.video._camera import Camera
from ml4a.media.video._clip import Clip


def floats(count):
    return [picture.astype(np.float32) / 255 for picture in numbered(count)]


def test_a_clip_of_pictures_of_any_kind(tmp_path):
    picture = numbered(1)[0]
    Image.fromarray(picture).save(tmp_path / "a.png")
    kinds = [picture, picture / 255, picture[:, :, 0], Image.fromarray(picture), tmp_path / "a.png"]
    clip = video.from_frames(kinds, rate=5)
    assert (clip.size, clip.rate, clip.count, clip.duration, clip.has_sound) == ((64, 48), 5, 5, 1, False)
    for frame in clip:
        assert frame.dtype == np.float32
        assert np.abs(frame * 255 - picture).max() < 0.01


def test_an_array_of_frames_is_not_written_to():
    array = np.stack(floats(4))

    def darken(frame):
        frame *= 0
        return frame

    assert [frame.max() for frame in video.from_frames(array).map(darken)] == [0] * 4
    assert numbers(array) == [0, 1, 2, 3]
    assert numbers(video.from_frames(array)) == [0, 1, 2, 3]


def test_a_function_is_asked_for_frames_one_at_a_time_and_anew_each_time():
    begun, made = [], []

    def frames():
        begun.append(1)
        for number, frame in enumerate(floats(30)):
            made.append(number)
            yield frame

    clip = video.from_frames(frames, 25, count=30)
    assert (begun, made) == ([], [])
    taken = list(itertools.islice(clip.frames(), 3))
    assert made == [0, 1, 2]
    assert [frame.time * 25 for frame in taken] == [0, 1, 2]
    assert numbers(clip) == list(range(30))
    assert len(begun) == 2
    assert numbers([clip.frame(7)]) == [7]


def test_endless_functions_are_read_as_far_as_is_asked(tmp_path):
    def endless():
        return itertools.cycle(floats(4))

    clip = video.from_frames(endless, 10, count=6)
    assert numbers(video.open(clip.save(tmp_path / "out.mp4"))) == [0, 1, 2, 3, 0, 1]
    unbounded = video.from_frames(endless, 10)
    assert (unbounded.count, unbounded.duration) == (None, None)
    assert numbers(unbounded.trim(0, 0.5)) == [0, 1, 2, 3, 0]
    with pytest.raises(BadValue, match="length is not known"):
        unbounded.at(1, loop=True)


def test_a_clip_that_does_not_know_its_length_finds_it_out():
    clip = video.from_frames(lambda: iter(floats(5)), 10)
    assert numbers(clip.reverse()) == [4, 3, 2, 1, 0]
    assert numbers(clip + clip) == [0, 1, 2, 3, 4] * 2
    assert (clip + clip).count == 10
    assert numbers(clip.trim(-0.2)) == [3, 4]


def test_the_generator_of_a_clip_is_closed_when_nobody_reads_on():
    closed = []

    def frames():
        try:
            yield from floats(10)
        finally:
            closed.append(1)

    iterator = iter(video.from_frames(frames))
    next(iterator)
    iterator.close()
    assert closed == [1]


def test_no_picture_of_any_batch_is_lost():
    def batches():
        frames = np.stack(floats(10))
        yield from (frames[:4], list(frames[4:8]), frames[8:])

    clip = video.from_batches(batches, rate=10, count=10)
    assert numbers(clip) == list(range(10))
    assert numbers(video.from_batches(batches, rate=10)) == list(range(10))
    with pytest.raises(BadValue, match="a batch of frames is N×H×W×C"):
        next(iter(video.from_batches(lambda: iter(floats(1)))))


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([], "one frame or more"),
        (np.zeros((0, 4, 4, 3)), "one frame or more"),
        (iter([]), "a function that returns a fresh iterator, not a list_iterator"),
        (3, "not a int"),
        (np.zeros((4, 4, 3)), "N×H×W×C, not 4×4×3"),
        ("frames", "video.from_images"),
    ],
)
def test_what_makes_no_clip_is_refused(frames, complaint):
    with pytest.raises(BadValue, match=complaint):
        video.from_frames(frames)


def test_frames_that_are_no_pictures_are_refused(tmp_path):
    for wrong in (np.full((4, 4, 3), np.nan, np.float32), np.zeros((4, 4, 5)), None, np.zeros((4, 4, 3), int)):
        with pytest.raises(BadValue, match="picture"):
            video.from_frames(lambda wrong=wrong: iter([wrong])).save(tmp_path / "out.mp4")
    with pytest.raises(BadMedia, match="no frame"):
        video.from_frames(lambda: iter([])).save(tmp_path / "out.mp4")
    for rate in (0, -5, float("nan"), 1001, "30"):
        with pytest.raises(BadValue, match="rate must be"):
            video.from_frames(floats(1), rate)
    assert os.listdir(tmp_path) == []


def test_a_made_clip_is_saved_with_its_sound(tmp_path):
    heard = tones(1)
    clip = video.from_frames(numbered(25), rate=25, sound=Sound(heard.T, SAMPLE_RATE))
    for suffix in (".mp4", ".mkv", ".webm"):
        saved = clip.save(tmp_path / f"out{suffix}")
        assert numbers(video.open(saved)) == list(range(25))
        sound = read_sound(saved)
        assert sound.shape[1] / SAMPLE_RATE == pytest.approx(1, abs=0.05)
        assert np.corrcoef(sound[0, 4800:43_200], heard[0, 4800:43_200])[0, 1] > 0.99


@settings(max_examples=12)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    channels=st.sampled_from([1, 3, 4]),
    suffix=st.sampled_from([".mp4", ".webm", ".mov", ".png", ".webp"]),
)
def test_any_size_can_be_saved_and_read_again(tmp_path_factory, width, height, channels, suffix):
    folder = tmp_path_factory.mktemp("sizes")
    frames = np.full((2, height, width, channels), 0.5, np.float32)
    frames[1] = 0.25
    frame = next(iter(video.open(video.from_frames(frames, 10).save(folder / f"out{suffix}"))))
    assert frame.shape[0] in (height, height + height % 2)
    assert frame.shape[1] in (width, width + width % 2)
    opaque = 0.75 if channels == 4 and frame.shape[2] == 3 else 0.5  # laid on white
    assert np.abs(frame[:, :, :3] - opaque).max() < 0.02


def test_folders_and_patterns_are_read_in_natural_order(tmp_path):
    for number, picture in enumerate(numbered(12)):
        Image.fromarray(picture).save(tmp_path / f"frame {number}.png")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "music.png").mkdir()
    for files in (
        tmp_path,
        str(tmp_path / "*.png"),
        sorted(tmp_path.glob("frame*.png"), key=lambda p: int(p.stem[6:])),
    ):
        clip = video.from_images(files, rate=12)
        assert numbers(clip) == list(range(12))
        assert clip.duration == 1
    for wrong in (tmp_path / "none", tmp_path / "*.jpg", tmp_path / "none" / "*.png"):
        with pytest.raises(NotFound):
            video.from_images(wrong)


def test_a_clip_becomes_a_folder_of_pictures_and_back(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mkv", pan(12, 64, 48), codec="ffv1", pixels="bgr0", options={}))
    clip.save(tmp_path / "frames" / "f%05d.png", record=RECORD)
    assert sorted(os.listdir(tmp_path / "frames")) == [f"f{number:05}.png" for number in range(12)]
    for ours, theirs in zip(video.from_images(tmp_path / "frames"), clip, strict=True):
        assert np.array_equal(ours, theirs)
    assert Record.from_json(image.read_record_text(tmp_path / "frames" / "f00003.png")) == RECORD
    clip.trim(0, 0.1).save(tmp_path / "frames" / "%d.jpg")
    assert numbers(video.from_images(tmp_path / "frames" / "?.jpg")) == numbers(clip.trim(0, 0.1))


def test_pictures_that_are_there_are_not_written_over(tmp_path):
    clip = video.from_frames(numbered(3))
    (tmp_path / "00007.png").write_bytes(b"old")
    calls = []
    with pytest.raises(OutputExists, match=r"00007\.png exists"):
        clip.map(lambda frame: calls.append(1) or frame).save(tmp_path / "%05d.png")
    assert not calls
    assert os.listdir(tmp_path) == ["00007.png"]
    clip.save(tmp_path / "%05d.png", overwrite=True)
    assert len(os.listdir(tmp_path)) == 4


def test_transparent_films_stay_so(tmp_path):
    rng = np.random.default_rng(0)
    soft = np.kron(rng.random((3, 6, 8, 4)), np.ones((1, 16, 16, 1))).astype(np.float32)
    soft[..., 3] = np.linspace(0, 1, 128)
    for name, colours in (("a.webm", 12), ("a.mov", 3), ("a.webp", 12), ("a.png", 1)):
        clip = video.open(video.from_frames(soft, 10).save(tmp_path / name, quality=95))
        for index in (0, 2):
            frame = clip.frame(index)
            assert frame.shape == (96, 128, 4)
            assert np.abs(frame[..., 3] - soft[index, ..., 3]).max() * 255 < 4
            inside = (slice(4, None, 16), slice(68, None, 16))
            assert np.abs(frame[inside][..., :3] - soft[index][inside][..., :3]).max() * 255 < colours
        assert np.abs(clip.reverse().frame(0) - clip.frame(2)).max() == 0
        assert next(iter(video.open(clip.save(tmp_path / f"opaque {name}", alpha=False)))).shape[2] == 3
    for name in ("a.mp4", "a.mkv"):
        frame = next(iter(video.open(video.from_frames(soft, 10).save(tmp_path / name))))
        assert np.abs(frame[:, :2] - 1).max() < 0.05
        with pytest.raises(BadValue, match=rf"a film in \{name[1:]} has no transparency; save it as \.webm or \.mov"):
            video.from_frames(soft, 10).save(tmp_path / f"alpha {name}", alpha=True)


def test_a_film_that_only_later_becomes_transparent_is_so_from_the_beginning(tmp_path):
    fading = np.ones((4, 48, 64, 4), np.float32)
    fading[..., 3] = np.array([1, 0.7, 0.4, 0.1])[:, None, None]
    for name in ("a.webm", "a.mov"):
        clip = video.open(video.from_frames(fading, 10).save(tmp_path / name))
        assert [frame[..., 3].mean() for frame in clip] == pytest.approx([1, 0.7, 0.4, 0.1], abs=0.02)


def test_a_camera_is_a_clip_without_end(tmp_path):
    camera = Clip(Camera("testsrc=size=64x48:rate=10", "lavfi"))
    assert (camera.size, camera.rate, camera.count, camera.duration) == ((64, 48), 10, None, None)
    saved = video.open(camera.trim(0, 0.5).save(tmp_path / "out.mp4"))
    assert (saved.count, saved.duration) == (5, 0.5)
    frames = list(camera.trim(0, 3))
    assert len(frames) == 30
    assert np.abs(frames[0] - frames[-1]).max() > 0.5
    shown = next(iter(camera))
    assert shown.dtype == np.float32
    assert np.abs(next(iter(saved)) - shown).mean() < 0.08  # fine lines of strong colours


def test_ctrl_c_ends_what_a_camera_records(tmp_path):
    calls = []

    def press(frame):
        calls.append(1)
        if len(calls) > 8:
            raise KeyboardInterrupt
        return frame

    camera = Clip(Camera("testsrc=size=64x48:rate=10", "lavfi"))
    with pytest.raises(KeyboardInterrupt):
        camera.map(press).save(tmp_path / "out.mp4", keep_partial=True)
    assert video.open(tmp_path / "out.mp4").count == 8


@pytest.mark.skipif(sys.platform != "linux", reason="other systems call their cameras otherwise")
def test_a_camera_that_is_not_there_is_said_so():
    assert video.is_film("camera:0")
    for name in ("camera:97", "camera:/dev/video97", "camera:/nowhere"):
        with pytest.raises(NotFound, match=r"there is no camera /.*; is it plugged in\?") as caught:
            video.open(name)
        assert "\n" not in str(caught.value)
    with pytest.raises(NotFound, match="/dev/video98"):
        video.camera(98, size=(640, 480), rate=30)
    with pytest.raises(BadValue, match="camera:0"):
        video.open("camera:")


def test_a_clip_that_a_model_made_tells_so_in_its_files(tmp_path):
    clip = video.from_frames(floats(4), rate=10)
    made = clip.with_record(RECORD)
    assert (clip.record, made.record) == (None, RECORD)
    for kept in (made, made.with_sound(Sound(np.zeros((4000, 1), np.float32), 8000))):
        kept.save(tmp_path / "made.mp4", overwrite=True)
        assert Record.from_json(video.read_record_text(tmp_path / "made.mp4") or "") == RECORD
    for other in (clip, made.trim(0.1), made.reverse()):
        other.save(tmp_path / "other.mp4", overwrite=True)
        assert video.read_record_text(tmp_path / "other.mp4") is None
