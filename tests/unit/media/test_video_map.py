"""Frames are computed when they are asked for, in bounded memory, and threads end when nobody asks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import peak_memory
import pytest
from film_files import film_threads, numbered, numbers, pan, write_film

from ml4a.media import video


@pytest.fixture
def film(tmp_path):
    return write_film(tmp_path / "film.mp4", numbered(40))


def open_files():
    return sum("film.mp4" in os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _alive(fd))


def _alive(fd):
    return os.path.lexists(f"/proc/self/fd/{fd}")


def test_nothing_is_computed_before_it_is_asked_for(film):
    calls = []
    clip = video.open(film).map(lambda frame: calls.append(1) or frame)
    assert not calls
    frames = iter(clip)
    for _ in range(10):
        next(frames)
    assert len(calls) == 10
    frames.close()


def test_a_saver_that_stops_has_computed_no_more_than_its_queue(film, tmp_path):
    calls = []

    def fail_late(frame):
        calls.append(1)
        return frame if len(calls) <= 10 else frame[:-1]

    with pytest.raises(ValueError, match="one size"):
        video.open(film).map(fail_late).save(tmp_path / "out.mp4")
    assert len(calls) == 11


def test_functions_run_in_order_in_the_asking_thread_on_floats(film):
    threads = set()

    def first(frame):
        threads.add(threading.current_thread())
        assert frame.dtype == np.float32
        return frame + 1

    frame = next(iter(video.open(film).map(first).map(lambda frame: frame * 2)))
    assert frame.mean() == pytest.approx(2 * (1 + 10 / 255), abs=0.01)
    assert threads == {threading.current_thread()}


def test_every_frame_is_an_array_of_its_own(film):
    frames = list(video.open(film))
    frames[0][:] = 0
    assert numbers(frames[1:]) == list(range(1, 40))


def test_decoding_runs_ahead_no_further_than_the_queue(film, monkeypatch):
    from ml4a.media.video import _demux

    decoded = []
    original = _demux.Converter.__call__
    monkeypatch.setattr(_demux.Converter, "__call__", lambda *args: decoded.append(1) or original(*args))
    frames = iter(video.open(film).map(lambda frame: frame, queue=2))
    next(frames)
    time.sleep(0.3)
    assert 2 <= len(decoded) <= 5  # one asked for, two queued, one waiting for room, one to know how long it lasts
    frames.close()


def test_closing_the_iterator_stops_the_thread_and_closes_the_file(film):
    frames = video.open(film).frames()
    next(frames)
    assert film_threads() == 1
    assert open_files() == 1
    frames.close()
    assert film_threads() == 0
    assert open_files() == 0


def test_an_error_in_a_function_reaches_the_asker_and_stops_the_thread(film):
    def fail(frame):
        raise ZeroDivisionError("in the function")

    with pytest.raises(ZeroDivisionError, match="in the function"):
        list(video.open(film).map(fail))
    assert film_threads() == 0
    assert open_files() == 0


def test_an_error_in_the_decoding_thread_reaches_the_asker(film):
    clip = video.open(film)
    film.unlink()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        next(iter(clip))
    assert film_threads() == 0


def test_an_error_in_the_encoding_thread_reaches_the_saver(film, tmp_path):
    clip = video.open(film).map(lambda frame: np.zeros((4, 20_000, 3), np.float32))
    with pytest.raises(ValueError, match=r"frames of 20000x4 px cannot be encoded as \.webp"):
        clip.save(tmp_path / "out.webp")
    assert film_threads() == 0
    assert sorted(os.listdir(tmp_path)) == ["film.mp4"]


def test_two_iterations_of_one_clip_do_not_disturb_each_other(film):
    clip = video.open(film)
    first, second = iter(clip), iter(clip)
    assert numbers([next(first), next(first), next(second), next(first), next(second)]) == [0, 1, 0, 2, 1]
    first.close()
    second.close()


MEASURE = f"""
import sys
from ml4a.media import video

clip = video.open(sys.argv[1])
clip.map(lambda frame: 1 - frame).save(sys.argv[2])
print({peak_memory.EXPRESSION})
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_720p_film(tmp_path):
    pictures = pan(10, 1280, 720)
    peaks = []
    for seconds in (10, 24):
        # Few frames a second, so that it is done in time.
        turns = np.resize(np.arange(10), 5 * seconds)
        path = write_film(tmp_path / f"{seconds}.mp4", _Turns(pictures, turns), rate=5, options={"preset": "ultrafast"})
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, path, tmp_path / f"out{seconds}.mp4"],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] <= 1.2 * peaks[0]


class _Turns:
    """Pictures shown again and again without being copied."""

    def __init__(self, pictures, turns):
        self.pictures, self.turns = pictures, turns
        self.shape = (len(turns), *pictures.shape[1:])

    def __len__(self):
        return len(self.turns)

    def __iter__(self):
        return (self.pictures[turn] for turn in self.turns)
