from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ml4a
from ml4a import image, video
from ml4a._core.errors import BadMedia, BadValue, Cancelled, NotFound
from ml4a._core.progress import Cancel
from ml4a.jobs import read_record
from ml4a.jobs.journal import FOLDER
from ml4a.media.video import _camera


@pytest.fixture
def photo(tmp_path) -> Path:
    image.sample("coffee").crop((200, 100, 264, 148)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def film(tmp_path) -> Path:
    """Twelve frames of a walk over a photograph, without sound."""
    whole = image.to_array("sample:coffee")
    frames = [whole[100:196, start : start + 128] for start in range(100, 148, 4)]
    path = tmp_path / "film.gif"
    pictures = [image.to_picture(frame) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40, loop=0)
    return path


@pytest.fixture(scope="module")
def style():
    return ml4a.load("fast_style")


def test_any_function_of_a_picture_will_do(photo, tmp_path):
    ml4a.apply(np.fliplr, photo, tmp_path / "mirrored.png")
    expected = np.asarray(image.load(photo))[:, ::-1]
    assert np.array_equal(np.asarray(image.load(tmp_path / "mirrored.png")), expected)


def test_a_function_of_arrays_goes_over_a_film(film, tmp_path):
    summary = ml4a.apply(lambda frame: frame[:, ::-1].copy(), film, tmp_path / "mirrored.webp")
    assert summary.done == [tmp_path / "mirrored.webp"]
    before, after = list(video.open(film)), list(video.open(tmp_path / "mirrored.webp"))
    assert len(after) == 12
    assert np.abs(after[5][:, :, :3] - before[5][:, ::-1, :3]).mean() < 0.02


def test_a_clip_is_a_source_too(film, style, tmp_path):
    clip = video.open(film).trim(0.08, 0.2)
    ml4a.apply(style, clip, tmp_path / "out.webp", style=3)
    assert video.open(tmp_path / "out.webp").count == 3
    record = read_record(tmp_path / "out.webp")
    assert (record.model, record.inputs[0].kind) == ("fast_style", "pixels")
    (tmp_path / "folder").mkdir()
    assert ml4a.apply(lambda frame: 1 - frame, clip, tmp_path / "folder").done == [tmp_path / "folder" / "clip.mp4"]


def test_a_camera_that_is_not_there(tmp_path):
    with pytest.raises(NotFound, match="there is no camera"):
        ml4a.apply(lambda frame: frame, "camera:97", tmp_path / "out.mp4")
    assert os.listdir(tmp_path) == []


def test_what_a_camera_saw_until_ctrl_c_is_kept(tmp_path, monkeypatch):
    monkeypatch.setitem(_camera._DEVICES, sys.platform, ("lavfi", "testsrc=size=64x48:rate=20"))
    shown = []

    def stop_after_five(frame):
        shown.append(frame)
        if len(shown) > 5:
            raise KeyboardInterrupt
        return frame

    with pytest.raises(KeyboardInterrupt):
        ml4a.apply(stop_after_five, "camera:0", tmp_path / "out.mp4")
    assert video.open(tmp_path / "out.mp4").count == 5


def test_a_hundred_steps_of_nothing_drift_by_nothing(photo):
    start = image.to_array(photo)
    picture = start
    for _ in range(100):
        picture = image.to_array(picture)
    assert np.array_equal(picture, start)


def test_a_model_and_its_parameters(style, photo, tmp_path):
    ml4a.apply(style, photo, tmp_path / "out.png", style=3, strength=0.5)
    direct = style(image.load(photo), style=3, strength=0.5)
    assert np.array_equal(np.asarray(image.load(tmp_path / "out.png")), np.asarray(direct))


def test_a_models_method_is_a_function_too(style, photo, tmp_path):
    ml4a.apply(style.sheet, photo, tmp_path / "sheet.png", height=64)
    assert image.size(tmp_path / "sheet.png")[0] > 500
    assert read_record(tmp_path / "sheet.png").operation == "sheet"


def test_a_parameter_that_the_model_does_not_take_is_refused_before_anything_is_done(style, photo, tmp_path):
    with pytest.raises(BadValue, match="takes no color; it takes style, strength"):
        ml4a.apply(style, photo, tmp_path / "out.png", color=1)
    assert os.listdir(tmp_path) == ["photo.png"]


def test_no_steadiness_is_bit_equal_to_frame_by_frame(style, film, tmp_path):
    ml4a.apply(style, film, tmp_path / "a.webp", style=3, steady=0)
    styled = [style(frame, style=3) for frame in video.open(film)]
    frames = iter(styled)
    video.open(film).map(lambda frame: next(frames)).save(tmp_path / "b.webp")
    for ours, theirs in zip(video.open(tmp_path / "a.webp"), video.open(tmp_path / "b.webp"), strict=True):
        assert np.array_equal(ours, theirs)


def test_steadiness_changes_a_film_and_is_recorded(style, film, tmp_path):
    ml4a.apply(style, film, tmp_path / "free.webp", style=3)
    ml4a.apply(style, film, tmp_path / "held.webp", style=3, steady=0.9)
    free, held = (list(video.open(tmp_path / name)) for name in ("free.webp", "held.webp"))
    assert np.array_equal(free[0], held[0])
    assert np.abs(free[8] - held[8]).mean() > 1 / 255
    assert read_record(tmp_path / "held.webp").steady == 0.9


@pytest.mark.parametrize("steady", [-0.1, 1.1, float("nan"), "much"])
def test_steadiness_out_of_bounds_is_refused(style, photo, tmp_path, steady):
    with pytest.raises(BadValue, match="steady must be"):
        ml4a.apply(style, photo, tmp_path / "out.png", steady=steady)


def test_of_several_inputs_those_that_fail_are_listed(photo, tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    summary = ml4a.apply(np.fliplr, [photo, tmp_path / "broken.png"], tmp_path / "out")
    assert summary.done == [tmp_path / "out" / "photo.png"]
    assert [(Path(name).name, "no picture" in reason) for name, reason in summary.failed] == [("broken.png", True)]
    assert sorted(os.listdir(tmp_path / "out")) == [FOLDER, "photo.png"]  # and what there is to do again
    with pytest.raises(BadMedia, match="no picture"):
        ml4a.apply(np.fliplr, tmp_path / "broken.png", tmp_path / "one.png")


def test_a_film_that_is_stopped_leaves_nothing_behind(film, tmp_path):
    switch, before = Cancel(), sorted(os.listdir(tmp_path))

    def stop_at_the_fifth(event):
        if event.unit == "frames" and event.done == 5:
            switch.cancel()

    with pytest.raises(Cancelled):
        ml4a.apply(lambda frame: 1 - frame, film, tmp_path / "out.webp", on_progress=stop_at_the_fifth, cancel=switch)
    assert sorted(os.listdir(tmp_path)) == before


def test_progress_counts_frames_and_shows_them(film, tmp_path):
    events = []
    ml4a.apply(lambda frame: 1 - frame, film, tmp_path / "out.webp", on_progress=events.append)
    frames = [event for event in events if event.unit == "frames"]
    assert [event.done for event in frames] == list(range(13))
    assert any(event.preview is not None for event in frames)


def test_a_films_record_names_the_film(style, film, tmp_path):
    import hashlib

    ml4a.apply(style, film, tmp_path / "out.mp4", style=4)
    record = read_record(tmp_path / "out.mp4")
    assert record.inputs[0].sha256 == hashlib.sha256(film.read_bytes()).hexdigest()
    assert record.inputs[0].size == "128x96"
    assert record.parameters["style"] == "4"


def test_an_apply_without_record(style, photo, tmp_path):
    ml4a.apply(style, photo, tmp_path / "out.png", record=False)
    with pytest.raises(BadValue, match="carries no record"):
        read_record(tmp_path / "out.png")


def test_a_function_gets_the_same_of_files_and_of_frames(film, tmp_path):
    seen = []

    def seeing(picture):
        seen.append((type(picture), picture.dtype, picture.ndim, picture.shape[2]))
        assert picture.min() >= 0
        assert 0.1 < picture.max() <= 1
        return picture

    ramp = np.linspace(0, 1, 12 * 16, dtype=np.float32).reshape(12, 16)
    image.save(np.stack([ramp] * 3, axis=-1), tmp_path / "deep.png", bits=16)
    image.save(np.stack([ramp] * 4, axis=-1), tmp_path / "clear.png")
    Image.fromarray((ramp * 255).astype(np.uint8)).save(tmp_path / "grey.jpg")
    files = (tmp_path / name for name in ("deep.png", "clear.png", "grey.jpg"))
    for source in (film, *files, Image.new("L", (4, 3), 99)):
        ml4a.apply(seeing, source, tmp_path / f"out{len(seen)}{'.webp' if source is film else '.png'}")
    assert {(kind, dtype, ndim) for kind, dtype, ndim, _ in seen} == {(np.ndarray, np.dtype(np.float32), 3)}
    assert [channels for *_, channels in seen[-4:]] == [3, 4, 3, 3]
