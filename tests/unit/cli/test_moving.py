"""`flow` and `interpolate` with a network, and what they make of what they are given."""

from __future__ import annotations

import checkpoints
import numpy as np
import pytest

import ml4a
from ml4a._core.record import Record
from ml4a.cli import main
from ml4a.media import image, motion, video


@pytest.fixture(scope="module")
def photo():
    """Loaded before a test has an empty home, where it would have to be fetched anew."""
    return image.sample("chelsea")


@pytest.fixture
def work(photo, home, tmp_path, monkeypatch):
    """A folder with two pictures and a film, and FlowNet with small weights."""
    files = tmp_path / "files"
    files.mkdir()
    checkpoints.install("flownet", "flownets", checkpoints.write("flownet", "flownets", files, small=True))
    folder = tmp_path / "work"
    folder.mkdir()
    pictures = [photo.crop((left, 60, left + 96, 124)) for left in (100, 104, 108)]
    for name, picture in zip("abc", pictures, strict=True):
        picture.save(folder / f"{name}.png")
    video.from_frames(pictures, rate=5).save(folder / "clip.mp4")
    monkeypatch.chdir(folder)
    return folder


def test_flownet_shows_the_flow_with_its_record(work, capsys):
    assert main(["flow", "a.png", "b.png", "--model", "flownet", "--longest", "2", "-o", "flow.png"]) == 0
    assert capsys.readouterr().out == "flow.png\n"
    shown = image.load("flow.png")
    due = ml4a.load("flownet").show("a.png", other="b.png", longest=2.0)
    assert np.array_equal(np.asarray(shown), np.asarray(due))
    made_by = Record.from_json(image.read_record_text("flow.png") or "")
    assert (made_by.model, made_by.operation) == ("flownet", "show")
    assert main(["repeat", "flow.png", "a.png", "b.png", "-o", "again.png"]) == 0
    assert np.array_equal(np.asarray(image.load("again.png")), np.asarray(shown))


def test_flownet_writes_flows_of_pictures_and_films(work):
    assert main(["flow", "a.png", "b.png", "--model", "flownet", "--size", "40", "-o", "flow.flo"]) == 0
    net = ml4a.load("flownet")
    assert np.array_equal(motion.load("flow.flo").vectors, net.flow("a.png", other="b.png", size=40).vectors)
    assert main(["flow", "clip.mp4", "--model", "flownet", "--quiet", "-o", "flows/%d.png"]) == 0
    first = video.open("clip.mp4").frame(0)
    due = net(first, video.open("clip.mp4").frame(1)).view(longest=1)
    assert np.abs(image.to_array("flows/0.png") - due).max() < 0.01


def test_flownet_finds_the_way_between(work):
    assert main(["interpolate", "a.png", "b.png", "--frames", "3", "--model", "flownet", "-o", "frames/%d.png"]) == 0
    (due,) = motion.between("a.png", "b.png", 0.5, engine=ml4a.load("flownet"))
    assert np.abs(image.to_array("frames/1.png") - image.to_array(due)).max() <= 1.01 / 255
    (other,) = motion.between("a.png", "b.png", 0.5)
    assert np.abs(image.to_array(other) - image.to_array(due)).mean() > 0.005


def test_an_input_that_cannot_be_read_costs_no_download(work, home, capsys):
    for card in (home / "config" / "cards").iterdir():
        card.unlink()
    assert main(["flow", "a.png", "none.png", "--model", "flownet"]) == 2
    assert "none.png does not exist" in capsys.readouterr().err
    assert main(["interpolate", "a.png", "none.png", "--model", "flownet"]) == 2
    assert "none.png does not exist" in capsys.readouterr().err


def test_an_existing_folder_takes_the_frames(work):
    (work / "here.now").mkdir()
    assert main(["interpolate", "a.png", "b.png", "--frames", "2", "-o", "here.now", "--quiet"]) == 0
    assert sorted(path.name for path in (work / "here.now").iterdir()) == ["00000.png", "00001.png"]


def test_flows_are_shown_beside_what_moves(work):
    assert main(["flow", "a.png", "b.png", "--compare", "-o", "both.png"]) == 0
    left, right = np.hsplit(np.asarray(image.load("both.png")), 2)
    assert np.array_equal(left, np.asarray(image.load("a.png").convert("RGB")))
    assert not np.array_equal(left, right)
    assert main(["flow", "clip.mp4", "--compare", "-o", "both.mp4"]) == 0
    assert video.open("both.mp4").size[0] > 2 * 96


def test_slow_motion_is_shown_beside_slow_frames(work):
    assert main(["interpolate", "clip.mp4", "--slow", "3", "--compare", "-o", "both.mp4"]) == 0
    both, alone = video.open("both.mp4"), video.open("clip.mp4").slowed(3)
    assert both.size[0] > 2 * 96
    assert both.duration == pytest.approx(alone.duration, abs=0.05)


@pytest.mark.parametrize(
    "arguments", [["flow", "a.png", "b.png", "-o", "f.flo"], ["interpolate", "a.png", "b.png", "-o", "f.mp4"]]
)
def test_what_cannot_be_compared_is_refused(work, capsys, arguments):
    assert main([*arguments, "--compare"]) == 2
    assert "--compare is for" in capsys.readouterr().err
    assert not (work / arguments[-1]).exists()


def test_the_list_of_models_says_what_finds_motion(capsys):
    assert main(["models"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("flownet"))
    assert "flow, interpolate" in row
