"""Workers that are killed again and again: every picture is accounted for, and is what it would have been."""

from __future__ import annotations

import os
import random
import signal
import threading
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

import ml4a
from ml4a import video


def inverted(picture):
    return 1 - picture


def negative(frame):
    return 1 - frame


def hashes(folder):
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


class Killer(threading.Thread):
    """Kills one of this process's workers every now and then, so many at most."""

    def __init__(self, pause, most):
        super().__init__(daemon=True)
        self.pause, self.most, self.over, self.killed = pause, most, threading.Event(), 0

    def run(self):
        chance = random.Random(3)
        while self.killed < self.most and not self.over.wait(self.pause):
            threads = Path("/proc/self/task").iterdir()
            workers = sorted({pid for thread in threads for pid in (thread / "children").read_text().split()})
            workers = [pid for pid in workers if b"ml4a.jobs._worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            if workers:
                os.kill(int(chance.choice(workers)), signal.SIGKILL)
                self.killed += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


@pytest.mark.slow
def test_two_thousand_pictures(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(4)
    for number in range(2000):
        cv2.imwrite(str(photos / f"{number}.png"), rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    with Killer(2.5, 100) as killer:
        summary = ml4a.apply(inverted, photos, tmp_path / "disturbed", workers=2)
    assert killer.killed >= 2
    assert (len(summary.done), summary.failed) == (2000, [])
    ml4a.apply(inverted, photos, tmp_path / "undisturbed")
    assert hashes(tmp_path / "disturbed") == hashes(tmp_path / "undisturbed")
    assert sorted(os.listdir(tmp_path / "disturbed")) == sorted(os.listdir(photos))


def test_a_film_is_cut_for_workers_and_joined_without_a_seam(tmp_path):
    rng = np.random.default_rng(5)
    frames = [rng.random((32, 48, 3), dtype=np.float32) for _ in range(12)]
    film = tmp_path / "film.mp4"
    video.from_frames(lambda: (frames[number % 12] for number in range(250)), 10, count=250).save(film)
    ml4a.apply(negative, film, tmp_path / "alone.mp4")
    with Killer(1.2, 2):
        ml4a.apply(negative, film, tmp_path / "cut.mp4", workers=2)
    assert (tmp_path / "cut.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()
    made, whole = video.open(tmp_path / "cut.mp4"), video.open(film)
    assert made.count == 250
    for ours, theirs in zip(made, whole, strict=True):
        assert np.abs(ours - (1 - theirs)).mean() < 0.06
    assert sorted(os.listdir(tmp_path)) == ["alone.mp4", "cut.mp4", "film.mp4"]
