"""`ml4a speak`, `ml4a inspect` and `ml4a repeat` of what it wrote."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import peak_memory
import pressing
import pytest
from tiers import quick

import ml4a
from ml4a._core.progress import Interrupted
from ml4a.cli import main
from ml4a.jobs import read_record, repeat
from ml4a.media import audio

pytestmark = pytest.mark.xdist_group("speech")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def due():
    return ml4a.load("speech")("Hello there. How are you?", seed=3)


def test_a_text_becomes_a_file_that_can_be_made_again(due, capsys):
    assert main(["speak", "Hello there. How are you?", "--seed", "3", "-o", "hello.wav"]) == 0
    assert capsys.readouterr().out == "hello.wav\n"
    assert np.abs(audio.load("hello.wav").samples - due.samples).max() < 1 / 32_000
    assert main(["repeat", "hello.wav"]) == 0
    assert Path("hello-repeat.wav").read_bytes() == Path("hello.wav").read_bytes()
    assert main(["inspect", "hello.wav"]) == 0
    assert "text       Hello there. How are you?" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", quick([".mp3", ".flac", ".ogg", ".opus", ".m4a"]))
def test_every_format_carries_the_record(suffix):
    assert main(["speak", "Yes.", "--seed", "3", "-o", f"yes{suffix}"]) == 0
    record = read_record(f"yes{suffix}")
    assert (record.model, record.seed, record.parameters["text"]) == ("speech", 3, "Yes.")


def test_without_a_record(monkeypatch):
    assert main(["speak", "Yes.", "--no-record", "-o", "yes.wav"]) == 0
    with pytest.raises(ml4a.errors.BadValue, match="carries no record"):
        read_record("yes.wav")


@pytest.mark.slow
def test_a_text_file_is_found_again_by_its_content(capsys):
    Path("story.txt").write_text("One paragraph.\n\nAnother.", encoding="utf-8")
    assert main(["speak", "--file", "story.txt", "--seed", "1", "-o", "story.wav"]) == 0
    Path("story.txt").rename("renamed.txt")
    assert main(["repeat", "story.wav"]) == 0
    assert Path("story-repeat.wav").read_bytes() == Path("story.wav").read_bytes()
    Path("renamed.txt").unlink()
    assert main(["repeat", "story.wav", "-o", "again.wav"]) == 2
    assert "the input 'text' (24x1" in capsys.readouterr().err
    assert not Path("again.wav").exists()


def test_standard_input_and_output_are_a_wav_that_begins_before_it_ends(due, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"Hello there. How are you?")))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=written, write=lambda text: None, flush=lambda: None))
    assert main(["speak", "-", "--seed", "3", "-o", "-"]) == 0
    heard = audio.load(written.getvalue())
    assert heard.rate == 24_000
    assert np.abs(heard.samples - due.samples).max() < 1 / 32_000


def test_standard_input_that_is_no_text_is_refused(folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO("Café".encode("latin-1"))))
    assert main(["speak", "-"]) == 2
    assert capsys.readouterr().err == "ml4a: standard input is no text in UTF-8; save it as plain text first\n"
    assert not list(folder.iterdir())


def test_what_the_text_holds_is_written_and_told_whatever_it_is(capsys):
    text = "Caf\udce9 \ud83d\nmodel      another \x1b[2J"
    assert main(["speak", text, "--seed", "3", "-o", "odd.wav"]) == 0
    assert read_record("odd.wav").parameters["text"] == text
    capsys.readouterr()
    assert main(["inspect", "odd.wav"]) == 0
    assert r"text       Caf\udce9 \ud83d\nmodel      another \x1b[2J" in capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_said(folder):
    Path("story.txt").write_text("The old man sat by the river. " * 500, encoding="utf-8")
    command = ("speak", "--file", "story.txt", "--seed", "1", "-o", "story.wav")
    status, output, errors = pressing.ctrl_c(*command, cwd=folder, when=lambda: pressing.is_written(folder, 200_000))
    assert (status, output) == (130, b"")
    assert errors == "ml4a: stopped; the best so far was written to story.wav\n"
    assert 3 < audio.load("story.wav").duration < 500
    assert read_record("story.wav").seed == 1
    assert sorted(os.listdir(folder)) == ["story.txt", "story.wav"]


def test_ctrl_c_while_it_is_made_again_keeps_what_was_said():
    assert main(["speak", "One. Two. Three.", "--seed", "3", "-o", "count.wav"]) == 0

    def stop(event):
        if (event.stage, event.done) == ("speaking", 2):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"written to count-repeat\.wav"):
        repeat("count.wav", on_progress=stop)
    whole, part = audio.load("count.wav").samples, audio.load("count-repeat.wav").samples
    assert 0.3 * len(whole) < len(part) < 0.9 * len(whole)
    assert np.array_equal(part, whole[: len(part)])


MEASURE = f"""
import sys, ml4a.cli
ml4a.cli.main(["speak", "--file", sys.argv[1], "--seed", "1", "-o", sys.argv[1] + ".mp3", "-q"])
print({peak_memory.EXPRESSION})
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_text():
    peaks = []
    for count in (40, 300):
        Path(f"{count}.txt").write_text("The old man sat by the river and looked at it. " * count, encoding="utf-8")
        command = [sys.executable, "-c", MEASURE, f"{count}.txt"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], 'say what to speak: ml4a speak "Hello there."'),
        (["Yes.", "--file", "story.txt"], "say what to speak"),
        (["--file", "nowhere.txt"], "nowhere.txt does not exist"),
        (["Yes.", "-o", "yes.png"], "must end in one of"),
        (["Yes.", "--speed", "9"], "speed must be between 0.5 and 2"),
        (["Yes.", "--voice", "hart"], "did you mean 'heart'?"),
        (["Yes.", "--device", "cuda"], "computed on the cpu"),
        (["…"], "give it words"),
        (["…", "-o", "-"], "give it words"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_written(arguments, error, folder, capsys):
    assert main(["speak", *arguments]) == 2
    printed = capsys.readouterr()
    assert error in printed.err
    assert printed.err.count("\n") == 1
    assert not list(folder.iterdir())


def test_nothing_is_overwritten_unasked(capsys):
    Path("speak.wav").write_bytes(b"mine")
    assert main(["speak", "Yes."]) == 2
    assert "speak.wav exists" in capsys.readouterr().err
    assert Path("speak.wav").read_bytes() == b"mine"
    assert main(["speak", "Yes.", "--overwrite", "--quiet"]) == 0
    assert audio.load("speak.wav").duration > 0.2
    assert capsys.readouterr().out == ""


def test_torch_is_not_needed():
    code = "import sys, ml4a.cli; ml4a.cli.main(['speak', 'Yes.', '-q']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
