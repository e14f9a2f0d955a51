"""Films of every kind come out as upright pictures with their times."""

from __future__ import annotations

import itertools
import logging
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from film_files import COLOURS, colour_bars, numbered, numbers, pan, set_display_matrix, to_yuv, tones, write_film

from ml4a._core.errors import BadMedia
from ml4a.media import video


def test_a_film_tells_what_it_is_before_it_is_read(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", pan(24, 128, 72), rate=24, sound=tones(1)))
    assert (clip.size, clip.rate, clip.count, clip.duration, clip.has_sound) == ((128, 72), 24, 24, 1.0, True)
    assert not video.open(write_film(tmp_path / "mute.mp4", pan(3, 64, 48))).has_sound


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.ts", "a.flv", "a.mpg"])
def test_every_container_gives_the_frames_as_floats_in_order(tmp_path, name):
    codec = "mpeg2video" if name == "a.mpg" else "libx264"
    path = write_film(tmp_path / name, numbered(20), rate=25, codec=codec, options={"b": "2000000"})
    frames = list(video.open(path))
    assert numbers(frames) == list(range(20))
    assert all(frame.dtype == np.float32 and frame.shape == (48, 64, 3) for frame in frames)
    assert video.is_film(path)


def test_each_iteration_reads_the_film_anew(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(8)))
    assert numbers(clip) == numbers(clip) == list(range(8))


def test_a_film_may_be_bytes(tmp_path):
    data = write_film(tmp_path / "film.mp4", numbered(5)).read_bytes()
    assert numbers(video.open(data)) == list(range(5))


def test_the_name_does_not_matter(tmp_path):
    path = write_film(tmp_path / "film.mp4", numbered(5)).rename(tmp_path / "holiday.jpg")
    assert video.is_film(path)
    assert numbers(video.open(path)) == list(range(5))


def test_metadata_in_an_unknown_encoding_are_no_obstacle(tmp_path):
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as output:
        output.metadata["title"] = "Fete"
        track = output.add_stream("libx264", rate=10)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        output.mux(track.encode(av.VideoFrame.from_ndarray(numbered(1)[0], format="rgb24")))
        output.mux(track.encode(None))
    path.write_bytes(path.read_bytes().replace(b"Fete", b"F\xeate"))
    assert numbers(video.open(path)) == [0]


@pytest.mark.parametrize("name", ["-rf.mp4", "a b;$(rm).mp4", "夜🌒.mp4", "new\nline.mp4", "%d.mp4", "concat:x.mp4"])
def test_odd_names_are_names(tmp_path, name):
    path = write_film(tmp_path / "film.mp4", numbered(3)).rename(tmp_path / name)
    assert numbers(video.open(path)) == [0, 1, 2]
    assert video.open(path).save(tmp_path / f"out-{name}").exists()


@pytest.mark.parametrize(
    ("matrix", "undo"),
    [
        ((0, 1, -1, 0), lambda upright: np.rot90(upright, 1)),  # the camera was turned; viewers turn clockwise
        ((-1, 0, 0, -1), lambda upright: np.rot90(upright, 2)),
        ((0, -1, 1, 0), lambda upright: np.rot90(upright, -1)),
        ((-1, 0, 0, 1), lambda upright: upright[:, ::-1]),
        ((0, 1, 1, 0), lambda upright: upright.swapaxes(0, 1)),
    ],
)
def test_a_turned_or_mirrored_camera_gives_upright_pictures(tmp_path, matrix, undo):
    upright = pan(1, 96, 64)[0]
    upright[:20, :40] = 255  # one corner unlike the others
    stored = np.ascontiguousarray(undo(upright))
    path = write_film(tmp_path / "film.mp4", np.stack([stored] * 3))
    set_display_matrix(path, *matrix)
    clip = video.open(path)
    assert clip.size == (96, 64)
    for frame in clip:
        assert np.abs(frame * 255 - upright).mean() < 6


