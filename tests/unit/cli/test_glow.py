"""`ml4a glow …`: pictures, codes and films out of faces."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import checkpoints
import numpy as np
import pytest
from film_files import pan
from PIL import Image
from tiers import quick

from ml4a import image, jobs, video
from ml4a.cli import main
from ml4a.media import latents
from ml4a.models.glow import ATTRIBUTES

pytestmark = pytest.mark.xdist_group("glow")
SIDE = 32
COMMANDS = ("reconstruct", "edit", "mix", "interpolate", "random", "decode", "attributes")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return checkpoints.write("glow", "celeba_hq", tmp_path_factory.mktemp("weights"), small=True)


@pytest.fixture
def files(tmp_path, monkeypatch, weights):
    """Two pictures and small weights; the pictures in the current folder."""
    for name, frame in zip(("me.png", "you.png"), pan(2, 48, 40), strict=True):
        Image.fromarray(frame).save(tmp_path / name)
    monkeypatch.setenv("ML4A_HOME", str(tmp_path / "home"))
    checkpoints.install("glow", "celeba_hq", weights)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def glow(*arguments: str) -> int:
    align = [] if arguments[0] in ("random", "decode", "attributes") else ["--no-align"]
    return main(["glow", *arguments, *align])


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path), np.int64)


def complaint(capsys) -> str:
    errors = capsys.readouterr().err.splitlines()
    (line,) = [each for each in errors if "commercial use" not in each and "SHA-256" not in each]
    return line


def test_a_picture_its_code_and_the_picture_again(files, capsys):
    assert glow("reconstruct", "me.png", "--latents", "me.safetensors") == 0
    assert capsys.readouterr().out == "me-reconstruct.png\nme.safetensors\n"
    made = pixels("me-reconstruct.png")
    due = image.resize(image.crop_to_aspect_ratio(image.load("me.png", as_array=True), 1), (SIDE, SIDE)) * 255
    assert np.abs(made - due.clip(0, 255)).max() <= 0.51
    codes = latents.load("me.safetensors")
    assert codes.values.shape == (1, 3 * SIDE**2)
    assert (codes.record.model, codes.record.operation) == ("glow", "__call__")
    assert glow("decode", "me.safetensors", "-q") == 0
    assert np.abs(pixels("me-decode.png") - made).max() <= 1
    assert jobs.read_record("me-decode.png").inputs[0].record.inputs[0].role == "picture"


def test_a_face_is_edited(files, capsys):
    flags = ["--attribute", "Smiling,Young", "--amount", "0.1,-0.1"]
    assert glow("edit", "me.png", *flags, "-o", "other.png", "--latents", "other.safetensors", "-q") == 0
    assert capsys.readouterr().out == ""
    assert glow("decode", "other.safetensors", "-o", "again.png", "-q") == 0
    assert np.abs(pixels("again.png") - pixels("other.png")).max() <= 1
    record = jobs.read_record("other.png")
    assert (record.operation, record.parameters["attribute"]) == ("edit", ("Smiling", "Young"))
    assert record.source_type == "trainedAlgorithmicMedia"
    assert glow("reconstruct", "me.png", "-q") == 0
    assert np.abs(pixels("other.png") - pixels("me-reconstruct.png")).max() > 3
    assert main(["repeat", "other.png", "me.png"]) == 0
    assert np.array_equal(pixels("other-repeat.png"), pixels("other.png"))


@pytest.mark.slow
def test_a_folder_and_standard_input(files, monkeypatch, capsys):
    (files / "faces").mkdir()
    for name in ("me.png", "you.png"):
        (files / name).rename(files / "faces" / name)
    assert glow("edit", "faces", "--amount", "0", "-o", "edited") == 0
    assert sorted(path.name for path in (files / "edited").iterdir()) == ["me.png", "you.png"]
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO((files / "faces/me.png").read_bytes())))
    assert glow("edit", "-", "--amount", "0", "-o", "piped.png", "--latents", "piped.safetensors") == 0
    assert np.abs(pixels("piped.png") - pixels("edited/me.png")).max() <= 1


@pytest.mark.slow
def test_two_faces_are_mixed(files):
    assert glow("mix", "me.png", "you.png", "--amount", "0.5", "-o", "us.png", "--latents", "us.safetensors", "-q") == 0
    for name in ("me", "you"):
        assert glow("reconstruct", f"{name}.png", "--latents", f"{name}.safetensors", "-q") == 0
    me, you, us = (latents.load(f"{name}.safetensors").values for name in ("me", "you", "us"))
    np.testing.assert_allclose(us, (me + you) / 2, atol=1e-4)
    assert [each.role for each in jobs.read_record("us.png").inputs] == ["picture", "other"]


@pytest.mark.slow
def test_a_film_between_two_faces(files, capsys):
    assert glow("interpolate", "me.png", "you.png", "--seconds", "0.5", "--rate", "8") == 0
    assert capsys.readouterr().out == "me-interpolate.mp4\n"
    film = video.open("me-interpolate.mp4")
    assert (film.count, film.rate, film.size) == (4, 8, (SIDE, SIDE))
    assert jobs.read_record("me-interpolate.mp4").operation == "interpolate"
    assert np.abs(film.frame(0) - film.frame(3)).mean() > 0.02


def test_a_drawn_face_and_its_neighbours(files, capsys):
    assert glow("random", "--seed", "7", "--latents", "nobody.safetensors") == 0
    assert capsys.readouterr().out == "random.png\nnobody.safetensors\n"
    np.testing.assert_allclose(
        latents.load("nobody.safetensors").values, 0.7 * latents.random(1, 3 * SIDE**2, seed=7), rtol=1e-5
    )
    assert glow("random", "nobody.safetensors", "--temperature", "0", "-o", "again.png", "-q") == 0
    assert np.abs(pixels("again.png") - pixels("random.png")).max() <= 1
    assert glow("random", "nobody.safetensors", "--temperature", "0.2", "--seed", "1", "-q") == 0
    assert np.abs(pixels("nobody-random.png") - pixels("random.png")).max() > 3


def test_attributes_are_listed(files, capsys):
    assert glow("attributes") == 0
    assert capsys.readouterr().out.splitlines() == list(ATTRIBUTES)


@pytest.mark.slow
def test_no_record_if_none_is_wanted(files):
    assert glow("random", "--seed", "1", "--no-record", "--latents", "code.safetensors", "-q") == 0
    assert latents.load("code.safetensors").record is None
    with pytest.raises(Exception, match="record"):
        jobs.read_record("random.png")


@pytest.mark.parametrize("command", quick(COMMANDS))
def test_help_has_examples(command, capsys):
    assert main(["glow", command, "--help"]) == 0
    assert f"ml4a glow {command}" in capsys.readouterr().out.partition("Examples")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    quick(
        [
            (["edit"], "name a picture"),
            (["edit", "none.png"], "none.png"),
            (["edit", "none.png", "--latents", "code.safetensors"], "none.png"),
            (["edit", "me.png", "--attribute", "Smilling", "--latents", "c.safetensors"], "did you mean 'Smiling'"),
            (["edit", "me.png", "--amount", "9", "--latents", "c.safetensors"], "amount must be between"),
            (["edit", "me.png", "you.png", "--latents", "c.safetensors"], "one picture"),
            (["edit", "me.png", "--latents", "code.npy"], "written as .safetensors"),
            (["mix", "me.png", "none.png"], "none.png"),
            (["mix", "-", "-"], "standard input"),
            (["interpolate", "me.png", "you.png", "-o", "film.txt"], "a film's name must end in"),
            (["random", "none.safetensors"], "none.safetensors"),
            (["decode", "me.png"], "me.png holds no latents"),
            (["decode", "other.safetensors"], "of z"),
            (["random", "-o", "-"], "a file here"),
        ],
        4,
        rows=True,
    ),
)
def test_what_is_wrong_is_said_in_one_line(files, arguments, words, capsys):
    latents.Latents(np.zeros((1, 512))).save("other.safetensors")
    before = sorted(files.iterdir())
    assert glow(*arguments) == 2
    assert words in complaint(capsys)
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("name", quick(["there.png", "there.safetensors"]))
def test_what_is_there_is_not_replaced(files, name, capsys):
    (files / name).write_bytes(b"mine")
    arguments = ["random", "--seed", "1", "-o", "there.png", "--latents", "there.safetensors"]
    assert glow(*arguments) == 2
    assert name in complaint(capsys)
    assert [path.name for path in files.glob("there.*")] == [name]
    assert (files / name).read_bytes() == b"mine"
    assert glow(*arguments, "--overwrite", "-q") == 0
    assert pixels("there.png").shape == (SIDE, SIDE, 3)
    assert len(latents.load("there.safetensors")) == 1
