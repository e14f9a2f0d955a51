"""Jobs of several files: workers, journals, what is killed and run again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256

import numpy as np
import pytest

import ml4a
from ml4a import image
from ml4a._core.errors import BadValue, Cancelled, OutputExists
from ml4a._core.progress import Cancel
from ml4a.jobs.journal import FOLDER
from ml4a.models import registry

COUNT = 6


def inverted(picture):
    return 1 - picture


def hashes(folder):
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(COUNT):
        image.save(rng.random((20, 24, 3), dtype=np.float32), folder / f"{number}.png")
    return folder


def stopped(photos, out, after=2, **options):
    """Do a job up to its third picture."""
    cancel = Cancel()

    def listen(event):
        if event.unit == "files" and event.done == after:
            cancel.cancel()

    with pytest.raises(Cancelled):
        ml4a.apply(inverted, photos, out, on_progress=listen, cancel=cancel, **options)


def test_workers_make_the_same_files(photos, tmp_path):
    (photos / "broken.png").write_bytes(b"no picture")
    for number in (None, 1, 2):
        summary = ml4a.apply(inverted, photos, tmp_path / str(number), workers=number)
        assert [path.name for path in summary.done] == [f"{n}.png" for n in range(COUNT)]
        assert [label for label, _ in summary.failed] == [str(photos / "broken.png")]
        assert "is no picture" in summary.failed[0][1]
    assert hashes(tmp_path / "None") == hashes(tmp_path / "1") == hashes(tmp_path / "2")
    assert len(hashes(tmp_path / "1")) == COUNT


@pytest.mark.slow
def test_workers_load_a_model_and_make_the_same_files(photos, tmp_path):
    style = ml4a.load("fast_style")
    for number in (1, 2):
        assert ml4a.apply(style, photos, tmp_path / str(number), style=3, workers=number).failed == []
    assert hashes(tmp_path / "1") == hashes(tmp_path / "2")
    assert ml4a.jobs.read_record(tmp_path / "2" / "0.png").model == "fast_style"
    here = style(photos / "0.png", style=3)
    assert np.abs(image.to_array(here) - image.to_array(tmp_path / "2" / "0.png")).max() <= 1.01 / 255


def test_what_is_done_is_not_done_twice(photos, tmp_path):
    out = tmp_path / "out"
    stopped(photos, out)
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert len(times) == 2
    summary = ml4a.apply(inverted, photos, out)
    assert (len(summary.done), summary.resumed) == (COUNT, 2)
    assert times.items() <= {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}.items()
    assert sorted(os.listdir(out)) == [f"{n}.png" for n in range(COUNT)]


def test_a_finished_job_is_not_begun_again(photos, tmp_path):
    ml4a.apply(inverted, photos, tmp_path / "out")
    with pytest.raises(OutputExists, match=r"0\.png exists"):
        ml4a.apply(inverted, photos, tmp_path / "out")


def test_what_failed_is_tried_again(photos, tmp_path):
    good = (photos / "3.png").read_bytes()
    (photos / "3.png").write_bytes(b"no picture")
    assert len(ml4a.apply(inverted, photos, tmp_path / "out").failed) == 1
    (photos / "3.png").write_bytes(good)
    summary = ml4a.apply(inverted, photos, tmp_path / "out")
    assert (len(summary.done), summary.resumed, summary.failed) == (COUNT, COUNT - 1, [])


def test_an_input_that_changed_and_one_that_is_new(photos, tmp_path):
    out = tmp_path / "out"
    stopped(photos, out)
    shutil.copy(photos / "5.png", photos / "0.png")
    shutil.copy(photos / "5.png", photos / "9.png")
    summary = ml4a.apply(inverted, photos, out)
    assert (len(summary.done), summary.resumed) == (COUNT + 1, 1)
    assert (out / "0.png").read_bytes() == (out / "5.png").read_bytes() == (out / "9.png").read_bytes()


def test_another_job_does_not_go_on_with_it(photos, tmp_path):
    out = tmp_path / "out"
    stopped(photos, out)
    with pytest.raises(OutputExists, match="a job that was stopped and had other settings"):
        ml4a.apply(inverted, photos, out, steady=0.5)
    assert ml4a.apply(inverted, photos, out, steady=0.5, overwrite=True).resumed == 0


def test_a_file_of_somebody_else_is_never_replaced(photos, tmp_path):
    out = tmp_path / "out"
    stopped(photos, out)
    (photos / "new.png").write_bytes((photos / "0.png").read_bytes())
    (out / "new.png").write_bytes(b"mine")
    with pytest.raises(OutputExists, match=r"new\.png exists"):
        ml4a.apply(inverted, photos, out)
    assert (out / "new.png").read_bytes() == b"mine"


def test_one_seed_for_the_whole_job_however_often_it_is_stopped(photos, tmp_path):
    drawn = []

    class Seen:
        operation = registry.model_class("deepdream").operations()["__call__"]

        def __call__(self, picture, **given):
            drawn.append(given["seed"])
            if len(drawn) == 2:
                raise KeyboardInterrupt
            return picture

    for _ in range(2):
        try:
            ml4a.apply(Seen(), photos, tmp_path / "out", iterations=1)
        except KeyboardInterrupt:
            continue
    assert len(drawn) == COUNT + 1
    assert len(set(drawn)) == 1


def test_a_poison_file_stops_its_worker_and_not_the_rest(photos, tmp_path):
    def poisoned(picture):
        if picture[0, 0, 0] == poison:
            os._exit(3)
        return 1 - picture

    poison = image.to_array(photos / "2.png")[0, 0, 0]
    summary = ml4a.apply(poisoned, photos, tmp_path / "out", workers=2)
    assert [path.name for path in summary.done] == ["0.png", "1.png", "3.png", "4.png", "5.png"]
    assert summary.failed == [(str(photos / "2.png"), "its worker died (exit status 3) 3 times")]


def test_of_one_file_the_error_is_raised_as_it_is(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(BadValue, match="is no picture"):
        ml4a.apply(inverted, tmp_path / "broken.png", tmp_path / "out.png", workers=1)
    assert os.listdir(tmp_path) == ["broken.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be a whole number from 1 up"),
        ({"engine": "dask"}, "engine must be local or ray"),
        ({"address": "auto"}, "for the engine ray"),
        ({"worker_memory": "3G"}, "say how many"),
        ({"workers": 1, "worker_memory": "much"}, "memory must look like"),
    ],
)
def test_workers_that_there_are_not(options, message, photos, tmp_path):
    with pytest.raises(BadValue, match=message):
        ml4a.apply(inverted, photos, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


_SLOWLY = """
import sys, time, ml4a

def slowly(picture):
    time.sleep(0.02)
    return 1 - picture

ml4a.apply(slowly, sys.argv[1], sys.argv[2], workers=int(sys.argv[3]) or None)
"""


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_anywhere_and_run_again(workers, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    rng = np.random.default_rng(2)
    for number in range(40):
        image.save(rng.random((6, 8, 3), dtype=np.float32), photos / f"{number}.png")
    command = [sys.executable, "-c", _SLOWLY, str(photos), str(out), str(workers)]
    seen: dict[str, int] = {}
    for delay in (0.05, 0.3, None):
        with subprocess.Popen(command) as process:
            while delay is not None and process.poll() is None and len(list(out.glob("*.png"))) <= len(seen):
                time.sleep(0.01)
            if delay is not None:
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
        for path in out.glob("*.png"):
            assert np.allclose(inverted(image.to_array(photos / path.name)), image.to_array(path), atol=1e-6)
            assert seen.setdefault(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert sorted(os.listdir(out)) == sorted(f"{number}.png" for number in range(40))
    assert not (out / FOLDER).exists()
