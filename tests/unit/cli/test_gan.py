"""`ml4a gan`: seeds and files in; pictures, sheets, films and latents out."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest
from PIL import Image

import ml4a
from ml4a import audio, image, latents, video
from ml4a.cli import main
from ml4a.jobs import read_record

pytestmark = pytest.mark.xdist_group("generator")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return checkpoints.furnish(tmp_path_factory.mktemp("gan") / "home", only=("stylegan", "stylegan3"))


@pytest.fixture(autouse=True)
def folder(home, tmp_path, monkeypatch):
    monkeypatch.setenv("ML4A_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def gan(*arguments: str) -> int:
    return main(["gan", *arguments])


def complaint(capsys) -> str:
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "commercial use" not in each]
    return line


def shown(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_seed_is_a_picture_with_a_record(capsys):
    assert gan("sample", "--seed", "7", "--truncation", "0.5", "-o", "seven.png") == 0
    assert capsys.readouterr().out == "seven.png\n"
    model = ml4a.load("stylegan")
    assert np.array_equal(shown("seven.png"), np.asarray(model(seed=7, truncation=0.5)))
    record = read_record("seven.png")
    assert (record.model, record.seed, record.source_type) == ("stylegan", 7, "trainedAlgorithmicMedia")
    assert gan("sample", "7", "--truncation", "0.5") == 0
    assert np.array_equal(shown("sample.png"), shown("seven.png"))


def test_several_are_a_sheet_or_a_folder(folder, capsys):
    assert gan("sample", "--count", "3", "--seed", "1", "-o", "sheet.png") == 0
    one = ml4a.load("stylegan")(seed=1)
    assert shown("sheet.png").shape[1] > 2 * one.width
    assert gan("sample", "3", "14", "-o", "some/", "-q") == 0
    assert sorted(path.name for path in (folder / "some").iterdir()) == ["0003.png", "0014.png"]
    assert read_record("some/0014.png").seed == 14
    assert gan("sample", "14", "15", "-o", "some/") == 2
    assert "0014.png" in complaint(capsys)
    assert not (folder / "some" / "0015.png").exists(), "nothing is made where something would be overwritten"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sample", "--count", "0"], "count must be 1 or more"),
        (["sample", "7", "--count", "2"], "not both"),
        (["sample", "7", "--truncation", "3"], "truncation must be between -2 and 2"),
        (["sample", "nowhere.safetensors"], "nowhere.safetensors"),
        (["edit", "me.jpg"], "of a photograph: ml4a gan project me.jpg"),
        (["sample", "--model", "hed"], "model for gan sample"),
        (["sample", "7", "--label", "1"], "know no classes"),
        (["sample", "99999999999"], "2**32"),
        (["interpolate"], "name seeds, or files of latents"),
        (["interpolate", "1", "-o", "one.mp4"], "two seeds or more"),
        (["interpolate", "1", "2", "-o", "film.txt"], ".txt"),
        (["edit", "7", "--direction", "smile"], "direction"),
        (["mix", "7"], "OTHER"),
        (["project", "nowhere.png"], "nowhere.png"),
        (["project", "sample:chelsea", "-o", "found.png"], "written as .safetensors"),
        (["walk", "nowhere.mp3"], "nowhere.mp3"),
        (["blend", "ffhq", "nowhere.pkl"], "nowhere.pkl"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(arguments, message, folder, capsys):
    assert gan(*arguments) == 2
    assert message in complaint(capsys)
    assert list(folder.iterdir()) == []


def test_a_film_goes_through_seeds_and_is_made_again():
    assert gan("interpolate", "1", "2", "--seconds", "0.4", "--rate", "10", "-o", "film.mp4") == 0
    film = video.open("film.mp4")
    assert (film.count, film.rate) == (4, 10)
    assert read_record("film.mp4").parameters["seeds"] == (1, 2)
    assert main(["repeat", "film.mp4", "-o", "again.mp4"]) == 0
    assert np.array_equal(np.stack(list(video.open("again.mp4"))), np.stack(list(film)))


def test_a_folder_gets_the_frames(folder, capsys):
    line = ["interpolate", "1", "2", "--seconds", "0.3", "--rate", "10", "-o", "frames/"]
    assert gan(*line) == 0
    assert len(list((folder / "frames").glob("*.png"))) == 3
    capsys.readouterr()
    assert gan(*line) == 2, "nothing is overwritten"
    assert "frames" in complaint(capsys)


def test_a_walk_has_the_sound_that_drives_it():
    audio.sample(1).trimmed(0, 0.5).save("song.wav")
    assert gan("walk", "song.wav", "--rate", "8", "--seed", "1", "-o", "walk.mp4") == 0
    film = video.open("walk.mp4")
    assert (film.count, film.has_sound) == (4, True)


@pytest.mark.slow
def test_a_photograph_is_found_edited_and_all_of_it_made_again(folder, capsys):
    image.save(ml4a.load("stylegan")(seed=3), "photo.png")
    assert gan("project", "photo.png", "--iterations", "4", "--preview", "now.png") == 0
    assert capsys.readouterr().out == "photo-project.safetensors\nphoto-project.png\n"
    found = latents.load("photo-project.safetensors")
    assert (found.space, len(found)) == ("w+", 1)
    assert shown("now.png").shape == (32, 32, 3)
    assert gan("edit", "photo-project.safetensors", "--amount", "3", "-o", "edited.png") == 0
    record = read_record("edited.png")
    assert record.inputs[0].record.operation == "project"
    assert gan("sample", "photo-project.safetensors", "-o", "plain.png") == 0
    assert np.array_equal(shown("plain.png"), shown("photo-project.png"))
    assert not np.array_equal(shown("edited.png"), shown("plain.png"))
    assert main(["repeat", "photo-project.safetensors", "-o", "again.safetensors"]) == 0
    np.testing.assert_allclose(latents.load("again.safetensors").values, found.values, atol=1e-3)
    (folder / "photo-project.safetensors").unlink()
    assert main(["repeat", "edited.png", "-o", "edited-again.png"]) == 0, "the projection is made again, too"
    assert np.abs(shown("edited-again.png").astype(int) - shown("edited.png")).max() <= 1
    assert main(["inspect", "again.safetensors"]) == 0


def test_what_else_there_is_makes_pictures():
    for line in (
        "explore 7 --count 2 --columns 3 --size 32 -o explored.png",
        "mix 3 14 --layers 2,3 -o mixed.png",
        "panorama 1 2 --width 80 -o wide.png",
    ):
        assert gan(*line.split()) == 0
        assert read_record(line.split()[-1]).model == "stylegan"
    assert shown("wide.png").shape == (32, 80, 3)


def test_stylegan3_turns(capsys):
    assert gan("turn", "7", "--seconds", "0.3", "--rate", "10", "-o", "turned.mp4") == 0
    assert video.open("turned.mp4").count == 3
    assert read_record("turned.mp4").model == "stylegan3"
    assert gan("sample", "7", "--model", "stylegan3", "--rotate", "30", "-o", "rotated.png") == 0
    assert read_record("rotated.png").parameters["rotate"] == 30


def test_two_networks_are_blended(folder):
    assert gan("blend", "default", "default", "--resolution", "8", "-o", "same.safetensors") == 0
    assert gan("sample", "7", "--weights", "same.safetensors", "-o", "blended.png") == 0
    assert gan("sample", "7", "-o", "plain.png") == 0
    assert np.array_equal(shown("blended.png"), shown("plain.png"))
