"""Data sets that were stopped while they were built, however that was, and are gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_data_sets import SIZE, VARIED, build, contents, files, photo, write_photos

from ml4a import Cancel
from ml4a._core.errors import Cancelled, OutputExists


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Nothing here is about machines that lose their power: let files go to the disk when they like."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


@pytest.fixture
def photos(tmp_path) -> Path:
    return write_photos(tmp_path / "photos")


CALLS: list[float] = []


def counted(picture):
    CALLS.append(float(picture.mean()))
    return 1 - picture


def stopping(picture):
    CALLS.append(float(picture.mean()))
    if len(CALLS) == 4:
        raise KeyboardInterrupt
    return 1 - picture


@pytest.fixture
def calls():
    CALLS.clear()
    return CALLS


def test_ctrl_c_and_on_from_there(photos, tmp_path, calls):
    with pytest.raises(KeyboardInterrupt):
        build(photos, tmp_path / "out", actions=[stopping], seed=None, augmentation=VARIED, size=SIZE)
    assert not [name for name in files(tmp_path / "out") if not name.startswith(".ml4a-dataset/")]
    with pytest.raises(OutputExists, match="size was"):
        build(photos, tmp_path / "out", actions=[stopping], seed=None, augmentation=VARIED, size=(12, 12))
    assert len(calls) == 4
    calls.append(0)  # so that it does not stop again
    summary = build(photos, tmp_path / "out", actions=[stopping], seed=None, augmentation=VARIED, size=SIZE)
    assert summary.resumed == 1  # the second input had one copy by then
    assert len(calls) == 4 + 1 + 10
    assert len(files(tmp_path / "out")) == 12
    build(photos, tmp_path / "whole", actions=[counted], seed=summary.seed, augmentation=VARIED, size=SIZE)
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")


def test_an_input_that_has_changed_meanwhile_is_done_anew(photos, tmp_path, calls):
    with pytest.raises(KeyboardInterrupt):
        build(photos, tmp_path / "out", actions=[stopping])
    photo(9).save(photos / "a.png")
    photo(8).save(photos / "aa.png")  # all that follows has another number now
    calls.append(0)
    assert build(photos, tmp_path / "out", actions=[stopping]).resumed == 0
    build(photos, tmp_path / "whole", actions=[counted])
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")


def test_what_is_only_half_there_is_done_anew(photos, tmp_path, calls):
    with pytest.raises(KeyboardInterrupt):
        build(photos, tmp_path / "out", actions=[stopping])
    kept = tmp_path / "out" / ".ml4a-dataset" / "made"
    (kept / "0_0.png").write_bytes((kept / "0_0.png").read_bytes()[:100])
    notes = (kept / "notes.jsonl").read_bytes()
    (kept / "notes.jsonl").write_bytes(notes[:-20])
    calls.append(0)
    assert build(photos, tmp_path / "out", actions=[stopping]).resumed == 1
    build(photos, tmp_path / "whole", actions=[counted])
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")


@pytest.mark.parametrize("container", ["folder", "webdataset"])
def test_stopped_while_it_is_packed(photos, tmp_path, container):
    cancel = Cancel()

    def listen(event):
        if (event.stage, event.done) == ("packing", 3):
            cancel.cancel()

    with pytest.raises(Cancelled):
        build(photos, tmp_path / "out", container=container, on_progress=listen, cancel=cancel)
    assert build(photos, tmp_path / "out", container=container).resumed == 6
    build(photos, tmp_path / "whole", container=container)
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")


def test_cancelling_and_progress(photos, tmp_path):
    seen = []
    cancel = Cancel()

    def listen(event):
        seen.append((event.stage, event.done, event.total))
        if event.done == 3:
            cancel.cancel()

    with pytest.raises(Cancelled):
        build(photos, tmp_path / "out", on_progress=listen, cancel=cancel)
    assert seen == [("making pictures", number, 6) for number in (1, 2, 3)]
    assert build(photos, tmp_path / "out", on_progress=listen).resumed == 3
    assert seen[-1] == ("packing", 5, 6)


KILLED = """
import sys, time
from ml4a import dataset

def slow(picture):
    time.sleep(0.15)
    return 1 - picture

def tell(event):
    print(event.done, flush=True)

summary = dataset.build(sys.argv[1], sys.argv[2], actions=[slow], report=False, on_progress=tell)
print("resumed", summary.resumed, "seed", summary.seed)
"""


@pytest.mark.slow
def test_killed_and_on_from_there(photos, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(KILLED)
    command = [sys.executable, str(script), str(photos), str(tmp_path / "out")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "3":
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said[-4] == "resumed"
    assert int(said[-3]) >= 3
    build(photos, tmp_path / "whole", actions=[lambda picture: 1 - picture], seed=int(said[-1]))
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")
