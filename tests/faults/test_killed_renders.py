"""Renders that are killed, short of room, or lose their folder: nothing half is ever seen, and the next run goes on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from film_files import pan, tones, write_film

from ml4a.media import video

pytestmark = pytest.mark.xdist_group("killed renders")

FRAMES = 100
SECONDS = 10

RENDER = """
import resource, sys, time
from pathlib import Path
import cv2
import ml4a
from ml4a._core.errors import Ml4aError
from ml4a.media.video import _kept

class Echo:
    def __init__(self):
        self.last, self.calls = None, 0
    def for_film(self):
        return self
    def film_state(self):
        return {} if self.last is None else {"last": self.last}
    def set_film_state(self, state):
        self.last = state["last"]
    def __call__(self, frame):
        if self.calls == 0:
            print("begun", flush=True)
        self.calls += 1
        time.sleep(float(sys.argv[3]))
        self.last = frame if self.last is None else 0.8 * self.last + 0.2 * frame
        return self.last

cv2.setNumThreads(1)
_kept.SECONDS_AT_RISK = 0.04
if len(sys.argv) > 4:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
echo = Echo()
try:
    ml4a.apply(echo, Path(sys.argv[1]), Path(sys.argv[2]), steady=0.5)
except Ml4aError as error:
    sys.exit(str(error))
print(echo.calls)
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mov"
    return write_film(path, pan(FRAMES, 64, 48), rate=FRAMES // SECONDS, sound=tones(SECONDS), sound_codec="pcm_s16le")


@pytest.fixture(scope="module")
def whole(film: Path) -> str:
    """The SHA-256 of what comes out if nothing happens."""
    target = film.with_name("whole.mov")
    with rendering(film, target, 0) as process:
        assert process.wait(30) == 0
    assert video.open(target).count == FRAMES
    assert sorted(os.listdir(film.parent)) == ["film.mov", "whole.mov"]
    return sha256(target)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def rendering(film: Path, target: Path, pause: float, *more: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", RENDER, str(film), str(target), str(pause), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class Watch:
    """Looks at a file again and again: whatever is seen of it must be all of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._over = threading.Event()
        self.seen: set[str] = set()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.001):
            with contextlib.suppress(FileNotFoundError):
                self.seen.add(sha256(self._path))


def kill_until_it_is_done(film: Path, target: Path, kills: int, moments: random.Random) -> tuple[int, list[int]]:
    """Kill renders `kills` times, and let the last one be.

    Returns:
        How often one was killed, and how many frames each that was not had to compute.
    """
    killed, computed = 0, []
    while killed < kills or not target.exists():
        if target.exists():
            target.unlink()
        with rendering(film, target, 0.01 if killed < kills else 0) as process:
            assert process.stdout is not None
            begun = process.stdout.readline() if killed < kills else ""
            if begun:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(moments.uniform(0, 0.5))
            if killed < kills and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            output, errors = process.communicate(timeout=30)
            assert process.returncode in (0, -signal.SIGKILL), errors
            computed += [int((begun + output).split()[-1])] if process.returncode == 0 else []
    return killed, computed


def test_killed_it_goes_on_and_has_the_same_bytes(film: Path, whole: str, tmp_path: Path):
    target = tmp_path / "out.mov"
    with Watch(target) as watch:
        killed, computed = kill_until_it_is_done(film, target, 2, random.Random(5))
    assert killed == 2
    assert watch.seen == {whole} == {sha256(target)}
    assert 0 < computed[-1] < FRAMES - 10, "what was computed is not computed again"
    assert os.listdir(tmp_path) == ["out.mov"]


@pytest.mark.slow
def test_killed_at_twenty_moments_it_has_the_same_bytes(film: Path, whole: str, tmp_path: Path):
    target = tmp_path / "out.mov"
    with Watch(target) as watch:
        killed, _ = kill_until_it_is_done(film, target, 20, random.Random(6))
    assert killed == 20
    assert watch.seen == {whole} == {sha256(target)}
    assert os.listdir(tmp_path) == ["out.mov"]


@pytest.mark.slow
def test_on_a_full_disk_the_segments_stay_and_it_goes_on_when_there_is_room(film: Path, whole: str, tmp_path: Path):
    """There is room for each segment, and none for the film with its sound."""
    target = tmp_path / "out.mov"
    with rendering(film, target, 0, "1200000") as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert errors.startswith(f"cannot write {target.parent}")
    assert "out.mov: the file would be larger than this system allows" in errors
    assert not target.exists()
    with rendering(film, target, 0) as process:
        output, _ = process.communicate(timeout=30)
    assert output.split()[-1] == "0", "all segments had been kept"
    assert sha256(target) == whole


@pytest.mark.slow
def test_a_folder_that_vanishes_is_told_in_one_line(film: Path, tmp_path: Path):
    target = tmp_path / "results" / "out.mov"
    with rendering(film, target, 0.03) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        target.parent.rename(tmp_path / "elsewhere")
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert "its folder is gone" in errors
