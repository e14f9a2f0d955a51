"""Ctrl-C keeps the best so far, a film remembers the frame before, and a picture may be made of nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import toy_painter
from PIL import Image

import ml4a
from ml4a import image, video
from ml4a._core.errors import BadValue, CannotWrite
from ml4a._core.progress import Interrupted
from ml4a.jobs import read_record
from ml4a.jobs.journal import FOLDER

FRAMES = 6


@pytest.fixture(scope="module")
def whole():
    """A photograph, loaded before there is a home without samples."""
    return image.sample("coffee").crop((100, 100, 260, 220))


@pytest.fixture
def model(home, tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    folder.mkdir()
    with toy_painter.plugged_in(folder, monkeypatch):
        yield ml4a.load("painter")


@pytest.fixture
def photos(whole, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        whole.crop((20, 60 + number, 60, 90 + number)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def film(whole, tmp_path):
    frames = [image.to_array(whole.crop((start, 0, start + 64, 48))) for start in range(0, 4 * FRAMES, 4)]
    return video.from_frames(lambda: iter(frames), 25, count=FRAMES).save(tmp_path / "film.mp4")


RED, BLUE = (Image.new("RGB", (4, 4), color) for color in ("red", "blue"))


def stopping(after: int, unit: str = "iterations", at: int = 1):
    """A listener like a user who presses Ctrl-C once `after` pictures have begun, at that step of the next."""
    begun = []

    def listen(event):
        if event.unit == unit and event.done == 0:
            begun.append(event)
        if event.unit == unit and event.done == at and len(begun) == after + 1:
            raise KeyboardInterrupt

    return listen


def test_the_best_so_far_is_saved_with_its_record(model, photos, tmp_path):
    target = tmp_path / "out.png"
    with pytest.raises(Interrupted, match=r"the best so far was written to .*out\.png"):
        ml4a.apply(model, photos / "0.png", target, style=RED, iterations=10**9, on_progress=stopping(0, at=3))
    expected = model(photos / "0.png", style=RED, iterations=3)
    assert np.array_equal(np.asarray(image.load(target)), np.asarray(expected))
    assert read_record(target).parameters["iterations"] == 10**9


def test_of_a_folder_what_is_left_is_not_begun(model, photos, tmp_path):
    with pytest.raises(Interrupted, match=r"1\.png"):
        ml4a.apply(model, photos, tmp_path / "out", style=RED, iterations=9, on_progress=stopping(1))
    assert sorted(os.listdir(tmp_path / "out")) == [FOLDER, "0.png", "1.png"]
    shorter = np.asarray(model(photos / "1.png", style=RED, iterations=1))
    assert np.array_equal(np.asarray(image.load(tmp_path / "out" / "1.png")), shorter)
    summary = ml4a.apply(model, photos, tmp_path / "out", style=RED, iterations=9)  # the best so far is replaced
    assert (len(summary.done), summary.resumed) == (3, 1)
    assert not np.array_equal(np.asarray(image.load(tmp_path / "out" / "1.png")), shorter)


def test_ctrl_c_elsewhere_keeps_nothing(photos, tmp_path):
    def stopped(picture):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        ml4a.apply(stopped, photos, tmp_path / "out")
    assert raised.type is KeyboardInterrupt
    assert not (tmp_path / "out").exists()


def test_ctrl_c_and_then_no_room_is_no_saved_file(model, photos, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise CannotWrite("the disk is full")

    monkeypatch.setattr(image, "save", full)
    with pytest.raises(KeyboardInterrupt) as raised:
        ml4a.apply(model, photos, tmp_path / "out", style=RED, iterations=9, on_progress=stopping(0))
    assert raised.type is KeyboardInterrupt


def test_a_film_ends_after_the_frame_that_was_stopped(model, film, tmp_path):
    target = tmp_path / "out.mp4"
    with pytest.raises(Interrupted, match=r"out\.mp4"):
        ml4a.apply(model, film, target, style=RED, iterations=5, on_progress=stopping(2))
    assert len(list(video.open(target))) == 3
    assert read_record(target).model == "painter"


def test_a_film_that_is_stopped_in_its_last_frame_is_whole(model, film, tmp_path):
    with pytest.raises(Interrupted):
        ml4a.apply(model, film, tmp_path / "out.gif", style=RED, iterations=5, on_progress=stopping(FRAMES - 1))
    assert video.open(tmp_path / "out.gif").count == FRAMES


@pytest.mark.parametrize("source", ["file", "clip"])
def test_ctrl_c_between_frames_keeps_the_film_up_to_there(source, model, film, tmp_path):
    for name, worker in {"called.mp4": model, "method.mp4": model.__call__}.items():
        clip = film if source == "file" else video.open(film)
        with pytest.raises(Interrupted, match=name):
            ml4a.apply(
                worker, clip, tmp_path / name, style=RED, iterations=1, on_progress=stopping(0, unit="frames", at=4)
            )
        assert len(list(video.open(tmp_path / name))) == 4


def test_of_other_models_a_film_is_whole_or_not_there(film, tmp_path):
    with pytest.raises(KeyboardInterrupt) as raised:
        ml4a.apply(lambda frame: frame, film, tmp_path / "out.mp4", on_progress=stopping(0, unit="frames", at=4))
    assert raised.type is KeyboardInterrupt
    assert not (tmp_path / "out.mp4").exists()


def test_a_clip_that_is_saved_hears_it_too(model, film, tmp_path):
    clip = video.open(film).map(lambda frame: model(frame, style=RED, iterations=3))
    with pytest.raises(Interrupted):
        clip.save(tmp_path / "out.mp4", on_progress=stopping(1))
    assert len(list(video.open(tmp_path / "out.mp4"))) == 2


@pytest.mark.parametrize("method", [False, True])
def test_a_films_frames_remember_the_one_before(method, model, film, tmp_path):
    remembering = model.for_film()
    expected = [remembering(frame, style=RED, iterations=1) for frame in video.open(film)]
    alone = [model(frame, style=RED, iterations=1) for frame in video.open(film)]
    assert np.abs(expected[3] - alone[3]).max() > 0.05
    for name in ("first.png", "second.png"):
        ml4a.apply(model.__call__ if method else model, film, tmp_path / name, style=RED, iterations=1)
        for ours, due in zip(video.open(tmp_path / name), expected, strict=True):
            assert np.abs(ours - due).max() <= 0.51 / 255
    assert model.memory is None


def test_several_styles_go_over_a_film_and_are_read_once(model, film, tmp_path, monkeypatch):
    RED.save(tmp_path / "red.png")
    opened = []
    load = image.load

    def counted(source, *arguments, **options):
        opened.extend([source] if isinstance(source, Path) else [])
        return load(source, *arguments, **options)

    monkeypatch.setattr(image, "load", counted)
    ml4a.apply(
        model, film, tmp_path / "out.mp4", style=[tmp_path / "red.png", BLUE], style_weights=(2, 1), iterations=1
    )
    assert opened == [tmp_path / "red.png"]
    record = read_record(tmp_path / "out.mp4")
    assert [(item.role, item.kind) for item in record.inputs] == [
        ("picture", "file"),
        ("style", "file"),
        ("style.2", "pixels"),
    ]


def test_a_picture_is_made_of_nothing(model, tmp_path):
    summary = ml4a.apply(model, None, tmp_path / "out.png", style=RED, iterations=1, seed=3)
    assert summary.done == [tmp_path / "out.png"]
    assert np.array_equal(
        np.asarray(image.load(tmp_path / "out.png")), np.asarray(model(style=RED, iterations=1, seed=3))
    )
    assert read_record(tmp_path / "out.png").seed == 3


def test_what_needs_a_picture_is_not_made_of_nothing(tmp_path):
    with pytest.raises(BadValue, match="a picture is"):
        ml4a.apply(ml4a.load("hed"), None, tmp_path / "out.png")
    assert os.listdir(tmp_path) == []
