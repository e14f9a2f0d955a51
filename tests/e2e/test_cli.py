"""The command line, as a user runs it: from a shell where that matters, else in a process that has torch already."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import warm_command
from PIL import Image
from tiers import quick

import ml4a as library
from ml4a import image, video
from ml4a._core.record import Record
from ml4a.jobs import read_record


@pytest.fixture
def ml4a(tmp_path):
    """The command, in a process that has imported everything before."""

    def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        return warm_command.run(*arguments, cwd=tmp_path, env={**os.environ, **environment}, input=stdin)

    return run


@pytest.fixture
def interpreter(tmp_path):
    """The command, by an interpreter that starts."""

    def run(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "ml4a", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **environment}, input=stdin, capture_output=True, timeout=300
        )

    return run


def ok(done: subprocess.CompletedProcess[bytes]) -> str:
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def photo(tmp_path) -> Path:
    image.sample("chelsea").crop((150, 60, 270, 160)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def animation(tmp_path, photo) -> Path:
    frames = [Image.open(photo).convert("RGB").crop((step, 0, step + 96, 80)) for step in range(0, 20, 5)]
    frames[0].save(tmp_path / "walk.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    return tmp_path / "walk.gif"


def test_a_style_makes_a_picture_of_the_same_size(interpreter, photo, tmp_path):
    assert ok(interpreter("style", "photo.png", "--style", "sample:waves", "-o", "out.png")) == "out.png\n"
    with Image.open(tmp_path / "out.png") as result:
        assert result.size == (120, 100)


def test_a_pipe_of_two_verbs(ml4a, photo):
    drawing = ml4a("sketch", "-", "-o", "-", stdin=photo.read_bytes())
    ok_bytes = drawing.stdout
    assert drawing.returncode == 0, drawing.stderr.decode()
    styled = ml4a("style", "-", "--style", "7", "-o", "-", stdin=ok_bytes)
    assert styled.returncode == 0, styled.stderr.decode()
    assert Image.open(io.BytesIO(styled.stdout)).size == (120, 100)


def test_a_folder_of_pictures_and_a_film(ml4a, photo, animation, tmp_path):
    (tmp_path / "in").mkdir()
    photo.rename(tmp_path / "in" / "a.png")
    animation.rename(tmp_path / "in" / "b.gif")
    (tmp_path / "in" / "broken.jpg").write_text("no picture")
    done = ml4a("sketch", "in", "-o", "out")
    assert done.returncode == 1
    assert done.stdout.decode().split() == [str(Path("out/a.png")), str(Path("out/b.gif"))]
    assert "broken.jpg is no picture" in done.stderr.decode()
    assert "1 of 3 failed" in done.stderr.decode()
    assert len(list(video.open(tmp_path / "out" / "b.gif"))) == 4


@pytest.mark.slow
def test_a_gif_stays_a_gif_with_its_times(ml4a, animation, tmp_path):
    ok(ml4a("style", "walk.gif", "--style", "5", "-o", "styled.gif"))
    before, after = video.open(animation), video.open(tmp_path / "styled.gif")
    assert [frame.time for frame in after.frames()] == [frame.time for frame in before.frames()]
    assert after.size == before.size


def test_a_film_is_styled_steadily_with_its_sound(ml4a, tmp_path):
    video.open("sample:pan").trim(0, 0.6).save(tmp_path / "short.mp4")
    ok(ml4a("style", "short.mp4", "--style", "2", "--size", "96", "--steady", "0.5", "-o", "out.mp4"))
    film = video.open(tmp_path / "out.mp4")
    assert film.has_sound
    assert film.count == video.open(tmp_path / "short.mp4").count == 15
    assert film.size[1] == 96
    assert read_record(tmp_path / "out.mp4").steady == 0.5


def test_upscale_to_another_factor_with_other_weights(ml4a, photo, tmp_path):
    small = Image.open(photo).resize((32, 24))
    small.save(tmp_path / "small.png")
    ok(ml4a("upscale", "small.png", "--scale", "2", "--weights", "animevideo", "-o", "out.png"))
    with Image.open(tmp_path / "out.png") as result:
        assert result.size == (64, 48)
    assert read_record(tmp_path / "out.png").weights == "animevideo"


def test_a_16_bit_picture_keeps_its_depth(ml4a, tmp_path):
    ramp = np.linspace(0, 1, 200 * 100, dtype=np.float32).reshape(100, 200, 1).repeat(3, axis=2)
    image.save(ramp, tmp_path / "deep.png", bits=16)
    ok(ml4a("sketch", "deep.png", "--strength", "0", "-o", "white.png"))
    ok(ml4a("style", "deep.png", "--style", "4", "-o", "out.png"))
    levels = np.unique(image.load(tmp_path / "out.png", as_array=True))
    assert len(levels) > 2000
    assert image.load(tmp_path / "white.png", as_array=True).min() == 1


def test_inspect_prints_what_made_a_file(ml4a, photo):
    ok(ml4a("style", "photo.png", "--style", "3:0.5,12:0.5", "--strength", "0.6", "-o", "out.png"))
    text = ok(ml4a("inspect", "out.png"))
    for words in ("fast_style", "magenta", "strength   0.6", "3:0.5,12:0.5", "picture: 120x100 file"):
        assert words in text
    assert "photo.png" not in text
    assert Record.from_json(ok(ml4a("inspect", "out.png", "--json"))) == read_record(photo.parent / "out.png")


def test_a_file_without_a_record_says_so(ml4a, photo):
    done = ml4a("inspect", "photo.png")
    assert done.returncode == 2
    assert b"carries no record" in done.stderr


@pytest.mark.slow
def test_no_record_leaves_none(ml4a, photo, tmp_path):
    ok(ml4a("sketch", "photo.png", "--no-record", "-o", "a.png"))
    ok(ml4a("sketch", "photo.png", "-o", "b.png", ML4A_RECORD="0"))
    ok(ml4a("sketch", "photo.png", "-o", "c.png"))
    assert [b"ml4a" in (tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png")] == [False, False, True]


def test_repeat_makes_the_same_pixels_from_inputs_found_by_content(ml4a, photo, tmp_path):
    ok(ml4a("style", "photo.png", "--style", "sample:ink", "--strength", "0.7", "-o", "out.png"))
    (tmp_path / "elsewhere").mkdir()
    photo.rename(tmp_path / "elsewhere" / "renamed.png")
    done = ml4a("repeat", "out.png")
    assert done.returncode == 2
    assert b"the input 'picture' (120x100" in done.stderr
    assert ok(ml4a("repeat", "out.png", "elsewhere")) == "out-repeat.png\n"
    assert np.array_equal(image.to_array(tmp_path / "out.png"), image.to_array(tmp_path / "out-repeat.png"))
    again = ml4a("repeat", "out.png", "elsewhere")
    assert again.returncode == 2
    assert b"out-repeat.png exists" in again.stderr


def test_repeat_follows_a_chain_through_memory(ml4a, photo, tmp_path):
    sketch, style = library.load("hed"), library.load("fast_style")
    image.save(style(sketch(image.load(photo, size=64)), style=1), tmp_path / "chain.png")
    ok(ml4a("repeat", "chain.png"))
    assert np.array_equal(image.to_array(tmp_path / "chain.png"), image.to_array(tmp_path / "chain-repeat.png"))


def test_repeat_says_which_version_differs(ml4a, photo, tmp_path):
    ok(ml4a("sketch", "photo.png", "-o", "out.png"))
    record = read_record(tmp_path / "out.png")
    from dataclasses import replace

    changed = replace(record, versions={**record.versions, "torch": "1.0"})
    image.save(image.to_array(tmp_path / "out.png"), tmp_path / "old.png", record=changed)
    done = ml4a("repeat", "old.png")
    assert done.returncode == 0
    assert b"torch is 2." in done.stderr
    assert b"was 1.0" in done.stderr


@pytest.mark.parametrize("suffix", quick([".png", ".jpg", ".webp", ".tif", ".avif", ".gif"], 2))
def test_a_record_goes_along_in_every_format(suffix, ml4a, photo, tmp_path):
    ok(ml4a("sketch", "photo.png", "-o", f"out{suffix}"))
    assert read_record(tmp_path / f"out{suffix}").model == "hed"


@pytest.mark.slow
def test_doctor_names_what_is_slow_and_how_to_mend_it(interpreter):
    assert "all is well" in ok(interpreter("doctor", OMP_NUM_THREADS=str(os.cpu_count())))
    text = ok(interpreter("doctor", ONEDNN_MAX_CPU_ISA="AVX2", OMP_NUM_THREADS="1"))
    assert "ONEDNN_MAX_CPU_ISA=AVX2 holds the CPU back" in text
    assert "OMP_NUM_THREADS=1 leaves cores idle" in text
    assert "2 things to mend" in text


def test_output_that_nobody_reads_is_no_error(tmp_path):
    command = f"{sys.executable} -m ml4a models | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr == ""


MATCH = ("match-color", "photo.png", "--reference", "sample:ink", "-o", "out.png")


@pytest.mark.parametrize(
    "settings",
    quick(
        [
            *({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "de_DE.UTF-8"}, {"HOME": ""}),
            *({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}, {"COLUMNS": "1"}, {"TZ": "Nowhere/Land"}),
        ]
    ),
    ids=str,
)
def test_any_terminal_language_and_time_zone_will_do(settings, ml4a, interpreter, photo, tmp_path):
    ok(ml4a(*MATCH[:-1], "plain.png", "--strength", "0.5"))
    done = interpreter(*MATCH, "--strength", "0.5", **settings)
    assert ok(done) == "out.png\n"
    assert done.stderr == b""
    assert np.array_equal(image.to_array(tmp_path / "out.png"), image.to_array(tmp_path / "plain.png"))


@pytest.mark.slow
def test_help_has_no_colours_where_none_are_wanted(interpreter):
    for settings in ({"NO_COLOR": "1", "FORCE_COLOR": ""}, {"TERM": "dumb"}, {}):
        assert "\x1b" not in ok(interpreter("match-color", "--help", **settings))


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "| true"])
def test_closed_streams_are_no_error(closed, photo, tmp_path):
    command = f"set -o pipefail; {sys.executable} -m ml4a {' '.join(MATCH)} {closed}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert image.size(tmp_path / "out.png") == image.size(photo)


@pytest.mark.parametrize(
    "name", [b"a b;$(touch x) .png", b"new\nline.png", "🎨.png".encode(), b"caf\xe9.png", b"-rf.png"]
)
def test_odd_names_are_names(name, ml4a, photo, tmp_path):
    photo.rename(tmp_path / os.fsdecode(name))
    done = ml4a(
        "match-color", f"./{os.fsdecode(name)}", "--reference", "sample:ink", "-o", f"./out-{os.fsdecode(name)}"
    )
    assert done.returncode == 0, done.stderr.decode()
    assert set(os.listdir(os.fsencode(tmp_path))) == {name, b"out-" + name}


def test_names_that_are_too_long_are_said_to_be(ml4a, photo):
    long = "x" * 300 + ".png"
    for source, target in ((long, "out.png"), (photo.name, long)):
        done = ml4a("match-color", source, "--reference", "sample:ink", "-o", target)
        assert done.returncode == 2
        assert done.stderr.startswith(b"ml4a: cannot ")
        assert done.stderr.endswith(b": the name is too long\n")


@pytest.mark.parametrize("verb", ["upscale", "sketch"])
@pytest.mark.parametrize("size", quick([(1, 1), (3000, 1), (20000, 1)]))
def test_a_point_and_a_line(verb, size, ml4a, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "thin.png")
    ok(ml4a(verb, "thin.png", "-o", "out.png"))
    factor = 4 if verb == "upscale" else 1
    assert image.size(tmp_path / "out.png") == (size[0] * factor, size[1] * factor)
