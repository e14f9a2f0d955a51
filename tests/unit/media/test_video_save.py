"""What is saved shows and sounds like its source."""

from __future__ import annotations

import os
import resource
import signal
from fractions import Fraction

import av
import numpy as np
import pytest
from film_files import (
    COLOURS,
    RECORD,
    SAMPLE_RATE,
    colour_bars,
    numbered,
    numbers,
    pan,
    read_sound,
    read_times,
    set_display_matrix,
    tones,
    write_film,
)
from tiers import quick

from ml4a._core.errors import BadMedia, BadValue, Cancelled, CannotWrite, OutputExists
from ml4a._core.progress import Cancel
from ml4a._core.record import Record
from ml4a.media import video


def same_sound(heard, expected, *, shift=0):
    """Whether two recordings agree, `shift` samples apart, but for their last few packets."""
    length = min(heard.shape[1] - shift, expected.shape[1]) - 4096
    difference = heard[:, shift : shift + length] - expected[:, :length]
    return np.sqrt((difference**2).mean()) < 0.1 * np.sqrt((expected**2).mean())


@pytest.mark.slow
def test_720p_keeps_frames_duration_sound_and_picture(tmp_path):
    pictures, heard = pan(45, 1280, 720), tones(1.5)
    source = write_film(tmp_path / "film.mp4", pictures, sound=heard)
    saved = video.open(source).map(lambda frame: frame).save(tmp_path / "out.mp4")
    clip = video.open(saved)
    assert (clip.size, clip.rate, clip.count, clip.duration) == ((1280, 720), 30, 45, 1.5)
    assert read_times(saved) == read_times(source)
    assert np.array_equal(read_sound(saved), read_sound(source))  # copied, not encoded again
    for frame, picture in zip(clip, pictures, strict=True):
        assert np.abs(frame * 255 - picture).mean() < 2.5


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("codec", quick(["aac", "pcm_s16le", "libopus", "libmp3lame", "flac"], 2))
def test_every_sound_fits_every_container(tmp_path, suffix, codec):
    source = write_film(tmp_path / "film.mkv", numbered(30), sound=tones(1), sound_codec=codec)
    saved = video.open(source).save(tmp_path / f"out{suffix}")
    assert video.open(saved).has_sound
    begins = round(read_times(saved)[0] * SAMPLE_RATE) - round(read_times(source)[0] * SAMPLE_RATE)
    assert same_sound(read_sound(saved), read_sound(source), shift=begins)
    assert len(read_times(saved)) == 30


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("seconds", [0.4, 2.5])
def test_sound_may_be_shorter_or_longer_than_the_pictures(tmp_path, suffix, seconds):
    source = write_film(tmp_path / "film.mp4", numbered(30), sound=tones(seconds))
    saved = video.open(source).save(tmp_path / f"out{suffix}")
    assert read_sound(saved).shape[1] / SAMPLE_RATE == pytest.approx(seconds, abs=0.08)
    assert len(read_times(saved)) == 30


def test_sound_that_begins_before_the_pictures_still_does(tmp_path):
    times = [Fraction(1, 2) + Fraction(i, 30) for i in range(10)]
    source = write_film(tmp_path / "film.mkv", numbered(10), times=times, sound=tones(1), sound_codec="flac")
    for name in ("out.mp4", "out.mkv", "out.webm"):
        saved = video.open(source).save(tmp_path / name)
        assert [float(time) for time in read_times(saved)] == pytest.approx([float(time) for time in times], abs=0.03)
        assert same_sound(read_sound(saved), tones(1))


def test_all_sound_tracks_are_kept(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as output:
        track = output.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        tracks = [output.add_stream("aac", rate=SAMPLE_RATE) for _ in range(2)]
        for picture in numbered(5):
            output.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for number, heard in enumerate(tracks):
            frame = av.AudioFrame.from_ndarray(tones(0.5)[number : number + 1], format="fltp", layout="mono")
            frame.sample_rate = SAMPLE_RATE
            output.mux(heard.encode(frame))
        for each in (track, *tracks):
            output.mux(each.encode(None))
    with av.open(str(video.open(path).save(tmp_path / "out.mp4"))) as saved:
        assert len(saved.streams.audio) == 2


def test_no_sound_stays_no_sound(tmp_path):
    saved = video.open(write_film(tmp_path / "film.mp4", numbered(5))).save(tmp_path / "out.mp4")
    assert not video.open(saved).has_sound


def test_turned_films_are_saved_upright(tmp_path):
    upright = pan(1, 64, 96)[0]
    source = write_film(tmp_path / "film.mp4", np.stack([np.rot90(upright)] * 4))
    set_display_matrix(source, 0, 1, -1, 0)
    saved = video.open(source).save(tmp_path / "out.mp4")
    with av.open(str(saved)) as film:
        frame = next(film.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (64, 96, 0)
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - upright).mean() < 6


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".webp", ".png", ".gif"])
def test_variable_frame_rates_are_kept(tmp_path, suffix):
    times = [Fraction(n, 100) for n in (0, 4, 8, 30, 34, 90, 96, 200)]
    source = write_film(tmp_path / "film.mp4", numbered(8), times=times)
    saved = video.open(source).save(tmp_path / f"out{suffix}")
    assert [frame.time for frame in video.open(saved).frames()] == times


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif", ".webp", ".png"])
@pytest.mark.parametrize(("width", "height"), quick([(321, 241), (1, 1), (17, 2), (16, 15)], 2, rows=True))
def test_odd_sizes_are_never_stretched(tmp_path, suffix, width, height):
    pictures = np.ascontiguousarray(pan(3, 400, 300)[:, :height, :width])
    source = write_film(tmp_path / "film.mkv", pictures, codec="ffv1", pixels="bgr0", options={})
    saved = list(video.open(video.open(source).save(tmp_path / f"out{suffix}", quality=100)))
    expected = (height + height % 2, width + width % 2) if suffix == ".mp4" else (height, width)
    for frame, picture in zip(saved, pictures, strict=True):
        assert frame.shape[:2] == expected
        assert np.abs(frame[:height, :width, :3] * 255 - picture).mean() < (12 if suffix == ".gif" else 6)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 720)])
