"""Clips are cut, joined, turned round and paced frame by frame, exactly, whatever file they come from."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import peak_memory
import pytest
from film_files import numbered, numbers, pan, set_display_matrix, tones, write_film
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image, video

COUNT = 40
FORMS = {
    "a.mp4": {},
    "a.mkv": {},
    "a.ts": {},
    "a.avi": {"options": {"g": "12", "crf": "8"}},
    "a.webm": {"codec": "libvpx-vp9", "options": {"crf": "10", "b": "0", "g": "12", "deadline": "realtime"}},
    "open gop.mp4": {"options": {"x264-params": "open-gop=1:keyint=10:bframes=3", "crf": "8"}},
    "no key frames.ts": {"options": {"x264-params": "intra-refresh=1:keyint=10", "crf": "8"}},
    "a.gif": None,
    "a.webp": None,
    "a.png": None,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name, options in FORMS.items():
        if options is not None:
            write_film(folder / name, numbered(COUNT), rate=25, **options)
        else:
            video.open(folder / "a.mp4").save(folder / name)
    return folder


@pytest.fixture
def film(folder):
    return video.open(folder / "a.mp4")


def made(count=20, rate=10, size=(64, 48)):
    return video.from_frames(numbered(count, *size), rate)


def times(clip):
    return [frame.time for frame in clip.frames()]


@pytest.mark.parametrize("name", FORMS)
def test_any_frame_of_any_file_can_be_had(folder, name):
    clip = video.open(folder / name)
    wanted = [0, 1, 9, 10, 11, 23, 24, 25, 38, 39]
    assert numbers(clip.frame(index) for index in wanted) == wanted
    assert numbers([clip.at(0.7), clip.at(0.739), clip.at(Fraction(29, 25)), clip.frame(-1)]) == [17, 18, 29, 39]


@pytest.mark.parametrize("name", FORMS)
def test_trimming_and_turning_round_are_exact(folder, name):
    clip = video.open(folder / name)
    for first in (0, 7, 20, 33):
        part = clip.trim(first / 25, (first + 5) / 25)
        assert numbers(part) == list(range(first, first + 5))
        assert times(part) == pytest.approx([number / 25 for number in range(5)], abs=1e-3)
        assert (part.count, part.duration) == (5, 0.2)
    assert numbers(clip.reverse()) == list(range(COUNT))[::-1]


def test_seeking_does_not_decode_the_beginning(folder, monkeypatch):
    from ml4a.media.video import _demux

    path = write_film(folder / "long.mp4", numbered(36).repeat(5, axis=0), options={"g": "10", "crf": "20"})
    fed = []
    original = _demux.decode
    monkeypatch.setattr(_demux, "decode", lambda *args: (fed.append(1) or frame for frame in original(*args)))
    clip = video.open(path)
    fed.clear()
    assert numbers([clip.frame(172)]) == [34]
    assert len(fed) < 20


@given(start=st.integers(0, 19), length=st.integers(1, 20), inner=st.integers(0, 19))
def test_a_part_of_a_part_is_a_part(start, length, inner):
    end = min(20, start + length)
    part = made().trim(start / 10, end / 10)
    assert numbers(part) == list(range(start, end))
    if start + inner < end:
        assert numbers(part.trim(inner / 10)) == list(range(start + inner, end))
        assert numbers([part.frame(inner)]) == [start + inner]
    assert numbers(part.reverse()) == list(range(start, end))[::-1]


def test_cuts_between_frames_keep_the_time_and_leave_no_slivers():
    part = made().trim(0.53, 1.07)
    assert numbers(part) == [5, 6, 7, 8, 9, 10]
    assert [float(frame.time) for frame in part.frames()] == pytest.approx([0, 0.07, 0.17, 0.27, 0.37, 0.47])
    assert numbers(made().trim(0.57, 1.03)) == [6, 7, 8, 9]
    assert numbers(made().trim(0.57, 0.58)) == [6]


def test_a_long_frame_is_cut_in_its_middle(tmp_path):
    images = [Image.fromarray(picture) for picture in numbered(3)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[100, 4000, 50])
    part = video.open(tmp_path / "a.gif").trim(1, 3)
    assert [(frame.time, frame.duration) for frame in part.frames()] == [(0, 2)]
    assert numbers(part) == [1]
    assert [(frame.time, float(frame.duration)) for frame in video.open(tmp_path / "a.gif").reverse().frames()] == [
        (0, 0.05),
        (Fraction(1, 20), 4),
        (Fraction(405, 100), 0.1),
    ]


def test_moments_may_count_from_the_end_and_must_be_in_the_clip():
    assert numbers(made().trim(-0.3)) == [17, 18, 19]
    assert numbers(made().trim(1.5, -0.2)) == [15, 16, 17]
    for start, end in ((1, 1), (1, 0.5), (2, None), (5, 6), (-3, None)):
        with pytest.raises(BadValue, match=r"there is nothing between .* of a clip of 2\.000 s"):
            made().trim(start, end)
    for wrong in (float("nan"), "1", True, None):
        with pytest.raises(BadValue, match="start must be a finite number"):
            made().trim(wrong)


def test_frames_beyond_the_end_are_refused_or_those_of_a_loop():
    clip = made()
    for index in (20, 1000, -21):
        with pytest.raises(BadValue, match=r"nothing at|no frame"):
            clip.frame(index)
    for moment in (2, 2.5, -0.1):
        with pytest.raises(BadValue, match="nothing at"):
            clip.at(moment)
    with pytest.raises(BadValue, match=r"whole number.*clip\.at takes seconds"):
        clip.frame(1.0)
    part = clip.trim(0.5, 1.2)
    assert numbers(part.frame(index, loop=True) for index in range(-2, 9)) == [10, 11, 5, 6, 7, 8, 9, 10, 11, 5, 6]
    assert numbers([part.at(0.75, loop=True)]) == [5]


def test_a_player_has_frames_in_any_order_and_decodes_them_once_going_forwards(folder, monkeypatch):
    from ml4a.media.video import _demux

    starts = []
    original = _demux.FilmFile._read
    monkeypatch.setattr(_demux.FilmFile, "_read", lambda self, start: starts.append(start) or original(self, start))
    with video.Player(video.open(folder / "a.mp4").trim(0.4, 1.2)) as player:
        assert player.count == 20
        assert numbers(player.frame(number) for number in range(20)) == list(range(10, 30))
        assert len(starts) == 1
        assert numbers(player.frame(number) for number in (20, -1, 3, 3, 2, 19, 400)) == [10, 29, 13, 13, 12, 29, 10]
        assert numbers([player.at(0.25), player.at(0.85), player.at(0)]) == [16, 11, 10]
        player.frame(4)[:] = 0
        assert numbers([player.frame(4)]) == [14]
    with video.Player(made(4), rate=20) as player:
        assert numbers(player.frame(number) for number in range(10)) == [0, 0, 1, 1, 2, 2, 3, 3, 0, 0]


def test_every_frame_is_an_array_of_its_own():
    def darken(frame):
        frame -= 6 / 255
        return frame

    assert numbers(made(3).map(lambda frame: frame).at_rate(20).map(darken)) == [-1, -1, 0, 0, 1, 1]
    same = np.full((4, 4, 3), 22 / 255, np.float32)
    assert numbers(video.from_frames(lambda: iter([same] * 3)).map(darken)) == [1, 1, 1]


def test_clips_in_a_row_keep_their_rates_and_take_the_size_of_the_first(tmp_path):
    slow = video.open(write_film(tmp_path / "slow.mkv", numbered(4, 96, 30), rate=5))
    row = video.concat([made(3), slow, made(2)])
    assert numbers([row.frame(0)]) == [0]
    frames = list(row.frames())
    assert {frame.array.shape for frame in frames} == {(48, 64, 3)}
    starts = [0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.1, 1.2]
    assert [float(frame.time) for frame in frames] == pytest.approx(starts, abs=2e-3)
    assert [row.count, row.duration] == [9, pytest.approx(1.3)]
    fitted = frames[3].array
    assert fitted[:14].max() == fitted[-14:].max() == 0  # bars above and below
    assert numbers([fitted[16:-16]]) == [0]
    saved = video.open((made(3) + slow).save(tmp_path / "out.mp4"))
    assert times(saved) == pytest.approx(starts[:7], abs=2e-3)
    assert numbers(made(3) + made(2)) == numbers(video.concat([made(3), made(2)])) == [0, 1, 2, 0, 1]


def test_transparent_and_opaque_clips_in_a_row_are_of_one_kind():
    clear = video.from_frames(np.zeros((2, 48, 64, 4), np.float32), 10)
    assert [frame[0, 0].tolist() for frame in made(1) + clear] == [[pytest.approx(10 / 255)] * 3, [1] * 3, [1] * 3]
    assert [frame[0, 0, 3] for frame in clear + made(1)] == [0, 0, 1]


def test_a_ping_pong_and_a_loop_close():
    assert numbers(made(5).ping_pong()) == [0, 1, 2, 3, 4, 3, 2, 1]
    assert made(5).ping_pong().count == 8
    assert numbers(made(1).ping_pong()) == [0]
    assert numbers(made(3).loop(2)) == [0, 1, 2, 0, 1, 2]
    with pytest.raises(BadValue, match="times must be a whole number from 1 up"):
        made(3).loop(0)


def test_faster_is_fewer_frames_and_slower_is_longer_ones():
    fast = made().speed(2)
    assert (fast.rate, fast.count, fast.duration) == (10, 10, 1)
    assert numbers(fast) == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    slow = made().speed(0.5)
    assert (slow.rate, slow.count, slow.duration) == (5, 20, 4)
    assert numbers(slow) == list(range(20))
    assert times(slow)[:3] == [0, Fraction(1, 5), Fraction(2, 5)]
    assert numbers(slow.at_rate(10))[:6] == [0, 0, 1, 1, 2, 2]
    for factor in (0, -1, 1000, float("inf"), "2"):
        with pytest.raises(BadValue, match="factor must be"):
            made().speed(factor)


def test_a_new_frame_rate_keeps_time(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(36), rate=24))
    for rate, count in ((30, 45), (12, 18), (29.97, 45), (Fraction(25), 37)):
        paced = clip.at_rate(rate)
        found = numbers(paced)
        assert len(found) == paced.count == count
        assert paced.duration == 1.5
        middles = [float((frame.time + frame.duration / 2) * 24) for frame in paced.frames()]
        assert found == [min(35, int(middle)) for middle in middles]
    assert clip.at_rate(29.97).rate == Fraction(30_000, 1001)
    assert clip.at_rate(1).rate == 1
    with pytest.raises(BadValue, match="rate must be"):
        clip.at_rate(0)


def test_a_variable_rate_becomes_constant(tmp_path):
    uneven = [Fraction(n, 100) for n in (0, 4, 8, 30, 34, 90)]
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(6), times=uneven)).at_rate(10)
    assert numbers(clip)[:9] == [1, 2, 2, 4, 4, 4, 4, 4, 4]
    saved = video.open(clip.save(tmp_path / "out.mp4"))
    assert times(saved) == [Fraction(number, 10) for number in range(saved.count)]


def test_a_crossfade_turns_one_into_the_other():
    white, black = (video.from_frames(np.full((20, 48, 64, 3), level, np.float32), 10) for level in (1, 0))
    fade = video.crossfade(white, black, 1)
    levels = [float(frame.mean()) for frame in fade]
    assert levels == pytest.approx([1] * 10 + [0.95 - 0.1 * n for n in range(10)] + [0] * 10, abs=1e-6)
    assert (fade.count, fade.duration) == (30, 3)
    assert numbers(video.crossfade(made(5), made(5), 0.5)) == pytest.approx([0, 1, 2, 3, 4])
    for seconds in (0, 2.5, -1):
        with pytest.raises(BadValue, match=r"at most the 2\.000 s of the shorter clip"):
            video.crossfade(white, black, seconds)
    with pytest.raises(BadValue, match="seconds must be a finite number"):
        video.crossfade(white, black, "1")


def test_side_by_side_shows_each_at_the_same_time():
    pair = video.side_by_side([made(20), made(5, rate=5, size=(48, 48))], margin=4)
    assert pair.size == (2 * 64 + 3 * 4, 48 + 8)
    frames = list(pair)
    assert numbers(frame[4:52, 4:68] for frame in frames) == list(range(20))
    assert numbers(frame[8:48, 84:124] for frame in frames) == [min(4, number // 2) for number in range(20)]
    longer = video.side_by_side([made(5), made(10)], margin=0)
    assert (longer.count, longer.duration) == (10, 1)
    assert numbers(frame[:, :64] for frame in longer) == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4]
    assert numbers([longer.frame(8)[:, :64], longer.frame(8)[:, 64:]]) == [4, 8]
    assert video.side_by_side([made(2), made(2)], labels=["before", "after"]).size[1] > 48 + 16
    with pytest.raises(BadValue, match="2 clips have 2 labels, not 1"):
        video.side_by_side([made(2), made(2)], labels=["one"])


def test_a_contact_sheet_has_frames_from_beginning_to_end(film):
    sheet = image.to_array(video.contact_sheet(film, 4, 2, height=48, times=False))
    cells = [sheet[8 + 56 * row :, 8 + 72 * column :][:48, :64] for row in range(2) for column in range(4)]
    assert numbers(cells) == [2, 7, 12, 17, 22, 27, 32, 37]
    assert video.contact_sheet(film, 4, 2, height=48).height > sheet.shape[0]
    assert video.contact_sheet(made(3), 4, 3, height=48, times=False).size == (8 + 3 * 72, 8 + 56)
    with pytest.raises(BadValue, match="1 or more"):
        video.contact_sheet(film, 0)


def test_a_turned_film_that_begins_before_zero_is_cut_upright(tmp_path):
    upright = pan(20, 96, 64)
    late = [Fraction(number, 10) - Fraction(1, 2) for number in range(20)]
    path = write_film(tmp_path / "film.mkv", upright, times=late, options={"g": "6", "crf": "4"})
    turned = write_film(tmp_path / "film.mp4", np.rot90(upright, axes=(1, 2)), rate=10, options={"g": "6", "crf": "4"})
    set_display_matrix(turned, 0, 1, -1, 0)
    for film in (path, turned):
        part = video.open(film).trim(1.2, 1.5)
        assert part.size == (96, 64)
        for frame, picture in zip(part, upright[12:15], strict=True):
            assert np.abs(frame * 255 - picture).mean() < 3


def test_resizing_and_cropping(film, tmp_path):
    assert film.resize(24).size == (32, 24)
    assert next(iter(film.resize((30, 20)))).shape == (20, 30, 3)
    assert video.open(film.resize(24).save(tmp_path / "small.mp4")).size == (32, 24)
    picture = pan(1, 64, 48)[0]
    part = video.from_frames(picture[None], 10).crop(10, 5, 20, 30)
    assert part.size == (20, 30)
    assert np.array_equal((next(iter(part)) * 255).round(), picture[5:35, 10:30])
    halved = next(iter(video.from_frames([picture], 10).resize(24)))
    assert np.abs(halved - image.resize(picture / 255, (32, 24))).max() < 1.5 / 255
    with pytest.raises(BadValue, match="is not inside frames of 64x48 px"):
        next(iter(film.crop(50, 0, 20, 20)))
    with pytest.raises(BadValue, match="whole pixels"):
        film.crop(0, 0, 0, 5)
    with pytest.raises(BadValue, match="size must be"):
        film.resize(0)


def test_edits_and_functions_go_together(film):
    clip = (film.trim(0, 0.2).map(lambda frame: 1 - frame) + film.trim(0.2, 0.4)).speed(0.5).resize(24)
    assert numbers(1 - frame if number < 5 else frame for number, frame in enumerate(clip)) == list(range(10))
    calls = []
    last = film.map(lambda frame: calls.append(1) or frame).frame(30)
    assert numbers([last]) == [30]
    assert len(calls) == 1


def test_clips_are_values():
    clip = made(4)
    clip.reverse(), clip.trim(0.1), clip.with_sound(None), clip + clip
    assert numbers(clip) == [0, 1, 2, 3]
    with pytest.raises(TypeError):
        clip + 3
    for wrong in ([], [clip, "film.mp4"]):
        with pytest.raises(BadValue, match="list of one clip or more"):
            video.concat(wrong)


def test_a_clip_says_what_it_is(tmp_path):
    clip = video.open(write_film(tmp_path / "film.mp4", numbered(4), rate=25, sound=tones(0.2)))
    assert repr(clip) == "<Clip 64x48, 25 fps, 0.16 s, with sound>"
    assert repr(clip.trim(0.04).with_sound(None)) == "<Clip 64x48, 25 fps, 0.12 s>"


def test_a_notebook_shows_the_first_seconds_of_a_clip_as_a_film():
    import base64

    long = video.from_frames(lambda: iter([np.full((600, 800, 3), 0.5, np.float32)] * 12), 1, count=12)
    html = long._repr_html_()
    assert "800x600" in html
    assert "first 10 s" in html
    shown = video.open(base64.b64decode(html.split("base64,")[1].split('"')[0]))
    assert (shown.size, shown.duration) == ((640, 480), 10)
    assert "first" not in made()._repr_html_()


MEASURE = f"""
import sys
from ml4a.media import video
from ml4a.media.video import _edits

_edits._TURNED_BYTES = 16 << 20
clip = video.open(sys.argv[1])
(clip.trim(1).reverse() + clip).at_rate(5).save(sys.argv[2])
print({peak_memory.EXPRESSION})
"""


@pytest.mark.slow
def test_memory_does_not_grow_when_long_films_are_turned_round_and_joined(tmp_path):
    picture = pan(1, 320, 180)[0]
    peaks = []
    for count in (200, 600):
        still = np.broadcast_to(picture, (count, *picture.shape))
        path = write_film(tmp_path / f"{count}.mp4", still, options={"preset": "ultrafast", "g": "60"})
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, path, tmp_path / f"out{count}.mp4"],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] <= 1.2 * peaks[0]
