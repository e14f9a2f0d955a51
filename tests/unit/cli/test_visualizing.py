"""`ml4a visualize`."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import ml4a
from ml4a._core import progress
from ml4a._core.record import Record
from ml4a.cli import main
from ml4a.media import image
from ml4a.models import registry

QUICK = ["--size", "16", "--iterations", "1", "--seed", "1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def model():
    return ml4a.load("torch_dreams")


def record(path: str) -> Record:
    return Record.from_json(image.read_record_text(path) or "")


def test_without_a_layer_it_lists_them(model, capsys):
    assert main(["visualize"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [[name, str(channels)] for name, channels in model.layers().items()]
    assert ["blocks.10", "112"] in lines


def test_a_layer_gives_a_sheet_of_its_first_channels_and_says_how_many_there_are(model, capsys):
    assert main(["visualize", "blocks.4", *QUICK, "-o", "sheet.png"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "sheet.png\n"
    assert "channels 0 to 15 of 40; --all shows all" in printed.err
    due = model.sheet(layer="blocks.4", size=16, iterations=1, seed=1)
    assert np.array_equal(np.asarray(image.load("sheet.png")), np.asarray(due))
    assert record("sheet.png").operation == "sheet"


def test_several_channels_are_a_sheet_and_one_is_a_picture(model, capsys):
    assert main(["visualize", "blocks.4", "--channel", "3,7", "--columns", "1", *QUICK, "-o", "two.png"]) == 0
    due = model.sheet(layer="blocks.4", channel=(3, 7), columns=1, size=16, iterations=1, seed=1)
    assert np.array_equal(np.asarray(image.load("two.png")), np.asarray(due))
    assert main(["visualize", "blocks.4", "--channel", "7", *QUICK, "-o", "one.png"]) == 0
    assert image.load("one.png").size == (16, 16)
    assert record("one.png").parameters["channel"] == (7,)
    assert "channels 0 to" not in capsys.readouterr().err
    assert main(["repeat", "one.png", "-o", "again.png"]) == 0
    assert np.array_equal(np.asarray(image.load("again.png")), np.asarray(image.load("one.png")))


def test_all_channels(capsys):
    assert main(["visualize", "blocks.1", "--all", "--columns", "24", *QUICK, "-o", "all.png"]) == 0
    assert image.load("all.png").width == 8 + 24 * 24
    assert "--all" not in capsys.readouterr().err


def test_a_layer_of_few_channels_has_no_more_to_tell_of(capsys):
    assert main(["visualize", "blocks.0", *QUICK]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("visualize.png\n", "")


def test_it_can_begin_with_a_picture():
    image.save(image.resize(image.sample("coffee"), (24, 16)), "photo.png")
    assert main(["visualize", "blocks.4", "--channel", "3", "--picture", "photo.png", *QUICK, "--quiet"]) == 0
    result = image.load("photo-visualize.png")
    assert result.size == (24, 16)
    assert np.abs(image.to_array(result) - image.to_array("photo.png")).mean() < 0.1
    assert record("photo-visualize.png").inputs[0].role == "picture"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["block.4"], "there is no layer named 'block.4'; did you mean 'blocks.4'?"),
        (["blocks.4", "--channel", "40"], "layer blocks.4 has channels 0 to 39, not 40"),
        (["blocks.4", "--channel", "x"], "channel must be a whole number, not 'x'"),
        (["blocks.4", "--channel", "1,2", "--all"], "every means all channels"),
        (["blocks.4", "--size", "5"], "size must be between 16 and 1024"),
        (["blocks.4", "--weights", "resnet"], "no weights of torch_dreams named 'resnet'"),
        (["blocks.4", "-o", "there.png"], "there.png exists"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_cannot_be_done_is_one_line(arguments, words, capsys, folder):
    image.save(image.resize(image.sample("coffee"), (24, 16)), "there.png")
    assert main(["visualize", *arguments]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["there.png"]


def test_ctrl_c_writes_the_sheet_so_far(monkeypatch, capsys):
    report = progress.report

    def interrupted(stage, done, *rest):
        if done >= 6 and rest[1] == "channels":
            raise KeyboardInterrupt
        report(stage, done, *rest)

    monkeypatch.setattr(progress, "report", interrupted)
    assert main(["visualize", "blocks.4", "--columns", "16", *QUICK, "-o", "part.png"]) == 130
    assert "the best so far was written to part.png" in capsys.readouterr().err
    assert image.load("part.png").width == 8 + 8 * 24


def test_help_names_what_there_is_without_torch():
    code = "import sys; from ml4a.cli import main; main(['visualize', '--help']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: ml4a visualize [LAYER]")
    own = registry.model_class("torch_dreams").operations()["sheet"].parameters.keys() - {"layer", "every"}
    for name in ("all", "weights", "output", *own):
        assert f"--{name.replace('_', '-')}" in done.stdout
    assert "ml4a visualize blocks.10" in done.stdout.partition("Examples")[2]