def test_flat_colours_come_back_within_two_levels(tmp_path, suffix, width, height):
    bars = colour_bars(width, height)
    source = write_film(tmp_path / "film.mkv", np.stack([bars] * 2), codec="ffv1", pixels="bgr0", options={})
    saved = video.open(source).save(tmp_path / f"out{suffix}", quality=100)
    centres = next(iter(video.open(saved)))[height // 2, (np.arange(6) * 2 + 1) * width // 12]
    assert np.abs(centres * 255 - COLOURS).max() < 2.1
    with av.open(str(saved)) as film:
        context = film.streams.video[0].codec_context
        assert context.color_range == 1
        assert context.colorspace == (1 if height == 720 else 6)


def test_a_function_may_change_the_size(tmp_path):
    source = write_film(tmp_path / "film.mp4", numbered(4), sound=tones(0.2))
    doubled = video.open(source).map(lambda frame: frame.repeat(2, axis=0).repeat(2, axis=1))
    saved = video.open(doubled.save(tmp_path / "out.mp4"))
    assert saved.size == (128, 96)
    assert saved.has_sound


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".webp", ".png"])
def test_the_record_is_in_the_file(tmp_path, suffix):
    source = write_film(tmp_path / "film.mp4", numbered(3), sound=tones(0.1))
    saved = video.open(source).save(tmp_path / f"out{suffix}", record=RECORD)
    assert Record.from_json(video.read_record_text(saved)) == RECORD
    assert numbers(video.open(saved)) == [0, 1, 2]
    assert video.read_record_text(source) is None


def test_a_record_that_is_only_known_after_the_first_frame_is_asked_for_then(tmp_path):
    seen = []
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(3))).map(lambda frame: seen.append(frame) or frame)
    saved = clip.save(tmp_path / "out.mp4", record=lambda: RECORD if seen else None)
    assert Record.from_json(video.read_record_text(saved)) == RECORD


def test_quality_decides_between_size_and_likeness(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", pan(10, 320, 240), options={"crf": "2"}))
    for suffix in (".mp4", ".webm", ".webp"):
        small, large = (clip.save(tmp_path / f"{quality}{suffix}", quality=quality) for quality in (30, 95))
        assert small.stat().st_size < 0.6 * large.stat().st_size
    for quality in (0, 101, 50.0):
        with pytest.raises(BadValue, match="quality must be a whole number between 1 and 100"):
            clip.save(tmp_path / "out.mp4", quality=quality)


@pytest.mark.parametrize("name", ["out.avi", "out.jpg", "out"])
def test_unknown_formats_are_refused_with_the_known_ones(tmp_path, name):
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(2)))
    with pytest.raises(BadValue, match=r"must end in one of \.mp4, .*\.gif"):
        clip.save(tmp_path / name)


