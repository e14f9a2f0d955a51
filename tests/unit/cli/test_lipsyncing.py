"""`ml4a lipsync`: a face and a speech in, a film out."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import checkpoints
import numpy as np
import pressing
import pytest
from film_files import SAMPLE_RATE, pan, tones
from lying_server import Answer
from PIL import Image

import ml4a
from ml4a import image, jobs, video
from ml4a.cli import main
from ml4a.media.audio import Sound
from ml4a.models import registry

BOX = ["--box", "10,50,20,56"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A picture, a speech and small weights; the first two in the current folder."""
    Image.fromarray(pan(1, 96, 64)[0]).save(tmp_path / "face.png")
    Sound(tones(0.5)[0], SAMPLE_RATE).save(tmp_path / "speech.wav")
    monkeypatch.setenv("ML4A_HOME", str(tmp_path / "home"))
    checkpoints.install("wav2lip", "gan", checkpoints.write("wav2lip", "gan", tmp_path, small=True))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lipsync(*arguments: str) -> int:
    return main(["lipsync", *arguments])


def complaint(capsys) -> str:
    (line,) = [each for each in capsys.readouterr().err.splitlines() if "commercial use" not in each]
    return line


def test_a_picture_talks(files, capsys):
    assert lipsync("face.png", "speech.wav", *BOX, "--rate", "12") == 0
    assert capsys.readouterr().out == "face-lipsync.mp4\n"
    film = video.open("face-lipsync.mp4")
    assert (film.count, film.rate, film.size, film.has_sound) == (6, 12, (96, 64), True)
    record = jobs.read_record("face-lipsync.mp4")
    assert (record.model, record.source_type) == ("wav2lip", "compositeWithTrainedAlgorithmicMedia")
    assert [each.role for each in record.inputs] == ["face", "speech"]
    assert record.parameters["box"] == (10, 50, 20, 56)
    due = ml4a.load("wav2lip")("face.png", speech="speech.wav", box=(10, 50, 20, 56), rate=12)
    assert np.abs(film.frame(4) - due.frame(4)).mean() < 0.02


def test_a_film_is_made_again_from_what_it_tells(files, capsys):
    assert lipsync("face.png", "speech.wav", *BOX, "--rate", "6", "-q") == 0
    assert main(["repeat", "face-lipsync.mp4", "face.png", "speech.wav"]) == 0
    again = files / "face-lipsync-repeat.mp4"
    for a, b in zip(video.open("face-lipsync.mp4"), video.open(again), strict=True):
        assert np.array_equal(a, b)


def test_a_face_that_was_loaded_smaller_is_made_again_as_small(files):
    face = image.load("face.png", size=32)
    ml4a.load("wav2lip")(face, speech="speech.wav", box=(2, 26, 8, 40), rate=6).save("small.mp4")
    again, notes = jobs.repeat("small.mp4")
    assert not notes
    assert video.open(again).size == (48, 32)
    for a, b in zip(video.open("small.mp4"), video.open(again), strict=True):
        assert np.array_equal(a, b)


def test_the_speech_may_come_from_standard_input(files, monkeypatch, capsys):
    spoken = (files / "speech.wav").read_bytes()
    for heard, status in ((spoken, 0), (b"", 2), (b"Not a sound.", 2)):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(heard)))
        assert lipsync("face.png", "-", *BOX, "--rate", "6", "-o", f"talk{status}.mp4", "-q") == status
    assert "the sound is" in capsys.readouterr().err
    assert not (files / "talk2.mp4").exists()
    assert lipsync("face.png", "speech.wav", *BOX, "--rate", "6", "-o", "due.mp4", "-q") == 0
    for a, b in zip(video.open("talk0.mp4"), video.open("due.mp4"), strict=True):
        assert np.array_equal(a, b)
    assert jobs.read_record("talk0.mp4").inputs[1].sha256 == hashlib.sha256(spoken).hexdigest()


