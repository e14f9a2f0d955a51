"""The flags of verbs that take several pictures, lists of numbers, and no picture at all."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import toy_painter
from PIL import Image

from ml4a import image, jobs, video
from ml4a.cli import main
from ml4a.cli.compare import Compared
from ml4a.cli.run import Deferred
from ml4a.models import registry


@pytest.fixture(scope="module")
def photo():
    """A photograph, loaded before there is a home without samples."""
    return image.sample("chelsea").crop((120, 60, 160, 90))


@pytest.fixture
def folder(photo, home, tmp_path, monkeypatch):
    """The current folder: a photo, two colours, and a model that paints over."""
    folder = tmp_path / "work"
    folder.mkdir()
    photo.save(folder / "photo.png")
    for color in ("red", "blue"):
        Image.new("RGB", (4, 4), color).save(folder / f"{color}.png")
    monkeypatch.chdir(folder)
    with toy_painter.plugged_in(tmp_path, monkeypatch):
        yield folder


def paint(*arguments: str) -> int:
    return main(["paint-over", *arguments, "--iterations", "2", "--quiet"])


def mean(path) -> np.ndarray:
    return image.to_array(path).mean((0, 1))


def test_a_flag_that_is_given_twice_is_two_pictures(folder):
    assert paint("photo.png", "--style", "red.png", "--style", "blue.png", "-o", "both.png") == 0
    assert paint("photo.png", "--style", "red.png", "-o", "red-alone.png") == 0
    assert [item.role for item in jobs.read_record("both.png").inputs] == ["picture", "style", "style.2"]
    assert mean("red-alone.png")[2] < mean("both.png")[2] - 0.2


@pytest.mark.parametrize("weights", [["3,1"], ["3, 1"], ["3", "--style-weights", "1"]])
def test_numbers_are_separated_by_commas_or_flags(weights, folder):
    styles = ["--style", "red.png", "--style", "blue.png", "--layers", "conv1,conv2"]
    assert paint("photo.png", *styles, "--style-weights", *weights, "-o", "out.png") == 0
    assert jobs.read_record("out.png").parameters["style_weights"] == (3.0, 1.0)
    assert jobs.read_record("out.png").parameters["layers"] == ("conv1", "conv2")
    red, _, blue = mean("out.png") - mean("photo.png") / 2
    assert (red, blue) == (pytest.approx(0.375, abs=0.01), pytest.approx(0.125, abs=0.01))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--style-weights", "2,x"], "style_weights must be a number, not 'x'"),
        (["--style-weights", "2,,1"], "style_weights must be a number, not ''"),
        (["--style-weights", "2,1000"], "style_weights must be between 0 and 100, not 1000"),
        (["--style-weights", "nan"], "style_weights must be a finite number"),
        (["--layers", "a,,b"], "layers must be names, not ''"),
        (["--style", "nowhere.png"], "nowhere.png"),
    ],
)
def test_a_bad_item_is_one_line(arguments, words, folder, capsys):
    assert paint("photo.png", "--style", "red.png", *arguments, "-o", "out.png") == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (folder / "out.png").exists()


def test_without_a_source_the_result_is_called_as_the_verb(folder, capsys):
    assert main(["paint-over", "--style", "red.png", "--iterations", "1"]) == 0
    assert capsys.readouterr().out == "paint-over.png\n"
    assert image.size("paint-over.png") == (32, 24)
    assert paint("--style", "red.png") == 2
    assert "paint-over.png exists" in capsys.readouterr().err
    assert paint("--style", "red.png", "-o", "dreams/") == 0
    assert (folder / "dreams" / "picture.png").exists()


def test_a_result_of_nothing_goes_to_standard_output(folder, monkeypatch):
    written = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", written)
    assert paint("--style", "red.png", "-o", "-") == 0
    assert Image.open(io.BytesIO(written.buffer.getvalue())).size == (32, 24)


def test_nothing_cannot_be_compared_with(folder, capsys):
    assert paint("--style", "red.png", "--compare") == 2
    assert "nothing to compare with" in capsys.readouterr().err
    assert paint("photo.png", "--style", "red.png", "--style", "blue.png", "--compare", "-o", "both.png") == 0
    assert image.size("both.png") == (80, 30)


def test_a_verb_that_needs_a_picture_still_asks_for_one(folder, capsys):
    assert main(["sketch"]) == 2
    assert "ml4a sketch photo.jpg" in capsys.readouterr().err


def test_help_says_that_the_source_may_be_left_out(folder, capsys):
    main(["paint-over", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("Usage: ml4a paint-over [SOURCE...] [OPTIONS]")
    assert "May be left out." in text
    assert "--picture" not in text
    assert "[default: conv1]" in text
    main(["sketch", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("Usage: ml4a sketch SOURCE... [OPTIONS]")
    assert "May be left out." not in text


def test_a_model_is_described_without_its_main_picture(folder, capsys):
    assert main(["models", "painter"]) == 0
    text = capsys.readouterr().out
    assert "style_weights = None: How much of each. (between 0 and 100)" in text
    assert "picture = " not in text


def test_films_on_the_command_line_have_a_memory(photo, folder, monkeypatch):
    frames = [image.to_array(photo)] * 3
    for name in ("a.mp4", "b.mp4"):
        video.from_frames(lambda: iter(frames), 25, count=3).save(name)
    loads = []
    load = registry.load

    def counted(*arguments, **options):
        loads.append(arguments)
        return load(*arguments, **options)

    monkeypatch.setattr(registry, "load", counted)
    for flags in ([], ["--compare"]):
        assert paint("a.mp4", "b.mp4", "--style", "red.png", "-o", "out", "--overwrite", *flags) == 0
        first, second = (list(video.open(f"out/{name}")) for name in ("a.mp4", "b.mp4"))
        assert np.abs(first[2] - first[0]).max() > 0.05
        assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
        assert jobs.read_record("out/b.mp4").model == "painter"
    assert len(loads) == 2


def test_a_worker_says_whether_its_films_are_kept_without_loading_anything(folder):
    verb = registry.verbs()["paint-over"][0]
    for name, kept in {"paint-over": True, "sketch": False}.items():
        verb = registry.verbs()[name][0]
        worker = Deferred(verb, {"weights": "there are none", "device": "cpu", "dtype": "auto"})
        assert [each.keeps_partial_films for each in (worker, worker.for_film(), Compared(worker))] == [kept] * 3
    assert Compared(worker).for_film().operation.name == worker.operation.name
