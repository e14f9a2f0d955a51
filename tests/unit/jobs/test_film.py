"""A film that was stopped goes on where it was, with all that its model remembered; and it may be cut for workers."""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from film_files import RECORD, pan, read_sound, read_times, tones, write_film
from tiers import quick

from ml4a._core import progress
from ml4a._core.errors import BadMedia, Cancelled, OutputExists
from ml4a._core.progress import Cancel, Interrupted
from ml4a._core.record import Input
from ml4a.cli.compare import Compared
from ml4a.cli.masking import Masker
from ml4a.jobs import film, read_record
from ml4a.jobs.memory import Memory
from ml4a.media import face, motion, video
from ml4a.media.video import Frame, _kept, _parts, _segments
from ml4a.models import _face_film, registry
from ml4a.synthesis import film as synthesis_film

RATE = 5
COUNT = 50
"""Frames: two segments of four seconds, and one of two."""


class Echo:
    """Remembers what it made; it may fail, or be stopped, at one of its frames."""

    def __init__(self, at: int | None = None, happens: Any = None, tells: bool = True) -> None:
        self.calls = 0
        self.last: np.ndarray | None = None
        self.keeps_partial_films = True
        self._at, self._happens = at, happens
        self._tells = tells

    def for_film(self) -> Echo:
        return self

    def film_state(self) -> dict[str, Any] | None:
        known = {} if self.last is None else {"last": self.last}
        return known if self._tells else None

    def set_film_state(self, state: dict[str, Any]) -> None:
        self.last = state["last"]

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        result = frame if self.last is None else 0.8 * self.last + 0.2 * frame
        if self.calls == self._at:
            result = self._happens() or result / 2
        self.calls += 1
        self.last = result
        return result


class Named(Echo):
    """One with a record."""

    last_record = replace(RECORD, inputs=(Input("picture", "pixels", "1" * 64, "64x48"),))


def fail() -> None:
    raise RuntimeError


