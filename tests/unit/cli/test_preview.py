"""`--preview`: a file that shows what there is so far."""

from __future__ import annotations

import numpy as np
import pytest

from ml4a import image
from ml4a.cli import main

STYLE = [
    "--model",
    "style_transfer",
    "--style",
    "sample:waves",
    "--size",
    "48",
    "--min-scale",
    "48",
    "--loss",
    "gram",
    "--seed",
    "1",
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    image.sample("chelsea", size=48).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_shows_the_first_steps_at_once(folder, monkeypatch):
    monkeypatch.setattr("ml4a._core.progress._PREVIEW_SECONDS", 0)
    steps = ["--final-iterations", "4"]
    assert main(["style", "photo.png", *STYLE, *steps, "--preview", "so-far.png", "-o", "out.png", "-q"]) == 0
    so_far, out, photo = (image.to_array(folder / name) for name in ("so-far.png", "out.png", "photo.png"))
    assert np.array_equal(so_far, out)  # the last step's
    assert np.abs(so_far - photo).mean() > 0.01


def test_what_is_there_is_not_replaced_unasked(folder, capsys):
    before = (folder / "photo.png").read_bytes()
    arguments = ["style", "photo.png", *STYLE, "--final-iterations", "1", "-o", "out.png", "-q"]
    assert main([*arguments, "--preview", "photo.png"]) == 2
    assert "photo.png exists" in capsys.readouterr().err
    assert (folder / "photo.png").read_bytes() == before
    assert not (folder / "out.png").exists()


def test_verbs_of_one_pass_have_no_preview(folder, capsys):
    assert main(["sketch", "photo.png", "--preview", "so-far.png", "-q"]) == 2
    assert "preview" in capsys.readouterr().err
