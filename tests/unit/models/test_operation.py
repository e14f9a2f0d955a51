"""What calls of models share that optimise a picture: several pictures, none, lists of numbers, memory of films."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
import toy_painter
from PIL import Image

import ml4a
from ml4a import image
from ml4a._core.errors import BadValue, NotFound
from ml4a._core.record import Record
from ml4a.media import provenance


@pytest.fixture
def model(home, tmp_path, monkeypatch):
    with toy_painter.plugged_in(tmp_path, monkeypatch):
        yield ml4a.load("painter")


@pytest.fixture(scope="module")
def photo():
    return image.sample("chelsea").crop((120, 60, 160, 90))


RED, BLUE = (Image.new("RGB", (4, 4), color) for color in ("red", "blue"))


def test_one_picture_is_several(model, photo, tmp_path):
    RED.save(tmp_path / "red.png")
    expected = np.asarray(model(photo, style=RED, iterations=2))
    array = np.asarray(RED)
    tensor = torch.from_numpy(array.transpose(2, 0, 1).astype(np.float32) / 255)
    for style in ([RED], (RED,), tmp_path / "red.png", [str(tmp_path / "red.png")], array, [tensor], [array, tensor]):
        assert np.array_equal(np.asarray(model(photo, style=style, iterations=2)), expected)


def test_each_of_several_pictures_counts_by_its_weight(model, photo):
    red, both, mostly_red = (
        np.asarray(model(photo, style=style, style_weights=weights, iterations=1), np.float32).mean((0, 1))
        for style, weights in ((RED, None), ([RED, BLUE], None), ([RED, BLUE], (3, 1)))
    )
    assert mostly_red[0] == pytest.approx(both[0] / 2 + red[0] / 2, abs=1)
    assert both[2] - red[2] == pytest.approx(255 / 4, abs=1)


def test_every_picture_is_an_input_of_the_record(model, photo):
    result = model(photo, style=[RED, BLUE, RED], style_weights=[2, 1, 1], iterations=1)
    record = provenance.record_of(result)
    assert [(item.role, item.size) for item in record.inputs] == [
        ("picture", "40x30"),
        ("style", "4x4"),
        ("style.2", "4x4"),
        ("style.3", "4x4"),
    ]
    assert record.inputs[1].sha256 == record.inputs[3].sha256 != record.inputs[2].sha256
    assert record.parameters["style_weights"] == (2.0, 1.0, 1.0)
    assert record.parameters["layers"] == ("conv1",)
    assert "style" not in record.parameters
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    ("style", "error", "words"),
    [
        ([], BadValue, "style must be 1 to 64 pictures, not 0"),
        ([RED] * 65, BadValue, "style must be 1 to 64 pictures, not 65"),
        ([RED] * 64, BadValue, "takes at most 64 pictures together, not 65"),
        ([RED, 3], BadValue, "a picture is .*, not int"),
        ([RED, None], BadValue, "a picture is .*, not NoneType"),
        ([RED, "nowhere.png"], NotFound, "nowhere.png"),
    ],
)
def test_what_is_no_list_of_pictures_is_refused(style, error, words, model, photo):
    with pytest.raises(error, match=words):
        model(photo, style=style, iterations=1)


def test_without_a_picture_one_is_made_of_nothing(model):
    result = model(style=RED, iterations=1, seed=4)
    assert isinstance(result, Image.Image)
    assert result.size == (32, 24)
    record = provenance.record_of(result)
    assert [item.role for item in record.inputs] == ["style"]
    assert record.seed == 4
    assert "picture" not in record.parameters
    assert np.array_equal(np.asarray(model(None, style=RED, iterations=1, seed=4)), np.asarray(result))
    assert not np.array_equal(np.asarray(model(style=RED, iterations=1, seed=5)), np.asarray(result))


def test_a_picture_that_is_needed_is_asked_for(home):
    with pytest.raises(BadValue, match=r"a picture is .*, not NoneType"):
        ml4a.models.HED.__call__(None, None)


def test_a_file_of_the_users_is_in_no_record(model, photo):
    model(photo, style=RED, iterations=1, log="/home/me/secret.log")
    assert "log" not in model.last_record.parameters


def test_a_film_has_a_memory_of_its_own(model, photo):
    first, second = model.for_film(), model.for_film()
    alone = np.asarray(model(photo, style=RED, iterations=1))
    assert first.network is model.network
    assert np.array_equal(np.asarray(first(photo, style=RED, iterations=1)), alone)
    assert not np.array_equal(np.asarray(first(photo, style=RED, iterations=1)), alone)
    for fresh in (model, second):
        assert np.array_equal(np.asarray(fresh(photo, style=RED, iterations=1)), alone)


def test_a_model_without_memory_is_its_own_film(home, tmp_path):
    assert ml4a.models.HED.for_film.__qualname__ == "Model.for_film"
    model = object.__new__(ml4a.models.HED)
    assert model.for_film() is model


def test_films_in_one_thread_and_in_two_keep_their_own_records(model, photo):
    films = [model.for_film() for _ in range(2)]
    for number, film in enumerate(films):
        film(photo, style=RED, iterations=number + 1)
    assert [film.last_record.parameters["iterations"] for film in films] == [1, 2]
    assert model.last_record is None

    found = {}
    both_called = threading.Barrier(2, timeout=30)

    def work(number):
        films[0](photo, style=RED, iterations=number + 10)
        both_called.wait()
        found[number] = films[0].last_record.parameters["iterations"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: 10, 1: 11}
    assert films[0].last_record.parameters["iterations"] == 1


def test_ctrl_c_in_python_gives_the_best_so_far(model, photo):
    def stop_at_the_third(event):
        if event.unit == "iterations" and event.done == 2:
            raise KeyboardInterrupt

    with ml4a.listening(stop_at_the_third):
        result = model(photo, style=RED, iterations=10**9)
    assert np.array_equal(np.asarray(result), np.asarray(model(photo, style=RED, iterations=2)))