def stop() -> None:
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def careful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be too little to be kept."""
    monkeypatch.setattr(_kept, "SECONDS_AT_RISK", 0.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_film(path, pan(COUNT, 64, 48), rate=RATE, sound=tones(COUNT / RATE))


def render(model: Any, path: Path, target: Path, **options: Any) -> Any:
    folder = target.parent / f".{target.name}"
    film.render(model, video.open(path), target, folder=folder, **{"file": path, **options})
    return model


def same(a: Path, b: Path) -> bool:
    return a.read_bytes() == b.read_bytes()


@pytest.fixture(scope="module")
def whole(path: Path) -> Path:
    """What comes out if nothing happens."""
    target = path.with_name("whole.mp4")
    render(Echo(), path, target, steady=0.5)
    return target


@pytest.mark.parametrize("at", quick([33, 20, 1], 1))
def test_a_model_that_remembers_and_steadiness_go_on(path: Path, whole: Path, tmp_path: Path, at: int):
    with pytest.raises(RuntimeError):
        render(Echo(at, fail), path, tmp_path / "out.mp4", steady=0.5)
    assert not (tmp_path / "out.mp4").exists()
    again = render(Echo(), path, tmp_path / "out.mp4", steady=0.5)
    assert again.calls == COUNT - at
    assert same(tmp_path / "out.mp4", whole)


def test_what_it_shows_by_ctrl_c_is_a_film_and_then_the_rest_is_made(path: Path, whole: Path, tmp_path: Path):
    target = tmp_path / "out.mp4"
    with pytest.raises(Interrupted, match=r"out\.mp4"):
        render(Echo(33, stop), path, target, steady=0.5)
    assert len(list(video.open(target))) == 33
    assert read_sound(target).shape[1] / 48_000 == pytest.approx(33 / RATE, abs=0.05)
    again = render(Echo(), path, target, steady=0.5, overwrite=True)
    assert again.calls == COUNT - 33
    assert same(target, whole)


@pytest.mark.parametrize(("at", "suffix"), quick([(40, ".mp4"), (33, ".mp4"), (3, ".gif")], 1, rows=True))
def test_a_frame_that_was_cut_short_is_shown_but_made_anew(path: Path, tmp_path: Path, at: int, suffix: str):
    target = tmp_path / f"out{suffix}"
    with pytest.raises(Interrupted):
        render(Echo(at, progress.interrupted), path, target)
    assert len(list(video.open(target))) == at + 1
    again = render(Echo(), path, target, overwrite=True)
    assert again.calls == COUNT - at
    render(Echo(), path, tmp_path / f"whole{suffix}")
    assert same(target, tmp_path / f"whole{suffix}")


@pytest.mark.slow
def test_of_other_models_ctrl_c_leaves_no_film_but_what_is_done(path: Path, whole: Path, tmp_path: Path):
    model = Echo(33, stop)
    model.keeps_partial_films = False
    with pytest.raises(KeyboardInterrupt) as raised:
        render(model, path, tmp_path / "out.mp4", steady=0.5)
    assert raised.type is KeyboardInterrupt
    assert os.listdir(tmp_path) == [".out.mp4"]
    assert render(Echo(), path, tmp_path / "out.mp4", steady=0.5).calls == COUNT - 33
    assert same(tmp_path / "out.mp4", whole)


def test_a_switch_stops_it_like_ctrl_c(path: Path, tmp_path: Path):
    switch = Cancel()
    with progress.listening(None, switch), pytest.raises(Cancelled):
        render(Echo(7, switch.cancel), path, tmp_path / "out.mp4")
    assert len(list(video.open(tmp_path / "out.mp4"))) == 8


def test_what_took_no_time_is_not_kept(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_kept, "SECONDS_AT_RISK", 60.0)
    with pytest.raises(RuntimeError):
        render(Echo(3, fail), path, tmp_path / "out.mp4")
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_a_model_that_cannot_tell_what_it_remembers_begins_anew(path: Path, tmp_path: Path):
    with pytest.raises(RuntimeError):
        render(Echo(30, fail, tells=False), path, tmp_path / "out.mp4")
    assert render(Echo(tells=False), path, tmp_path / "out.mp4").calls == COUNT
    render(Echo(), path, tmp_path / "whole.mp4")
    assert same(tmp_path / "out.mp4", tmp_path / "whole.mp4")


def test_the_record_is_that_of_the_first_frame(path: Path, tmp_path: Path):
    with pytest.raises(RuntimeError):
        render(Named(30, fail), path, tmp_path / "out.mp4", steady=0.25)
    render(Named(), path, tmp_path / "out.mp4", steady=0.25)
    record = read_record(tmp_path / "out.mp4")
    assert (record.model, record.steady) == ("toy", 0.25)
    assert (record.inputs[0].kind, record.inputs[0].sha256) == ("file", hashlib.sha256(path.read_bytes()).hexdigest())


def test_what_other_weights_began_is_not_gone_on_with(path: Path, tmp_path: Path):
    with pytest.raises(RuntimeError):
        render(Named(30, fail), path, tmp_path / "out.mp4")
    other = Named()
    other.last_record = replace(other.last_record, digests={"network": "0" * 64})
    with pytest.raises(OutputExists, match="other weights, parameters or versions"):
        render(other, path, tmp_path / "out.mp4")


@pytest.mark.slow
def test_of_a_film_that_has_changed_nothing_is_gone_on_with(path: Path, tmp_path: Path):
    changed = tmp_path / "film.mp4"
    changed.write_bytes(path.read_bytes())
    with pytest.raises(RuntimeError):
        render(Echo(30, fail), changed, tmp_path / "out.mp4")
    write_film(changed, pan(COUNT, 64, 48, seed=1), rate=RATE)
    assert render(Echo(), changed, tmp_path / "out.mp4").calls == COUNT


# -- What is remembered ------------------------------------------------------------------------------------------------


class Painted:
    """What a model by optimisation keeps of a film."""

    def __init__(self) -> None:
        self.memory = synthesis_film.Memory()

    def film_state(self) -> dict[str, Any]:
        return self.memory.film_state()

    def set_film_state(self, state: dict[str, Any]) -> None:
        self.memory.set_film_state(state)

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(frame.transpose(2, 0, 1)[None].copy())
        before = self.memory.carried(x)
        result = 1 - x if before is None else (1 - x + before.picture) / 2
        self.memory.keep(x, result)
        return result[0].permute(1, 2, 0).numpy()


class Followed(_face_film.Film):
    """Faces in places that depend on the frame; what is told of them, as an array."""

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        moving = [(20 + 200 * float(frame[:8].mean()), 40.0), (90 - 100 * float(frame[-8:].mean()), 30.0)]
        found = [
            face.Face((x - 8, y - 8, x + 8, y + 8), points=np.array([(x - 3, y), (x + 3, y)] + [(x, y)] * 3))
            for x, y in moving
        ]
        found = self.follow(found[: 1 + int(frame[0, 0, 0] * 1000) % 2], frame)
        chosen = self.choose(found, 0, (64, 48))
        return np.array([*chosen.box, *(each.box[0] for each in found)])


class Steadied(motion.Steady):
    """Frames as a function would make them flicker, held steady."""

    def __init__(self) -> None:
        super().__init__(0.7)

    def __call__(self, frame: np.ndarray) -> np.ndarray:  # type: ignore[override]
        return super().__call__(frame, (frame > frame.mean()).astype(np.float32))


class Masked:
    """Areas of a film, beside it."""

    def __init__(self) -> None:
        self.worker = Compared(Masker()).for_film()
        self.film_state, self.set_film_state = self.worker.film_state, self.worker.set_film_state

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        return self.worker(frame, method="kmeans", n=3)


@pytest.mark.parametrize("make", [Painted, Followed, Steadied, Masked])
def test_what_goes_on_from_a_file_does_as_if_it_had_never_stopped(make: Any, tmp_path: Path):
    frames = [frame.astype(np.float32) / 255 for frame in pan(8, 64, 48, step=3)]
    whole = make()
    expected = [whole(frame) for frame in frames]
    first = make()
    for frame in frames[:5]:
        first(frame)
    stored = through_a_file(tmp_path, first.film_state())
    second = make()
    second.set_film_state(stored)
    for frame, due in zip(frames[5:], expected[5:], strict=True):
        assert np.array_equal(second(frame), due)
    fresh = make()
    assert not np.array_equal(fresh(frames[5]), expected[5]), "what is remembered matters"


def test_every_model_that_remembers_can_tell_what():
    classes = [registry.model_class(name) for name in registry.names()]
    remembering = [each for each in classes if each.remembers_films()]
    assert len(remembering) > 3
    assert all(each.film_memory is not None for each in remembering)


def through_a_file(folder: Path, state: dict[str, Any]) -> dict[str, Any]:
    frame = Frame(np.zeros((2, 2, 3), np.uint8), Fraction(0), Fraction(1))
    point = _parts.Point(1, Fraction(0), Fraction(1), 0, 0, state)
    _segments.write_frames(folder, folder / "frames.zip", 0, [frame], point)
    return dict(_parts.read(folder / "frames.zip").point.state)


@pytest.mark.parametrize(
    "state",
    [
        {"steady.source": np.zeros(3)},
        {"steady.source": "a text"},
        {"model.last": 1, "steady.result": np.zeros((2, 2, 3), np.uint8)},
        {"model.tracker.next": -1},
        {"model.number": 0, "model.tracker.next": 1, "model.tracker.tracks": 1},
        {"model.number": 0, "model.tracker.next": 1, "model.tracker.tracks": 0, "model.last.box": [1, 2, 3]},
    ],
)
def test_what_nobody_can_have_remembered_is_refused(state: dict[str, Any]):
    memory = Memory(Followed(), 0.5)
    with pytest.raises(BadMedia, match="damaged"):
        memory.set(state)


# -- Segments for several workers --------------------------------------------------------------------------------------


def negative(frame: np.ndarray) -> np.ndarray:
    return 1 - frame


@pytest.mark.parametrize("suffix", quick([".mp4", ".webm"], 1))
def test_segments_from_anywhere_in_any_order_make_the_same_film(path: Path, tmp_path: Path, suffix: str):
    target, folder = tmp_path / f"out{suffix}", tmp_path / "folder"
    clip = video.open(path)
    count = film.segments(negative, clip, target)
    assert count == 3
    assert film.kept(folder, clip) == set()
    for number in (2, 0, 1):
        part = film.render_segment(negative, video.open(path), target, number, count)
        film.keep(folder, pickle.loads(pickle.dumps(part)))
    assert film.kept(folder, clip) == {0, 1, 2}
    assert not target.exists()
    film.join(clip, target, count, folder=folder, file=path)
    assert not folder.exists()
    render(negative, path, tmp_path / f"whole{suffix}")
    assert same(target, tmp_path / f"whole{suffix}")


def test_segments_may_hold_no_frame_and_the_last_one_has_all_the_rest(tmp_path: Path):
    times = [Fraction(n, 10) for n in (0, 1, 2, 100, 101, 190, 191)]
    source = write_film(tmp_path / "film.mp4", pan(7, 64, 48), times=times)
    target, folder, clip = tmp_path / "out.mp4", tmp_path / "folder", video.open(source)
    parts = [film.render_segment(negative, clip, target, number, 3) for number in range(3)]
    assert [len(part.files) for part in parts] == [1, 0, 2]
    for part in parts:
        film.keep(folder, part)
    film.join(clip, target, 3, folder=folder)
    assert read_times(target) == times


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_of_a_damaged_film_segments_are_what_they_are_in_one_go(tmp_path: Path):
    source = write_film(tmp_path / "film.mkv", pan(60, 64, 48), rate=5, options={"g": "10", "bf": "0"})
    data = bytearray(source.read_bytes())
    for start in range(len(data) // 4, len(data) * 3 // 4, 300):
        data[start : start + 40] = bytes(40)
    source.write_bytes(data)
    target, folder, clip = tmp_path / "out.mp4", tmp_path / "folder", video.open(source)
    count = film.segments(negative, clip, target)
    assert count == 3
    for number in range(count):
        film.keep(folder, film.render_segment(negative, clip, target, number, count))
    assert clip.damaged > 0
    film.join(clip, target, count, folder=folder)
    render(negative, source, tmp_path / "whole.mp4")
    assert same(target, tmp_path / "whole.mp4")


@pytest.mark.slow
def test_a_segment_that_is_missing_or_of_another_film_is_made_again(path: Path, tmp_path: Path):
    target, folder, clip = tmp_path / "out.mp4", tmp_path / "folder", video.open(path)
    for number in range(3):
        film.keep(folder, film.render_segment(negative, clip, target, number, 3))
    next(folder.glob("part-segment-000001.zip")).unlink()
    film.kept(folder, clip)  # it is another film's folder, as nobody had asked before
    assert film.kept(folder, clip) == set()
    for number in (0, 2):
        film.keep(folder, film.render_segment(negative, clip, target, number, 3))
    assert film.kept(folder, clip) == {0, 2}
    with pytest.raises(BadMedia, match=r"segment 1 of out\.mp4 is not there"):
        film.join(clip, target, 3, folder=folder)
    assert film.kept(folder, clip.trim(0, 5)) == set()


@pytest.mark.slow
def test_a_film_is_cut_only_where_that_changes_nothing(path: Path, tmp_path: Path):
    clip, target = video.open(path), tmp_path / "out.mp4"
    assert film.segments(negative, clip, target) == 3
    assert film.segments(negative, clip, target, steady=0.1) is None
    assert film.segments(Followed().follow, clip, target) == 3
    assert film.segments(Masker(), clip, target) is None
    assert film.segments(negative, clip, tmp_path / "out.gif") is None
    assert film.segments(negative, clip, tmp_path / "%05d.png") is None
    assert film.segments(negative, clip.reverse(), target) is None
    options = {"flags": "+ilme+ildct"}
    interlaced = write_film(tmp_path / "film.mpg", pan(150, 64, 48), rate=25, codec="mpeg2video", options=options)
    assert film.segments(negative, video.open(interlaced), target) is None
