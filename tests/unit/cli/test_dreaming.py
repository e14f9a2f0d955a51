"""`ml4a dream`: pictures, films without an end, and lists of layers."""

from __future__ import annotations

import numpy as np
import pytest

import ml4a
from ml4a import audio, image, jobs, video
from ml4a.cli import main
from ml4a.media import canvas
from ml4a.models import registry

QUICK = ["--size", "32", "--iterations", "1", "--octaves", "1", "--seed", "1", "--layer", "blocks.4"]


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """In the current folder."""
    image.sample("chelsea", size=40).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photo.png"


def dream(*arguments: str) -> int:
    return main(["dream", *arguments, *QUICK])


def differs(a, b):
    return float(np.abs(np.asarray(a, np.float32) - np.asarray(b, np.float32)).mean())


def test_without_flags_of_films_it_dreams_of_a_picture(photo, capsys):
    assert dream("photo.png") == 0
    assert capsys.readouterr().out == "photo-dream.png\n"
    due = ml4a.load("deepdream")("photo.png", size=32, iterations=1, octaves=1, seed=1, layer="blocks.4")
    assert np.array_equal(np.asarray(image.load("photo-dream.png")), np.asarray(due))


@pytest.mark.parametrize(
    "flags", [["--zoom", "1.1"], ["--rotate", "0.2"], ["--shift-x", "0.1"], ["--shift-y", "0.1"], []]
)
def test_flags_of_films_make_a_film(flags, photo, capsys):
    assert dream("photo.png", *flags, "--seconds", "0.15", "--rate", "20") == 0
    assert capsys.readouterr().out == "photo-dream.mp4\n"
    film = video.open("photo-dream.mp4")
    assert (film.count, film.rate, film.size) == (3, 20, (48, 32))
    names = {"--zoom": "zoom", "--rotate": "rotate", "--shift-x": "shift_x", "--shift-y": "shift_y"}
    rest = {"zoom": 1.03, "rotate": 0, "shift_x": 0, "shift_y": 0}
    moves = {**rest, "zoom": 1, names[flags[0]]: float(flags[1])} if flags else rest
    parameters = jobs.read_record("photo-dream.mp4").parameters
    assert {name: parameters[name] for name in moves} == moves
    last = film.frame(2)
    due = ml4a.load("deepdream").zoom(
        "photo.png", **moves, seconds=0.15, rate=20, size=32, iterations=1, octaves=1, seed=1, layer="blocks.4"
    )
    assert differs(last, due.frame(2)) < 0.03
    assert differs(due.frame(2), due.frame(0)) > 0.04


def test_a_film_may_begin_with_noise_and_lead_to_itself(photo, capsys):
    assert dream("--zoom", "1.05", "--seconds", "0.2", "--rate", "20", "--seamless", "--refresh", "0.1") == 0
    assert capsys.readouterr().out == "dream.mp4\n"
    parameters = jobs.read_record("dream.mp4").parameters
    assert (parameters["seamless"], parameters["refresh"]) == (True, 0.1)
    assert video.open("dream.mp4").size == (32, 32)


def test_amounts_follow_a_sound_which_the_film_gets(photo):
    samples = np.zeros(8000, np.float32)
    samples[4000:] = np.sin(np.arange(4000) / 8000 * 2 * np.pi * 80)
    audio.Sound(samples[:, None], 8000).save("song.wav")
    flags = ["--seconds", "1", "--rate", "4", "--sound", "song.wav", "--zoom", "1..1.5@song.wav:loudness"]
    assert dream("photo.png", *flags, "-o", "loud.mp4") == 0
    film = video.open("loud.mp4")
    assert film.has_sound
    record = jobs.read_record("loud.mp4")
    assert (record.operation, record.parameters["zoom"]) == ("along", "1..1.5@loudness")
    frames = list(film)
    still, moved = (differs(frames[n + 1], frames[n]) for n in (0, 1))
    assert moved > 1.5 * still
    assert main(["repeat", "loud.mp4"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["photo.png", "photo.png"], "begins with one picture"),
        (["film.mp4"], "begins with one picture"),
        (["photo.png", "--steady", "0.5"], "--steady and --compare"),
        (["photo.png", "--compare"], "--steady and --compare"),
        (["photo.png", "--preview", "now.png"], "--preview is for pictures"),
        (["photo.png", "-o", "-"], "needs a name"),
        (["photo.png", "-o", "photo.png"], "exists"),
        (["nowhere.png"], "nowhere.png"),
        (["photo.png", "--rotate", "fast"], "rotate must be a number"),
        (["photo.png", "--rotate", "50"], "rotate must be between"),
        (["photo.png", "--seconds", "-1"], "seconds must be between"),
    ],
)
def test_what_makes_no_film_is_refused_in_a_line(arguments, words, photo, capsys):
    video.from_frames([image.load("photo.png")] * 2, 5).save("film.mp4")
    assert dream(*arguments, "--zoom", "1.1") == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_source_that_cannot_be_read_loads_nothing(photo, monkeypatch, capsys):
    monkeypatch.setattr(registry, "load", lambda *_, **__: pytest.fail("it was loaded"))
    assert dream("nowhere.png", "--zoom", "1.1") == 2
    assert "nowhere.png" in capsys.readouterr().err


def test_layers_are_listed(capsys):
    assert main(["dream", "--layers"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert {name: int(count) for name, count in rows} == ml4a.load("deepdream").layers()


def test_films_carry_no_record_if_that_is_not_wanted(photo):
    assert dream("photo.png", "--zoom", "1.1", "--seconds", "0.1", "--no-record", "-o", "bare.mp4") == 0
    assert video.read_record_text("bare.mp4") is None


def test_a_model_without_zooms_has_no_flags_for_them(capsys):
    main(["dream", "--model", "deepdream", "--help"])
    assert "--seamless" in capsys.readouterr().out
    main(["dream", "--model", "torch_dreams", "--help"])
    text = capsys.readouterr().out
    assert "--seamless" not in text
    assert "--layers" in text


def test_a_zoom_is_a_loop_whose_step_is_a_dream(photo):
    """As the documents put it together."""
    model = ml4a.load("deepdream")
    film = canvas.loop("photo.png", canvas.zoom(1.1), lambda frame: model(frame, iterations=1, octaves=1), seconds=0.1)
    assert differs(film.frame(2), film.frame(0)) > 0.02
