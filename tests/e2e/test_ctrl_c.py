"""Ctrl-C while a picture is being optimised: the best so far is a valid file, and one line says where it is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pressing
import pytest
import toy_painter
from PIL import Image

from ml4a import image, video
from ml4a.jobs import read_record
from ml4a.jobs.journal import FOLDER

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def photo():
    """A photograph, loaded before there is a home without samples."""
    return image.sample("chelsea").crop((120, 60, 160, 90))


@pytest.fixture
def folder(photo, home, tmp_path, monkeypatch):
    """A folder to work in, and an environment in which a plug-in brings the model that paints over."""
    plugin, folder = tmp_path / "plugin", tmp_path / "work"
    plugin.mkdir()
    folder.mkdir()
    toy_painter.plug_in(plugin)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(plugin), str(TESTS)]))
    monkeypatch.setenv(toy_painter.MARKER, str(tmp_path / "painting"))
    photo.save(folder / "photo.png")
    Image.new("RGB", (4, 4), "red").save(folder / "red.png")
    frames = [image.to_array(photo)] * 3
    video.from_frames(lambda: iter(frames), 25, count=3).save(folder / "film.mp4")
    return folder


def interrupted(folder: Path, *arguments: str) -> tuple[int, bytes, str]:
    """Start the verb, press Ctrl-C once it paints; its status, output and errors."""
    command = ["paint-over", *arguments, "--style", "red.png", "--iterations", str(10**9)]
    return pressing.ctrl_c(*command, cwd=folder, when=Path(os.environ[toy_painter.MARKER]).exists)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["photo.png", "-o", "out.png"], "out.png"),
        pytest.param([], "paint-over.png", marks=pytest.mark.slow),
    ],
)
def test_a_picture_is_the_best_so_far(arguments, name, folder):
    assert interrupted(folder, *arguments) == (130, b"", f"ml4a: stopped; the best so far was written to {name}\n")
    assert image.size(folder / name) == ((40, 30) if arguments else (32, 24))
    assert read_record(folder / name).model == "painter"
    assert {path.name for path in folder.iterdir()} == {"photo.png", "red.png", "film.mp4", name}


def test_a_film_is_kept_up_to_there(folder):
    status, output, errors = interrupted(folder, "film.mp4", "photo.png", "-o", "made")
    assert (status, output) == (130, b"")
    assert errors == f"ml4a: stopped; the best so far was written to {Path('made', 'film.mp4')}\n"
    assert len(list(video.open(folder / "made" / "film.mp4"))) == 1
    assert set(os.listdir(folder / "made")) == {"film.mp4", FOLDER}  # the same line goes on


@pytest.mark.slow
def test_standard_output_gets_it_too(folder):
    status, output, errors = interrupted(folder, "photo.png", "-o", "-")
    assert (status, errors) == (130, "ml4a: stopped; the best so far was written to standard output\n")
    assert Image.open(io.BytesIO(output)).size == (40, 30)