def test_pixels_that_are_not_square_become_square(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", pan(3, 72, 58), aspect=Fraction(16, 11)))
    assert clip.size == (105, 58)
    assert next(iter(clip)).shape == (58, 105, 3)


@pytest.mark.parametrize(
    ("size", "tags"),
    [
        ((1280, 720), {}),  # untagged HD is BT.709
        ((1280, 720), {"colorspace": 5}),
        ((320, 240), {}),  # untagged SD is BT.601
        ((320, 240), {"colorspace": 1}),
        ((320, 240), {"colorspace": 1, "color_range": 2}),
    ],
)
def test_colours_follow_the_tags_or_else_the_size(tmp_path, size, tags):
    matrix = tags.get("colorspace", 1 if size[1] >= 720 else 5)
    full = tags.get("color_range") == 2
    bars = colour_bars(*size)
    frame = av.VideoFrame.from_ndarray(bars, format="rgb24")
    planar = to_yuv(frame, matrix="bt709" if matrix == 1 else "smpte170m", full=full)
    with av.open(str(tmp_path / "film.mp4"), "w") as output:
        track = output.add_stream("libx264", rate=10, options={"crf": "4"})
        track.width, track.height = size
        track.pix_fmt = "yuv420p"
        for name, value in tags.items():
            setattr(track.codec_context, name, value)
        output.mux(track.encode(planar))
        output.mux(track.encode(None))
    picture = next(iter(video.open(tmp_path / "film.mp4"))) * 255
    centres = picture[size[1] // 2, (np.arange(6) * 2 + 1) * size[0] // 12]
    assert np.abs(centres - COLOURS).max() < 2.1


def test_ten_bits_and_interlaced_fields_are_read(tmp_path):
    ten = write_film(tmp_path / "ten.mkv", numbered(6), pixels="yuv420p10le")
    assert numbers(video.open(ten)) == list(range(6))
    options = {"flags": "+ildct+ilme", "x264-params": "tff=1", "crf": "12"}
    woven = pan(8, 128, 96, step=6)
    fields = woven.copy()
    fields[:-1, 1::2] = woven[1:, 1::2]  # the second field is half a frame later
    clip = video.open(write_film(tmp_path / "tv.mp4", fields, options=options))
    frames = list(clip)
    assert len(frames) == 8

    def combing(frame):
        return np.abs(frame[1:-1:2] - (frame[:-2:2] + frame[2::2]) / 2).mean()

    assert combing(frames[4]) < 0.3 * combing(fields[4] / 255)


def test_variable_frame_rates_keep_their_times(tmp_path):
    times = [Fraction(n, 100) for n in (0, 4, 8, 30, 34, 90, 91, 200)]
    frames = list(video.open(write_film(tmp_path / "film.mp4", numbered(8), times=times)).frames())
    assert [frame.time for frame in frames] == times
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert [frame.duration for frame in frames][:-1] == gaps


def test_times_count_from_the_beginning_whatever_the_files_clock_shows(tmp_path):
    clip = video.open(write_film(tmp_path / "film.ts", numbered(5), rate=25))  # starts at 1.4 seconds
    assert [frame.time for frame in clip.frames()] == [Fraction(i, 25) for i in range(5)]


@pytest.mark.parametrize(("suffix", "seen"), [(".ts", [*range(6)]), (".mp4", [3, 4, 5]), (".mov", [3, 4, 5])])
def test_frames_before_time_zero_are_seen_unless_an_edit_list_cuts_them_off(tmp_path, suffix, seen):
    source = write_film(tmp_path / "film.mkv", numbered(6), options={"bf": "0"})
    path = tmp_path / f"early{suffix}"
    with av.open(str(source)) as film, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as output:
        track = output.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - 100, packet.dts - 100, track  # milliseconds
                output.mux(packet)
    assert (b"elst" in path.read_bytes()) == (suffix != ".ts")
    frames = list(video.open(path).frames())
    assert numbers(frame.array for frame in frames) == seen
    assert [round(frame.time * 30) for frame in frames] == list(range(len(seen)))


def test_names_that_are_no_utf_8_are_names(tmp_path):
    path = write_film(tmp_path / "film.mp4", numbered(3)).rename(tmp_path / os.fsdecode(b"caf\xe9.mp4"))
    assert numbers(video.open(path)) == [0, 1, 2]
    for name in (b"out\xe9.mp4", b"out\xe9.gif"):
        assert numbers(video.open(video.open(path).save(tmp_path / os.fsdecode(name)))) == [0, 1, 2]


def test_a_film_that_changes_its_size_keeps_that_of_its_beginning(tmp_path):
    path = tmp_path / "film.ts"
    with av.open(str(path), "w") as output:
        track = output.add_stream("mpeg2video", rate=25)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        start = 0
        for width, height in ((64, 48), (128, 96)):
            coder = av.CodecContext.create("mpeg2video", "w")
            coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
            coder.time_base, coder.framerate = Fraction(1, 25), Fraction(25)
            coder.options = {"flags": "low_delay"}
            packets = []
            for number in range(5):
                frame = av.VideoFrame.from_ndarray(numbered(10, width, height)[start + number], format="rgb24")
                frame.pts, frame.time_base = start + number, Fraction(1, 25)
                packets += coder.encode(frame)
            for packet in packets + coder.encode(None):
                packet.stream, packet.time_base = track, Fraction(1, 25)
                output.mux(packet)
            start += 5
    frames = list(video.open(path))
    assert {frame.shape for frame in frames} == {(48, 64, 3)}
    assert numbers(frames) == list(range(10))


def damage(path, *, first, last):
    """Overwrite the coded pictures of these frames with zeros."""
    with av.open(str(path)) as film:
        packets = [(p.pos, p.size) for p in film.demux(video=0) if p.dts is not None]
    data = bytearray(path.read_bytes())
    for position, size in packets[first : last + 1]:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)


def test_the_frame_before_stands_in_for_frames_that_cannot_be_decoded(tmp_path, caplog):
    path = write_film(tmp_path / "film.mov", numbered(20), codec="mjpeg", pixels="yuvj420p", options={"q": "2"})
    damage(path, first=7, last=9)
    clip = video.open(path)
    with caplog.at_level(logging.WARNING, "ml4a"):
        frames = list(clip.frames())
    assert numbers(frame.array for frame in frames) == [*range(7), 6, 6, 6, *range(10, 20)]
    assert clip.damaged == 3
    assert "3 damaged frames" in caplog.text
    assert [round(frame.time * 30) for frame in frames] == list(range(20))
    assert all(frame.duration > 0 for frame in frames)


def test_reading_stops_at_a_damaged_frame_if_that_is_wanted(tmp_path):
    path = write_film(tmp_path / "film.mov", numbered(20), codec="mjpeg", pixels="yuvj420p", options={"q": "2"})
    assert numbers(video.open(path, strict=True)) == list(range(20))
    damage(path, first=7, last=9)
    frames = iter(video.open(path, strict=True))
    assert numbers(next(frames) for _ in range(6)) == list(range(6))
    with pytest.raises(BadMedia, match=r"film\.mov is damaged after 0\.2\d\d s"):
        list(frames)


def test_a_film_cut_off_in_the_middle_is_read_as_far_as_it_goes(tmp_path):
    path = write_film(tmp_path / "film.mkv", pan(60, 128, 96), options={"g": "10", "crf": "12"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = list(video.open(path))
    assert 20 <= len(frames) <= 50


def test_opaque_animations_have_three_channels_and_transparent_ones_four(tmp_path):
    from PIL import Image

    clear = np.zeros((4, 24, 32, 4), np.uint8)
    for number in range(4):
        clear[number, 4:12, 4 + 5 * number : 12 + 5 * number] = (250, 60 * number, 20, 255)
    for name, pictures in (("clear", clear), ("opaque", numbered(4, 32, 24))):
        images = [Image.fromarray(picture) for picture in pictures]
        for suffix, options in ((".gif", {"disposal": 2}), (".png", {}), (".webp", {"lossless": True})):
            path = tmp_path / f"{name}{suffix}"
            images[0].save(path, save_all=True, append_images=images[1:], duration=[100, 40, 200, 300], **options)
            assert video.is_film(path)
            frames = list(video.open(path).frames())
            assert [frame.duration for frame in frames] == [Fraction(n, 100) for n in (10, 4, 20, 30)]
            for frame, picture in zip(frames, pictures, strict=True):
                assert frame.array.shape == picture.shape
                shown = picture[..., 3:] > 0 if name == "clear" else np.True_
                assert np.array_equal(np.where(shown, (frame.array * 255).round(), 0), np.where(shown, picture, 0))


def test_pictures_are_no_films(tmp_path):
    from PIL import Image

    picture = Image.fromarray(pan(1, 32, 24)[0])
    for name in ("a.png", "a.jpg", "a.webp", "a.gif", "a.avif", "a.tif"):
        picture.save(tmp_path / name)
        assert not video.is_film(tmp_path / name)
