"""Records of several pictures, of lists and of pictures made of nothing are followed; hostile ones are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import toy_painter
from PIL import Image

import ml4a
from ml4a import image
from ml4a._core.errors import BadValue, NotFound
from ml4a.jobs import read_record, repeat


@pytest.fixture
def model(home, tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    folder.mkdir()
    with toy_painter.plugged_in(folder, monkeypatch):
        yield ml4a.load("painter")


@pytest.fixture(scope="module")
def photo():
    """Loaded before there is a home without samples."""
    return image.sample("chelsea").crop((120, 60, 160, 90))


@pytest.fixture
def files(photo, tmp_path):
    folder = tmp_path / "originals"
    folder.mkdir()
    for color in ("red", "green", "blue"):
        Image.new("RGB", (4, 4), color).save(folder / f"{color}.png")
    photo.save(folder / "photo.png")
    return folder


def same(one, other):
    return np.array_equal(np.asarray(image.load(one)), np.asarray(image.load(other)))


@pytest.fixture
def made(model, files, tmp_path):
    """A picture in three styles."""
    styles = [files / f"{color}.png" for color in ("red", "green", "blue")]
    target = tmp_path / "made.png"
    ml4a.apply(
        model, files / "photo.png", target, style=styles, style_weights=[3, 2, 1], layers=("a", "b"), iterations=2
    )
    return target


def test_several_pictures_are_found_and_given_again(made, files):
    again, notes = repeat(made, [files])
    assert not notes
    assert same(again, made)
    assert read_record(again) == read_record(made)
    assert read_record(again).parameters["style_weights"] == (3.0, 2.0, 1.0)
    assert read_record(again).parameters["layers"] == ("a", "b")


def test_one_that_is_missing_is_named(made, files):
    (files / "green.png").unlink()
    with pytest.raises(NotFound, match=r"the input 'style\.2' \(4x4"):
        repeat(made, [files])


def test_a_picture_made_of_nothing_is_made_again(model, files, tmp_path):
    ml4a.apply(model, None, tmp_path / "dream.png", style=files / "red.png", iterations=1)
    again, _ = repeat(tmp_path / "dream.png", [files])
    assert same(again, tmp_path / "dream.png")


def test_a_picture_made_of_one_made_of_nothing(model, files, tmp_path):
    dream = model(style=files / "red.png", iterations=1)
    image.save(model(dream, style=[files / "blue.png", files / "red.png"], iterations=1), tmp_path / "both.png")
    again, _ = repeat(tmp_path / "both.png", [files])
    assert same(again, tmp_path / "both.png")


def test_ctrl_c_while_repeating_keeps_the_best_but_not_of_what_lies_behind(model, files, tmp_path):
    dream = model(style=files / "red.png", iterations=3)
    image.save(model(dream, style=files / "blue.png", iterations=4), tmp_path / "both.png")

    def stop_at_the_second_of(total):
        def listen(event):
            if event.unit == "iterations" and (event.done, event.total) == (2, total):
                raise KeyboardInterrupt

        return listen

    target = tmp_path / "again.png"
    with pytest.raises(KeyboardInterrupt):
        repeat(tmp_path / "both.png", [files], target, on_progress=stop_at_the_second_of(3))
    assert not target.exists()
    with pytest.raises(KeyboardInterrupt, match=r"the best so far was written to .*again\.png"):
        repeat(tmp_path / "both.png", [files], target, on_progress=stop_at_the_second_of(4))
    assert same(target, tmp_path / "both.png") is False
    assert image.size(target) == (32, 24)


def renamed(record, **roles):
    return replace(record, inputs=tuple(replace(item, role=roles.get(item.role, item.role)) for item in record.inputs))


def given(record, **parameters):
    return replace(record, parameters={**record.parameters, **parameters})


HOSTILE = {
    "a gap in the list": (
        lambda record: renamed(record, **{"style.2": "style.9"}),
        "inputs that painter does not take",
    ),
    "a list of one that is no list": (
        lambda record: renamed(record, style="picture.2"),
        "inputs that painter does not take",
    ),
    "two of one role": (lambda record: renamed(record, **{"style.2": "style"}), "inputs that painter does not take"),
    "a number as a picture": (
        lambda record: renamed(record, picture="iterations"),
        "inputs that painter does not take",
    ),
    "no operation": (lambda record: replace(record, operation="load"), "painter has no operation 'load'"),
    "a file of the user's": (lambda record: given(record, log="/etc/passwd"), "painter takes no log"),
    "a picture by its path": (lambda record: given(record, picture="/etc/passwd"), "names a file for picture"),
    "pictures by their paths": (lambda record: given(record, style=("/etc/passwd",)), "names a file for style"),
    "numbers out of bounds": (
        lambda record: given(record, style_weights=(3.0, 2.0, 1000.0)),
        "style_weights must be between 0 and 100",
    ),
    "names that are none": (lambda record: given(record, layers=("a", 3)), "layers must be names"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_is_refused(name, made, files, tmp_path):
    change, words = HOSTILE[name]
    image.save(image.load(made), tmp_path / "hostile.png", record=change(read_record(made)))
    with pytest.raises(BadValue, match=words):
        repeat(tmp_path / "hostile.png", [files])
    assert not (tmp_path / "hostile-repeat.png").exists()


def test_a_picture_that_is_needed_is_asked_for(files, tmp_path):
    ml4a.apply(ml4a.load("hed"), files / "photo.png", tmp_path / "made.png")
    record = replace(read_record(tmp_path / "made.png"), inputs=())
    image.save(image.load(tmp_path / "made.png"), tmp_path / "hostile.png", record=record)
    with pytest.raises(BadValue, match="the record names no input"):
        repeat(tmp_path / "hostile.png", [files])


def test_a_record_names_no_style_by_its_path(files, tmp_path):
    ml4a.apply(ml4a.load("fast_style"), files / "photo.png", tmp_path / "made.png", style=3)
    record = read_record(tmp_path / "made.png")
    image.save(image.load(tmp_path / "made.png"), tmp_path / "kept.png", record=record)
    assert same(repeat(tmp_path / "kept.png", [files])[0], tmp_path / "made.png")
    hostile = given(record, style=str(files / "red.png"))
    image.save(image.load(tmp_path / "made.png"), tmp_path / "hostile.png", record=hostile)
    with pytest.raises(BadValue, match="names a file for style"):
        repeat(tmp_path / "hostile.png", [files])


def test_it_is_made_again_with_as_many_threads(tmp_path):
    import torch

    before = torch.get_num_threads()
    style = ml4a.load("fast_style")
    image.save(image.load("sample:coffee", size=(48, 40)), tmp_path / "photo.png")
    try:
        torch.set_num_threads(1)
        image.save(style(tmp_path / "photo.png", style=3), tmp_path / "out.png")
        torch.set_num_threads(2)
        made, notes = repeat(tmp_path / "out.png")
        assert read_record(made).versions["threads"] == "1"
        assert notes == []
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