def test_an_existing_file_is_kept_unless_overwriting_is_allowed(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(2)))
    (tmp_path / "out.mp4").write_bytes(b"old")
    calls = []
    with pytest.raises(OutputExists):
        clip.map(lambda frame: calls.append(1) or frame).save(tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    assert not calls
    assert numbers(video.open(clip.save(tmp_path / "out.mp4", overwrite=True))) == [0, 1]


def test_a_film_may_replace_its_own_source(tmp_path):
    path = write_film(tmp_path / "film.mp4", numbered(12), sound=tones(0.4))
    video.open(path).save(path, overwrite=True)
    assert numbers(video.open(path)) == list(range(12))
    assert os.listdir(tmp_path) == ["film.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".gif"])
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (20, 120, 160, 3)).astype(np.uint8)
    source = write_film(tmp_path / "film.mkv", noise, codec="ffv1", pixels="bgr0", options={})
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limit[1]))
    try:
        with pytest.raises(CannotWrite, match="larger than this system allows"):
            video.open(source).save(tmp_path / f"out{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == ["film.mkv"]


class StopAfter:
    """A function for `map` that stops the work on the nth frame."""

    def __init__(self, number, stop):
        self.number, self.stop, self.calls = number, stop, 0

    def __call__(self, frame):
        self.calls += 1
        if self.calls > self.number:
            self.stop()
        return frame


def press_ctrl_c():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_ctrl_c_leaves_nothing(tmp_path, suffix):
    source = write_film(tmp_path / "film.mp4", numbered(40), sound=tones(1.3))
    with pytest.raises(KeyboardInterrupt):
        video.open(source).map(StopAfter(12, press_ctrl_c)).save(tmp_path / f"out{suffix}")
    assert os.listdir(tmp_path) == ["film.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".gif", ".webp", ".png"])
def test_ctrl_c_keeps_the_best_so_far_if_asked_to(tmp_path, suffix):
    source = write_film(tmp_path / "film.mp4", numbered(40), sound=tones(5))
    with pytest.raises(KeyboardInterrupt):
        video.open(source).map(StopAfter(12, press_ctrl_c)).save(tmp_path / f"out{suffix}", keep_partial=True)
    kept = video.open(tmp_path / f"out{suffix}")
    assert numbers(kept) == list(range(12))
    if kept.has_sound:
        assert read_sound(tmp_path / f"out{suffix}").shape[1] / SAMPLE_RATE == pytest.approx(0.4, abs=0.1)


def test_cancelling_before_the_first_frame_keeps_nothing(tmp_path):
    cancel = Cancel()
    cancel.cancel()
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(4)))
    with pytest.raises(Cancelled):
        clip.save(tmp_path / "out.mp4", cancel=cancel, keep_partial=True)
    assert os.listdir(tmp_path) == ["film.mp4"]


def test_progress_counts_frames_and_shows_previews(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(10)))
    heard = []
    clip.save(tmp_path / "out.mp4", on_progress=heard.append)
    assert [(each.done, each.total, each.unit) for each in heard] == [(n, 10, "frames") for n in range(11)]
    assert heard[1].preview.shape == (48, 64, 3)
    assert heard[1].preview.dtype == np.float32


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (lambda frame: None, "array of floats in .0, 1., not NoneType"),
        (lambda frame: (frame * 255).astype(np.uint8), "not uint8 array"),
        (lambda frame: frame[:, :, 0], "H×W×3 or H×W×4, not 48×64"),
    ],
)
def test_a_function_that_returns_no_picture_is_told_so(tmp_path, function, complaint):
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(3)))
    with pytest.raises(BadValue, match=complaint):
        clip.map(function).save(tmp_path / "out.mp4")
    assert os.listdir(tmp_path) == ["film.mp4"]


def test_frames_of_several_sizes_are_refused(tmp_path):
    sizes = iter((48, 48, 40))
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(3))).map(lambda frame: frame[: next(sizes)])
    with pytest.raises(BadValue, match="have one size; frame 3 is"):
        clip.save(tmp_path / "out.mp4")


def test_values_outside_the_range_are_clipped_and_nan_is_black(tmp_path):
    def extremes(frame):
        frame[:24], frame[24:] = 7.5, -3
        frame[:, :32] = np.nan
        return frame

    clip = video.open(write_film(tmp_path / "film.mp4", numbered(2))).map(extremes)
    frame = next(iter(video.open(clip.save(tmp_path / "out.png"))))
    assert np.array_equal(np.unique(frame[:24, 32:]), [1])
    assert np.array_equal(np.unique(frame[24:]), [0])
    assert np.array_equal(np.unique(frame[:, :32]), [0])


def test_records_are_left_out_if_they_are_switched_off(tmp_path, monkeypatch):
    monkeypatch.setenv("ML4A_RECORD", "0")
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(2)))
    for suffix in (".mp4", ".gif"):
        assert video.read_record_text(clip.save(tmp_path / f"out{suffix}", record=RECORD)) is None


def test_a_record_larger_than_any_of_ours_is_not_read(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as output:
        output.metadata["ml4a"] = "x" * 300_000
        track = output.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        output.mux(track.encode(av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")))
        output.mux(track.encode(None))
    with pytest.raises(BadMedia, match="a record of more than 256 KiB"):
        video.read_record_text(path)


def test_the_tags_of_hdr_films_are_kept(tmp_path):
    tags = {"color_primaries": 9, "color_trc": 18}  # BT.2020, hybrid log-gamma
    source = write_film(tmp_path / "film.mkv", numbered(3), pixels="yuv420p10le", tags=tags)
    with av.open(str(video.open(source).save(tmp_path / "out.mp4"))) as saved:
        context = saved.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc) == (9, 18)
