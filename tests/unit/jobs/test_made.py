"""Films that are made: feedback, and clips of which any frame can be had, go on where they were stopped."""

from __future__ import annotations

import os

import numpy as np
import pytest
from film_files import pan, write_film

from ml4a import canvas, jobs, video
from ml4a._core.errors import OutputExists
from ml4a._core.progress import Interrupted
from ml4a.jobs import read_record
from ml4a.media.video import _kept

COUNT = 60


@pytest.fixture(autouse=True)
def kept_at_once(monkeypatch):
    monkeypatch.setattr(_kept, "SECONDS_AT_RISK", 0.0)


class Stops:
    """A step that is stopped once, at one of its calls."""

    def __init__(self, at):
        self.at, self.calls = at, 0

    def __call__(self, frame):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt
        return 1 - frame


def feedback(step, seamless=False):
    start = np.random.default_rng(0).random((24, 32, 3), dtype=np.float32)
    warp = canvas.zoom(1.05) @ canvas.rotate(0.1)
    return canvas.loop(start, warp, step, seconds=COUNT / 10, rate=10, refresh=0.05, seamless=seamless)


class Drawn:
    """Frames of which any can be had."""

    def __init__(self, seed):
        self.seed, self.drawn = seed, []

    def __len__(self):
        return COUNT

    def __getitem__(self, number):
        self.drawn.append(number)
        if self.drawn.count(45) == 1 and number == 45:
            raise KeyboardInterrupt
        return np.random.default_rng([self.seed, number]).random((24, 32, 3), dtype=np.float32)


@pytest.mark.parametrize("name", ["film.mp4", "film.gif"])
@pytest.mark.parametrize("seamless", [False, True])
def test_feedback_goes_on_with_its_last_frame(seamless, name, tmp_path):
    alone, step = Stops(0), Stops(50)
    whole = jobs.render(lambda seed: feedback(alone, seamless), tmp_path / "whole" / name, {"a": 1}, seed=1)
    with pytest.raises(KeyboardInterrupt):
        jobs.render(lambda seed: feedback(step, seamless), tmp_path / name, {"a": 1}, seed=1)
    assert not (tmp_path / name).exists()
    jobs.render(lambda seed: feedback(step, seamless), tmp_path / name, {"a": 1}, seed=1)
    assert (tmp_path / name).read_bytes() == whole.read_bytes()
    assert step.calls <= alone.calls + 3
    assert sorted(os.listdir(tmp_path)) == [name, "whole"]
    saved = feedback(Stops(0), seamless).save(tmp_path / "saved" / name)
    assert saved.read_bytes() == whole.read_bytes()


def test_of_clips_of_which_any_frame_can_be_had_none_is_drawn_twice_but_the_last(tmp_path):
    seeds, drawn = [], []

    def make(seed):
        seeds.append(seed)
        drawn.append(Drawn(seed))
        drawn[-1].drawn += [45] * (len(seeds) - 1)
        return video.from_frames(drawn[-1], 10)

    with pytest.raises(KeyboardInterrupt):
        jobs.render(make, tmp_path / "film.mp4", {})
    jobs.render(make, tmp_path / "film.mp4", {})
    assert seeds[0] == seeds[1]
    assert min(drawn[1].drawn[1:]) >= 39
    whole = Drawn(seeds[0])
    whole.drawn.append(45)
    jobs.render(lambda seed: video.from_frames(whole, 10), tmp_path / "whole.mp4", {})
    assert (tmp_path / "film.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_the_film_so_far_is_shown_and_then_replaced(tmp_path):
    step = Stops(50)
    with pytest.raises(Interrupted, match=r"film\.mp4"):
        jobs.render(lambda seed: feedback(step), tmp_path / "film.mp4", {}, keep_partial=True)
    assert video.open(tmp_path / "film.mp4").count == 50
    jobs.render(lambda seed: feedback(step), tmp_path / "film.mp4", {}, keep_partial=True)
    assert video.open(tmp_path / "film.mp4").count == COUNT
    with pytest.raises(OutputExists):
        jobs.render(lambda seed: feedback(step), tmp_path / "film.mp4", {})


def test_another_film_does_not_go_on_with_it(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        jobs.render(lambda seed: feedback(Stops(50)), tmp_path / "film.mp4", {"zoom": 1.05})
    with pytest.raises(OutputExists, match=r"zoom was 1\.05, not 1\.06"):
        jobs.render(lambda seed: feedback(Stops(0)), tmp_path / "film.mp4", {"zoom": 1.06})


def test_sound_and_record_go_along(tmp_path):
    from ml4a import audio

    clip = feedback(Stops(0)).with_sound(audio.sample(3))
    jobs.render(lambda seed: clip, tmp_path / "film.mp4", {})
    assert video.open(tmp_path / "film.mp4").has_sound
    with pytest.raises(ValueError, match="no record"):
        read_record(tmp_path / "film.mp4")


def test_settings_tell_of_files_what_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(b"1")
    first = jobs.settings_of({"source": ["a.png", "b.png"], "size": (2, 3), "none": None})
    assert first["source"][0][:2] == ["a.png", 1]
    assert (first["source"][1], first["size"], first["none"]) == ("b.png", [2, 3], None)
    (tmp_path / "a.png").write_bytes(b"12")
    assert jobs.settings_of({"source": ["a.png", "b.png"]})["source"] != first["source"]


def test_what_was_shown_of_a_film_that_was_stopped_at_once_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(_kept, "SECONDS_AT_RISK", 60.0)
    target = tmp_path / "film.mp4"
    for step in (Stops(20), Stops(10)):
        with pytest.raises(Interrupted):
            jobs.render(lambda seed, step=step: feedback(step), target, {}, seed=1, keep_partial=True)
        assert 0 < len(list(video.open(target))) < COUNT
    jobs.render(lambda seed: feedback(Stops(0)), target, {}, seed=1, keep_partial=True)
    assert video.open(target).count == COUNT
    assert os.listdir(tmp_path) == ["film.mp4"]


@pytest.mark.parametrize("make", [lambda clip: clip.slowed(3), video.flows], ids=["slowed", "flows"])
def test_of_films_in_motion_nothing_is_looked_at_twice(make, tmp_path):
    film = write_film(tmp_path / "film.mp4", pan(36, 96, 64), rate=6)
    whole = make(video.open(film)).save(tmp_path / "whole.mp4")
    frames = video.open(whole).count
    assert frames is not None

    def stop(event):
        if event.done == frames - 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        jobs.render(lambda _: make(video.open(film)), tmp_path / "made.mp4", {}, seed=0, on_progress=stop)
    events = []
    jobs.render(lambda _: make(video.open(film)), tmp_path / "made.mp4", {}, seed=0, on_progress=events.append)
    assert events[0].done >= frames - 5
    assert (tmp_path / "made.mp4").read_bytes() == whole.read_bytes()
