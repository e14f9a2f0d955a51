"""`ml4a dataset build`: every flag does what the function's parameter does."""

from __future__ import annotations

import inspect
import json
import os
import re
from pathlib import Path

import cyclopts
import numpy as np
import pytest
from film_files import numbered, write_film
from picture_files import scene
from PIL import Image

from ml4a import dataset
from ml4a._core.errors import Ml4aError, OutputExists
from ml4a.cli import dataset as command
from ml4a.cli import main

NOT_FLAGS = {"source", "target", "on_progress", "cancel"}
SPELLED_OTHERWISE = {"actions": "action", "layout": "pairs", "augmentation": "per_picture", "selection": "min_size"}


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """The current folder has `photos` with three pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(scene(40, 30, seed=number)).save(folder / f"{'abc'[number]}.png")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Nothing here is about machines that lose their power: let files go to the disk when they like."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def build(*arguments: str) -> None:
    """The command alone: of the whole command line, building takes a while."""
    app = cyclopts.App(result_action="return_value")
    command.register(app)
    app(["dataset", "build", *arguments, "--seed", "1"], exit_on_error=False, print_error=False)


def files(folder: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_pairs_and_what_is_said(photos, capsys):
    (photos / "d.png").write_text("no picture")
    actions = ["--action", "quantize,canny", "--action", "posterize"]
    assert main(["dataset", "build", "photos", "out", "--size", "16x12", *actions, "--pairs", "--seed", "1"]) == 0
    said = capsys.readouterr()
    assert said.out == "out\n"
    assert "d.png is" in said.err
    assert "pictures made: 3 of 3 inputs; inputs left out: 1; seed: 1" in said.err
    assert files("out") == [f"train_{side}/f0000{number}_{'abc'[number]}.png" for side in "AB" for number in range(3)]
    with Image.open("out/train_A/f00000_a.png") as picture:
        assert picture.size == (16, 12)
        assert set(np.unique(np.asarray(picture))) <= {0, 255}
    told = json.loads(Path("out-report/report.json").read_text())["settings"]
    assert told["actions"] == ["quantize", "canny", "posterize"]


def test_errors(photos, capsys):
    for arguments, words in (
        (["photos", "out", "--action", "sketches"], "no action named 'sketches'; did you mean 'sketch'?"),
        (["photos", "out", "--size", "large"], "size must be a side, or WIDTHxHEIGHT"),
        (["nowhere", "out"], "nowhere does not exist"),
        (["photos", "out", "--pairs", "--combined"], "--pairs"),
        (["photos", "out", "--min-size", "99"], "none of 3 inputs"),
        (["photos", "out.zip", "--container", "zip", "--size", "20"], "power of two"),
        (["photos", "photos"], "in the input itself"),
    ):
        with pytest.raises(Ml4aError, match=re.escape(words)) as raised:
            build(*arguments)
        assert "\n" not in str(raised.value)
    assert not capsys.readouterr().out
    assert files(".") == [f"photos/{name}.png" for name in "abc"]


def test_every_parameter_is_a_flag_with_the_same_default():
    flags = inspect.signature(command.build).parameters
    ours = inspect.signature(dataset.build).parameters
    for name, parameter in ours.items():
        if name in NOT_FLAGS:
            continue
        flag = flags[SPELLED_OTHERWISE.get(name, name)]
        if name not in SPELLED_OTHERWISE:
            assert flag.default == parameter.default, name
    for grouped in (dataset.Augmentation(), dataset.Selection()):
        for name in grouped.__dataclass_fields__:
            assert flags[name].default == getattr(grouped, name), name


@pytest.mark.parametrize(
    ("flags", "due"),
    [
        (
            "--combined --format jpg --quality 50 --size 20 --max-count 2 --shuffle --captions",
            {"layout": "combined", "format": "jpg", "quality": 50, "size": [20, 20], "max_count": 2, "shuffle": True,
             "captions": True},
        ),
        (
            "--per-picture 2 --crop 0.5 --crop-vary 0.2 --rotate 5 --stretch 0.1 --centered",
            {"augmentation": {"per_picture": 2, "crop": 0.5, "crop_vary": 0.2, "rotate": 5.0, "stretch": 0.1,
                              "centered": True}},
        ),
        (
            "--min-size 8 --max-size 99 --min-sharpness 1 --duplicates 0",
            {"selection": {"min_size": 8, "max_size": 99, "min_sharpness": 1.0, "duplicates": 0}},
        ),
        (
            "--test-share 0.5 --split regular --container webdataset --shard-size 7",
            {"test_share": 0.5, "split": "regular", "container": "webdataset", "shard_size": 7},
        ),
    ],
)  # fmt: skip
def test_flags_arrive(photos, flags, due):
    """As the build itself tells in its report; what each does is shown where it is built."""
    build("photos", "out", "--quiet", *flags.split())
    told = json.loads(Path("out-report/report.json").read_text())["settings"]
    assert {name: told[name] for name in due} == due


def test_classes_no_report_and_overwriting(photos, capsys):
    (photos / "class").mkdir()
    for name in "abc":
        (photos / f"{name}.png").rename(photos / "class" / f"{name}.png")
    build("photos", "out", "--labels", "--no-report", "--quiet")
    assert files("out") == ["dataset.json", *(f"f0000{number}_{'abc'[number]}.png" for number in range(3))]
    assert not Path("out-report").exists()
    assert capsys.readouterr().out == ""
    with pytest.raises(OutputExists, match="--overwrite"):
        build("photos", "out", "--labels", "--no-report")
    build("photos", "out", "--labels", "--no-report", "--overwrite")


def test_a_film(photos):
    write_film(Path("film.mp4"), numbered(16, 48, 32), rate=8)
    build("film.mp4", "out", "--every", "0.5", "--size", "16", "--no-report")
    assert files("out") == [f"f0000{number}_frame{number * 4:06d}.png" for number in range(4)]


def test_a_test_part_that_is_empty_by_chance(photos, capsys):
    build("photos", "out", "--test-share", "0.01")
    said = capsys.readouterr().err
    assert "3 of 3 inputs (3 to train)" in said
    assert "none is for testing" in said


def test_sizes_as_people_write_them():
    assert command.read_size("512") == (512, 512)
    assert command.read_size("640x360") == command.read_size("640,360") == command.read_size("640 X 360") == (640, 360)
