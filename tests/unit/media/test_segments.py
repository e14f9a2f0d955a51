"""A film that is made in segments is as one that is made in one go, whatever stopped it on the way."""

from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from film_files import numbered, pan, read_sound, read_times, tones, write_film
from tiers import quick

from ml4a._core.errors import BadMedia, BadValue, OutputExists
from ml4a.media import video
from ml4a.media.video import _join, _kept, _parts, _resumable, _segments

RATE = 5
PLAIN = {"overwrite": False, "keep_partial": False}
COUNT = 48
"""Frames: two segments of four seconds, and one of less than two."""


class Negative:
    """Turns frames into their negatives, counts them, and fails at one of them."""

    def __init__(self, fails_at: int | None = None, alpha: bool = False) -> None:
        self.calls = 0
        self._fails_at = fails_at
        self._alpha = alpha

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        if self.calls == self._fails_at:
            raise RuntimeError
        self.calls += 1
        return np.dstack([1 - frame, frame[:, :, :1]]) if self._alpha else 1 - frame


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_film(path, pan(COUNT, 96, 64), rate=RATE, sound=tones(COUNT / RATE))


@pytest.fixture(autouse=True)
def careful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be too little to be kept."""
    monkeypatch.setattr(_kept, "SECONDS_AT_RISK", 0.0)


def render(source: Path | video.Clip, target: Path, function=None, **options) -> Negative:
    clip = video.open(source) if isinstance(source, Path) else source
    function = function or Negative()
    kept = _kept.Kept(target.parent / f".{target.name}", target, clip.source, 90)
    options = {**PLAIN, "record": lambda: None, **options}
    _resumable.render(_resumable.Computation(clip.source, function), target, kept, **options)
    kept.discard()
    return function


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(((a - b) ** 2).mean()))


@pytest.mark.parametrize("suffix", quick([".mp4", ".mov", ".mkv", ".webm"], 1))
def test_there_is_no_seam(film: Path, tmp_path: Path, suffix: str):
    target = tmp_path / f"out{suffix}"
    render(film, target)
    in_one_go = video.open(film).map(Negative()).save(tmp_path / f"whole{suffix}")
    assert read_times(target) == read_times(in_one_go)
    assert np.array_equal(read_sound(target), read_sound(in_one_go))
    quality = [psnr(made, 1 - frame) for made, frame in zip(video.open(target), video.open(film), strict=True)]
    borders = [quality[number] for number in (19, 20, 39, 40)]
    assert min(borders) > np.median(quality) - 3
    with av.open(str(target)) as saved:
        packets = [packet for packet in saved.demux(video=0) if packet.pts is not None]
        tick = saved.streams.video[0].time_base or Fraction(1)
        keys = {round((packet.pts or 0) * tick, 1) for packet in packets if packet.is_keyframe}
    timed = [(packet.dts, packet.pts or 0) for packet in packets if packet.dts is not None]
    assert all(decoded <= shown for decoded, shown in timed)
    assert (np.diff([decoded for decoded, _ in timed]) > 0).all()
    assert {0, 4, 8} <= keys


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_transparency_is_joined_along(film: Path, tmp_path: Path, suffix: str):
    target = tmp_path / f"out{suffix}"
    render(film, target, Negative(alpha=True))
    made = list(video.open(target))
    assert len(made) == COUNT
    for number in (0, 19, 20, 47):
        frame = video.open(film).frame(number)
        assert made[number].shape[2] == 4
        assert np.abs(made[number][:, :, 3] - frame[:, :, 0]).mean() < 0.03


@pytest.mark.slow
def test_a_film_of_one_segment_is_timed_as_its_encoder_times_it(tmp_path: Path):
    source = write_film(tmp_path / "film.mp4", pan(30, 96, 64))
    render(source, tmp_path / "ours.mp4")
    video.open(source).map(Negative()).save(tmp_path / "theirs.mp4")
    times = []
    for name in ("ours.mp4", "theirs.mp4"):
        with av.open(str(tmp_path / name)) as film:
            track = film.streams.video[0]
            facts = (track.average_rate, track.duration, track.codec_context.color_primaries, film.duration)
            times.append((facts, [(packet.pts, packet.dts, packet.duration) for packet in film.demux(track)]))
    assert times[0] == times[1]


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_run_nor_on_the_number_of_cores(film: Path, tmp_path: Path):
    cores = os.sched_getaffinity(0)
    render(film, tmp_path / "all.mp4")
    render(film, tmp_path / "again.mp4")
    try:
        os.sched_setaffinity(0, {min(cores)})
        render(film, tmp_path / "one.mp4")
    finally:
        os.sched_setaffinity(0, cores)
    made = {(tmp_path / name).read_bytes() for name in ("all.mp4", "again.mp4", "one.mp4")}
    assert len(made) == 1


@pytest.mark.parametrize("suffix", quick([".mp4", ".webm", ".gif", ".webp"], 1))
def test_what_broke_goes_on_where_it_was(film: Path, tmp_path: Path, suffix: str):
    render(film, tmp_path / f"whole{suffix}")
    target = tmp_path / f"out{suffix}"
    for breaks in (0, 7, 0, 30):
        with pytest.raises(RuntimeError):
            render(film, target, Negative(breaks))
        assert not target.exists()
    assert render(film, target).calls == COUNT - 37
    assert target.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert sorted(os.listdir(tmp_path)) == sorted([f"out{suffix}", f"whole{suffix}"])


def test_numbered_pictures_are_those_that_clip_save_writes(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4", numbered(6))
    video.open(film).map(Negative()).save(tmp_path / "theirs" / "%03d.png")
    target = tmp_path / "ours" / "%03d.png"
    with pytest.raises(RuntimeError):
        render(film, target, Negative(4))
    assert render(film, target).calls == 2
    names = sorted(os.listdir(tmp_path / "theirs"))
    assert names == sorted(os.listdir(tmp_path / "ours"))
    assert all((tmp_path / "ours" / each).read_bytes() == (tmp_path / "theirs" / each).read_bytes() for each in names)
    with pytest.raises(OutputExists, match=r"000\.png exists"):
        render(film, target)


def test_numbered_pictures_that_were_cut_short_are_written_over(tmp_path: Path):
    film, target = write_film(tmp_path / "film.mp4", numbered(6)), tmp_path / "ours" / "%03d.png"
    source = video.open(film).source
    kept = _kept.Kept(tmp_path / "ours" / ".%03d.png", target, source, 90)
    _resumable.render(_resumable.Computation(source, Negative()), target, kept, record=lambda: None, **PLAIN)
    (tmp_path / "ours" / "005.png").unlink()
    assert render(film, target).calls == 0
    assert sorted(os.listdir(target.parent)) == [f"{number:03}.png" for number in range(6)]


@pytest.mark.slow
def test_animations_are_those_that_clip_save_writes(film: Path, tmp_path: Path):
    clip = video.open(film).trim(0, 5)
    render(clip, tmp_path / "ours.gif")
    clip.map(Negative()).save(tmp_path / "theirs.gif")
    assert (tmp_path / "ours.gif").read_bytes() == (tmp_path / "theirs.gif").read_bytes()


def test_nothing_is_computed_where_the_target_exists(film: Path, tmp_path: Path):
    function = Negative()
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(OutputExists):
        render(film, tmp_path / "out.mp4", function)
    assert function.calls == 0


def test_frames_that_no_encoder_takes_are_refused_in_words(film: Path, tmp_path: Path):
    def huge(frame):
        return np.zeros((2, 40_000, 3), np.float32)

    with pytest.raises(BadValue, match=r"frames of 40000x2 px cannot be encoded as \.mp4"):
        render(film, tmp_path / "out.mp4", huge)


# -- Reading on from the middle ----------------------------------------------------------------------------------------


def _variable(folder: Path) -> Path:
    times = [Fraction(n * n % 7 + 10 * n, 100) for n in range(60)]
    return write_film(folder / "film.mp4", pan(60, 64, 48), times=times, options={"bf": "3", "g": "12"})


def _negative(folder: Path) -> Path:
    times = [Fraction(n - 5, 10) for n in range(60)]
    return write_film(folder / "film.mkv", pan(60, 64, 48), rate=10, times=times, sound=tones(6), sound_codec="flac")


def _without_times(folder: Path) -> Path:
    return write_film(folder / "film.avi", pan(60, 64, 48), rate=10, codec="mpeg4", options={"g": "15"})


def _interlaced(folder: Path) -> Path:
    options = {"flags": "+ilme+ildct", "g": "12"}
    return write_film(folder / "film.mpg", pan(60, 64, 48), rate=25, codec="mpeg2video", options=options)


def _damaged(folder: Path) -> Path:
    path = write_film(folder / "film.mkv", pan(60, 64, 48), rate=10, options={"g": "10", "bf": "0"})
    data = bytearray(path.read_bytes())
    for start in range(len(data) // 3, len(data) // 2, 300):
        data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    return path


def _animated(folder: Path) -> Path:
    return video.open(_variable(folder)).save(folder / "film.gif")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [_variable, _negative, _without_times, _interlaced, _damaged, _animated])
@pytest.mark.parametrize("edit", ["none", "cut", "slower"])
def test_frames_after_a_point_are_those_that_come_from_the_beginning(tmp_path: Path, make, edit: str):
    clip = video.open(make(tmp_path))
    clip = {"none": lambda: clip, "cut": lambda: clip.trim(0.35, 4), "slower": lambda: clip.speed(0.7)}[edit]()
    whole = list(clip.source.frames(Fraction(0), 4))
    assert (clip.damaged > 0) == (make is _damaged)
    for number in (0, 1, len(whole) // 2, len(whole) - 2):
        frame = whole[number]
        seen = _parts.thumbprint(frame.array)
        point = _parts.Point(number + 1, frame.time, frame.time + frame.duration, seen, clip.damaged, {})
        rest = list(_resumable._after(clip.source, point))
        assert [(each.time, each.duration) for each in rest] == [(e.time, e.duration) for e in whole[number + 1 :]]
        assert all(np.array_equal(a.array, b.array) for a, b in zip(rest, whole[number + 1 :], strict=True))


@pytest.mark.parametrize(("long", "due"), [(1e9, 20), (0.0, 27)])
def test_frames_that_fill_the_memory_are_kept_only_where_a_segment_takes_long(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: float, due: int
):
    monkeypatch.setattr(_kept, "_PENDING_BYTES", 1)
    monkeypatch.setattr(_kept, "_LONG", long)
    monkeypatch.setattr(_kept, "SECONDS_AT_RISK", 0.3)
    negative = Negative(27)

    def pausing(frame: np.ndarray) -> np.ndarray:
        time.sleep(0.4 if negative.calls == 26 else 0)
        return negative(frame)

    with pytest.raises(RuntimeError):
        render(film, tmp_path / "out.mp4", pausing)
    assert render(film, tmp_path / "out.mp4").calls == COUNT - due


def test_a_film_that_has_changed_is_not_gone_on_with(film: Path):
    source = video.open(film).source
    with pytest.raises(BadMedia, match="has changed since"):
        list(_resumable._after(source, _parts.Point(1, Fraction(1), Fraction(2), 12345, 0, {})))


# -- What is kept ------------------------------------------------------------------------------------------------------


def test_times_of_decoding_increase_and_are_never_late():
    randomly = np.random.default_rng(3)
    for _ in range(50):
        times = np.cumsum(randomly.integers(1, 5, 40))
        cuts = np.sort(randomly.choice(np.arange(1, 40), 3, replace=False))
        segments = [
            part[np.argsort(np.arange(len(part)) + randomly.integers(0, 3, len(part)), kind="stable")]
            for part in np.split(times, cuts)
        ]
        shown, decoded = _join.clock(segments, 2)
        assert shown == np.concatenate(segments).tolist()
        assert (np.diff(decoded) > 0).all()
        assert all(early <= late for early, late in zip(decoded, shown, strict=True))


def test_frames_at_one_tick_are_shown_one_after_the_other():
    shown, decoded = _join.clock([np.array([0, 2, 1, 5]), np.array([5, 6])], 1)
    assert shown == [0, 2, 1, 5, 6, 7]
    assert decoded == [-1, 0, 1, 2, 5, 6]


def test_at_a_constant_rate_decoding_is_as_even_as_showing():
    """Of an encoder that holds two frames back, and segments of ten frames and one."""
    one = np.array([0, 3, 2, 1, 6, 5, 4, 8, 7, 9])
    shown, decoded = _join.clock([20 * one, 20 * one + 200, np.array([400])], 20)
    assert shown[:4] == [0, 60, 40, 20]
    assert decoded == [20 * number - 40 for number in range(21)]


@contextlib.contextmanager
def stopped_at(number: int, film: Path, target: Path) -> Iterator[Path]:
    with pytest.raises(RuntimeError):
        render(film, target, Negative(number))
    yield target.parent / f".{target.name}"


@pytest.mark.parametrize("what", quick(["cut short", "pickled", "no archive", "other numbers", "missing"], 2))
def test_a_part_that_is_damaged_is_made_anew(film: Path, tmp_path: Path, what: str):
    render(film, tmp_path / "whole.mp4")
    with stopped_at(45, film, tmp_path / "out.mp4") as folder:
        part = folder / "segment-000001.zip"
        data = part.read_bytes()
        if what == "cut short":
            part.write_bytes(data[:-100])
        elif what == "no archive":
            part.write_text("a text")
        elif what == "other numbers":
            part.write_bytes(data.replace(b'"first": 20', b'"first": 21'))
        elif what == "pickled":
            _rewrite(part, "state-0.npy", _pickled(), b'"arrays": []', b'"arrays": ["x"]')
        else:
            part.unlink()
    assert render(film, tmp_path / "out.mp4").calls == COUNT - 20
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


@pytest.mark.slow
def test_packets_that_are_damaged_are_found_when_they_are_joined(film: Path, tmp_path: Path):
    render(film, tmp_path / "whole.mp4")
    with stopped_at(47, film, tmp_path / "out.mp4") as folder:
        part = folder / "segment-000000.zip"
        data = bytearray(part.read_bytes())
        data[500] ^= 255
        part.write_bytes(data)
    with pytest.raises(BadMedia, match=r"segment-000000\.zip was damaged and is removed; run again"):
        render(film, tmp_path / "out.mp4")
    render(film, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_state_comes_back_as_it_was(tmp_path: Path):
    state = {
        "picture": np.random.default_rng(0).random((4, 5, 3)),
        "mask": np.eye(3, dtype=bool),
        "names": ["ä", 3, 0.1],
    }
    point = _parts.Point(2, Fraction(1, 3), Fraction(2, 3), 7, 1, state)
    frames = [video.Frame(np.full((2, 3, 3), n, np.uint8), Fraction(n, 3), Fraction(1, 3)) for n in range(2)]
    _segments.write_frames(tmp_path, tmp_path / "frames.zip", 0, frames, point)
    part = _parts.read(tmp_path / "frames.zip")
    assert (part.first, part.shape, part.point.time, part.point.seen) == (0, (2, 3, 3), Fraction(1, 3), 7)
    assert part.point.state["names"] == ["ä", 3, 0.1]
    assert np.array_equal(part.point.state["picture"], state["picture"])
    assert part.point.state["mask"].dtype == bool
    assert [frame.array[0, 0, 0] for frame in _segments.read_frames(part)] == [0, 1]


def _pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    return file.getvalue()


def _rewrite(path: Path, name: str, content: bytes, before: bytes, after: bytes) -> None:
    """The same part with another member, of which its description tells."""
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    assert before in members["about.json"]
    members = {**members, name: content, "about.json": members["about.json"].replace(before, after)}
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in members.items():
            archive.writestr(each, data)