def test_an_address_is_read_once(files, server, monkeypatch):
    monkeypatch.setenv("ML4A_ALLOW_LOOPBACK", "1")
    names = ("face.png", "speech.wav")
    addresses = [server.put(f"/{name}", Answer((files / name).read_bytes())) for name in names]
    assert lipsync(*addresses, *BOX, "--rate", "6", "-q") == 0
    assert [request.path for request in server.requests] == ["/face.png", "/speech.wav"]
    due = [hashlib.sha256((files / name).read_bytes()).hexdigest() for name in names]
    assert [each.sha256 for each in jobs.read_record("face-lipsync.mp4").inputs] == due


@pytest.mark.slow
def test_ctrl_c_leaves_a_film_and_the_same_line_goes_on(files):
    Sound(np.zeros(100 * 8000, np.float32), 8000).save("long.wav")
    command = ("lipsync", "face.png", "long.wav", *BOX, "-o", "talk.mp4")
    kept = Path(".talk.mp4.ml4a-job")
    status, output, errors = pressing.ctrl_c(*command, cwd=files, when=lambda: any(kept.rglob("segment-*.zip")))
    assert (status, output) == (130, b"")
    assert errors == "ml4a: stopped; the best so far was written to talk.mp4\n"
    film = video.open("talk.mp4")
    assert 0 < len(list(film)) < 2500
    assert film.has_sound
    assert jobs.read_record("talk.mp4").model == "wav2lip"
    assert lipsync(*command[1:], "-q") == 0
    assert (video.open("talk.mp4").count, kept.exists()) == (2500, False)
    assert lipsync("face.png", "long.wav", *BOX, "-o", "whole.mp4", "-q") == 0
    assert Path("talk.mp4").read_bytes() == Path("whole.mp4").read_bytes()


def test_flags_are_those_of_the_model(files, capsys):
    flags = ["--pads", "0,4,0,0", "--blend", "hard", "--loop", "pingpong", "--smooth", "ahead", "--batch", "2"]
    assert lipsync("face.png", "speech.wav", *BOX, *flags, "--rotate", "0", "-o", "talk.webm", "-q") == 0
    assert capsys.readouterr().out == ""
    parameters = jobs.read_record("talk.webm").parameters
    assert (parameters["pads"], parameters["blend"], parameters["loop"]) == ((0, 4, 0, 0), "hard", "pingpong")


def test_no_record_if_none_is_wanted(files):
    assert lipsync("face.png", "speech.wav", *BOX, "--no-record", "-o", "talk.mp4", "-q") == 0
    assert video.read_record_text("talk.mp4") is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.mp4", "speech.wav"], "none.mp4"),
        (["face.png", "none.wav"], "none.wav"),
        (["face.png", "text.txt"], "text.txt"),
        (["text.txt", "speech.wav"], "text.txt"),
        (["face.png", "speech.wav", "--box", "0,65,0,9"], "box is top, bottom, left, right within the frame"),
        (["face.png", "speech.wav", "--box", "1,2,3"], "box is four numbers"),
        (["face.png", "speech.wav", *BOX, "--crop", "0,65,0,9"], "crop is top, bottom, left, right within the frame"),
        (["face.png", "speech.wav", "--rate", "0"], "rate must be between 1 and 120"),
        (["none.png", "none.wav", "-o", "talk.txt"], "a film's name must end in"),
        (["face.png", "speech.wav", *BOX, "-o", "-"], "files here"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(files, arguments, words, capsys):
    (files / "text.txt").write_text("Not a film.")
    assert lipsync(*arguments) == 2
    assert words in complaint(capsys)
    assert not list(files.glob("*.mp4"))


def test_a_film_that_is_there_is_not_replaced(files, capsys):
    (files / "talk.mp4").write_bytes(b"mine")
    assert lipsync("face.png", "speech.wav", *BOX, "-o", "talk.mp4") == 2
    assert "talk.mp4" in complaint(capsys)
    assert (files / "talk.mp4").read_bytes() == b"mine"
    assert lipsync("face.png", "speech.wav", *BOX, "-o", "talk.mp4", "--overwrite") == 0
    assert video.is_film("talk.mp4")


def test_the_verb_is_the_models():
    (verb,) = registry.verbs()["lipsync"]
    assert verb.model == "wav2lip"
    assert verb.operation.gives == "film"
