"""Verbs of plug-ins that make something of a text: as if built in."""

from __future__ import annotations

import io
import os
import signal
import sys

import numpy as np
import plugin_files
import pytest
from PIL import Image
from tiers import quick

from ml4a import audio, image, jobs
from ml4a._core import devices
from ml4a._core.errors import BadValue
from ml4a.cli import main
from ml4a.models import registry
from ml4a.weights import plugins

CODE = '''
from __future__ import annotations

import os
import signal
from typing import Annotated, Any

from ml4a.plugin import Doc, Film, Kind, Model, Picture, Range, Seed, Text, interrupted, operation, reported

Sound = Annotated[Any, Kind("sound")]


class Toy(Model):
    """Paints words."""

    card = "words"

    def load(self, files):
        pass

    @operation(verb="paint-words", examples=("ml4a paint-words night",))
    def __call__(
        self,
        text: Text,
        *,
        under: Annotated[Picture | None, Doc("A picture to write on.")] = None,
        steps: Annotated[int, Range(1, 9), Doc("How many.")] = 1,
        seed: Seed = None,
    ) -> Picture:
        """Paint a text: the more letters it has, the brighter."""
        import numpy as np

        from ml4a.media import image

        made = np.full((4, 4, 3), len(text) / 10, np.float32) if under is None else image.to_array(under)
        try:
            for step in reported("painting", range(steps), steps, lambda step: made):
                if step == 2 and "PRESS" in os.environ:
                    signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            interrupted()
        return image.as_kind(made, "pil")

    @operation(verb="hum-words", examples=("ml4a hum-words night",))
    def hum(self, text: Text) -> Sound:
        """Hum a text."""
        import numpy as np

        from ml4a.media import audio

        return audio.Sound(np.zeros(100 * len(text), np.float32), 8000)

    @operation(verb="speak", examples=("ml4a speak night --model words",))
    def say(self, text: Text) -> Sound:
        """Say a text in silence."""
        return self.hum(text)

    @operation(verb="chew")
    def chew(self, face: Film) -> Picture:
        """Show a film that is chewed."""
        return face
'''


@pytest.fixture(autouse=True)
def folder(home, tmp_path, monkeypatch):
    """The current folder, where a plug-in paints words."""
    for name in ("site", "marks", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "share.txt").write_text("1")
    card = plugin_files.card(tmp_path / "share.txt", verbs=("paint-words", "hum-words", "speak", "chew"))
    plugin_files.install(tmp_path / "site", "words", CODE, card=card)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path / "work")
    caches = (plugins.installed, registry.verbs, registry.model_class, devices.say_once)
    for cached in caches:
        cached.cache_clear()
    yield tmp_path / "work"
    for cached in caches:
        cached.cache_clear()
    sys.modules.pop("toy_words", None)


def test_a_picture_of_a_text_with_a_record_that_repeats(capsys):
    assert main(["paint-words", "night", "--seed", "0"]) == 0
    assert capsys.readouterr().out == "paint-words.png\n"
    assert Image.open("paint-words.png").getpixel((0, 0)) == (128, 128, 128)
    record = jobs.read_record("paint-words.png")
    assert (record.model, record.seed, record.parameters["text"]) == ("words", 0, "night")
    assert main(["repeat", "paint-words.png"]) == 0
    with open("paint-words.png", "rb") as first, open("paint-words-repeat.png", "rb") as again:
        assert first.read() == again.read()
    assert main(["paint-words", "night", "--no-record", "-o", "plain.png", "--quiet"]) == 0
    with pytest.raises(BadValue, match="carries no record"):
        jobs.read_record("plain.png")


def test_the_text_may_come_from_a_file_or_standard_input_and_the_result_go_to_standard_output(folder, monkeypatch):
    (folder / "story.txt").write_text("day")
    assert main(["paint-words", "--file", "story.txt", "-o", "day.png"]) == 0
    assert Image.open("day.png").getpixel((0, 0)) == (77, 77, 77)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"day")))
    written = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", written)
    assert main(["paint-words", "-", "-o", "-"]) == 0
    assert Image.open(io.BytesIO(written.buffer.getvalue())).getpixel((0, 0)) == (77, 77, 77)


def test_pictures_besides_are_flags(folder):
    Image.new("RGB", (5, 4), (9, 8, 7)).save("photo.png")
    assert main(["paint-words", "night", "--under", "photo.png", "-o", "out.jpg"]) == 0
    assert image.size("out.jpg") == (5, 4)
    assert [item.role for item in jobs.read_record("out.jpg").inputs] == ["under"]


def test_a_sound_of_a_text(capsys):
    assert main(["hum-words", "night"]) == 0
    assert capsys.readouterr().out == "hum-words.wav\n"
    assert np.shape(audio.load("hum-words.wav").samples) == (500, 1)


def test_a_model_joins_a_built_in_verb_of_texts(capsys):
    assert main(["speak", "night", "--model", "words", "-o", "night.wav"]) == 0
    assert len(audio.load("night.wav").samples) == 500
    main(["speak", "--help"])
    text = capsys.readouterr().out
    assert "--voice" in text  # of ours, which stays the default
    assert "speech, tacotron2, words" in text


def test_a_verb_of_media_that_no_command_takes_says_so(capsys):
    assert main(["chew", "film.mp4"]) == 2
    assert capsys.readouterr().err == (
        "ml4a: chew of words is made of a film, which only Python can give it: ml4a.load\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    quick(
        [
            ([], "say what to paint-words: ml4a paint-words night, or ml4a paint-words --file story.txt"),
            (["night", "--file", "story.txt"], "say what to paint-words"),
            (["--file", "nowhere.txt"], "nowhere.txt does not exist"),
            (["night", "--steps", "10"], "steps must be between 1 and 9, not 10"),
            (["night", "--under", "nowhere.png"], "nowhere.png does not exist"),
            (["night", "-o", "night.xyz"], "a picture's name must end in"),
            (["night", "-o", "there.png"], "there.png exists"),
            (["night", "--preview", "there.png"], "there.png exists"),
            (["night", "--weights", "third"], "there is no weights of words named 'third'"),
        ],
        4,
        rows=True,
    ),
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(arguments, words, folder, capsys):
    (folder / "there.png").touch()
    assert main(["paint-words", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert os.listdir() == ["there.png"]


def test_ctrl_c_keeps_the_best_so_far_and_a_preview_shows_it(capsys, monkeypatch):
    monkeypatch.setenv("PRESS", "1")
    assert main(["paint-words", "night", "--steps", "9", "--preview", "so-far.png", "-o", "night.png"]) == 130
    assert capsys.readouterr().err == "ml4a: stopped; the best so far was written to night.png\n"
    assert image.size("night.png") == image.size("so-far.png") == (4, 4)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_help_has_the_flags_of_such_verbs(capsys):
    main(["paint-words", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("Usage: ml4a paint-words TEXT [OPTIONS]")
    for flag in ("--file", "--under", "--steps", "--seed", "--preview", "--weights", "--output"):
        assert flag in text
    assert "--steady" not in text
    main(["hum-words", "--help"])
    assert "--preview" not in capsys.readouterr().out
