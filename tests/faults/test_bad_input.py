"""Whatever is wrong with the input: one line, exit status 2, and the folder as it was."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import warm_command
from lying_server import Answer
from PIL import Image

from ml4a import weights
from ml4a._core import paths
from ml4a.models import registry

VERBS = ("style", "styles", "upscale", "sketch")


def ml4a(*arguments: str, cwd: Path, env: dict[str, str] | None = None, before: Any = None) -> Any:
    """The command with these additions to the environment; its `stdout` and `stderr` are texts."""
    done = warm_command.run(*arguments, cwd=cwd, env={**os.environ, **(env or {})}, before=before, timeout=60)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


@pytest.fixture(scope="module", autouse=True)
def _warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have everything imported before the first command's time is taken."""
    assert ml4a("--version", cwd=tmp_path_factory.mktemp("warm")).returncode == 0


def photo(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    Image.fromarray(noise).save(folder / "photo.jpg")


def text_renamed(folder: Path) -> None:
    (folder / "photo.jpg").write_text("not a picture\n" * 20)


def truncated(folder: Path) -> None:
    photo(folder)
    path = folder / "photo.jpg"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero_bytes_film(folder: Path) -> None:
    (folder / "photo.jpg").touch()


def film_without_frames(folder: Path) -> None:
    with av.open(str(folder / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (folder / "sound.mp4").rename(folder / "photo.jpg")


def playlist_posing_as_film(folder: Path) -> None:
    (folder / "photo.jpg").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    )


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "photo.jpg")


def device(folder: Path) -> None:
    (folder / "photo.jpg").symlink_to("/dev/zero")


@functools.cache
def bomb_bytes() -> bytes:
    """A PNG of 30000×30000 white pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(b"\0" + b"\xff" * 3750) for _ in range(30000)) + packer.flush()
    header = struct.pack(">IIBBBBB", 30000, 30000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def bomb(folder: Path) -> None:
    (folder / "photo.jpg").write_bytes(bomb_bytes())


def nothing(folder: Path) -> None:
    pass


INPUTS = {
    nothing: "photo.jpg does not exist",
    text_renamed: "photo.jpg is no picture",
    truncated: "photo.jpg is broken or cut short",
    zero_bytes_film: "photo.jpg is empty",
    film_without_frames: "photo.jpg",
    playlist_posing_as_film: "photo.jpg",
    pipe: "photo.jpg is a pipe or a device",
    device: "photo.jpg is a pipe or a device",
    bomb: "30000x30000",
}


def listing(folder: Path) -> dict[str, int]:
    return {name: os.lstat(folder / name).st_size for name in sorted(os.listdir(folder))}


def assert_refused(done: subprocess.CompletedProcess[str], words: str, status: int = 2) -> None:
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("ml4a: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert done.stdout == ""


COMMANDS = {
    **{verb: ([verb, "photo.jpg"], "out.png") for verb in VERBS},
    "match-color": (["match-color", "photo.jpg", "--reference", "sample:ink"], "out.png"),
    "mask": (["mask", "photo.jpg"], "out.png"),
    "loop": (["loop", "photo.jpg", "--zoom", "1.1", "--seconds", "0.2"], "out.mp4"),
    "flow": (["flow", "photo.jpg", "sample:ink"], "out.png"),
    "interpolate": (["interpolate", "photo.jpg", "sample:ink", "--frames", "3"], "out.mp4"),
}
FILM_COMMANDS = {
    "trim": (["video", "trim", "photo.jpg", "--end", "1"], "out.mp4"),
    "join": (["video", "join", "photo.jpg", "sample:pan"], "out.mp4"),
    "frames": (["video", "frames", "photo.jpg"], "out"),
    "gif": (["video", "gif", "photo.jpg"], "out.gif"),
    "compare": (["video", "compare", "sample:pan", "photo.jpg"], "out.mp4"),
    "flow of a film": (["flow", "photo.jpg"], "out.mp4"),
    "slow motion": (["interpolate", "photo.jpg", "--slow", "2"], "out.mp4"),
}


@pytest.mark.parametrize(
    "command", [*COMMANDS, *(pytest.param(name, marks=pytest.mark.slow) for name in FILM_COMMANDS)]
)
@pytest.mark.parametrize("make", INPUTS, ids=lambda make: make.__name__)
def test_an_input_that_cannot_be_read(command, make, tmp_path):
    make(tmp_path)
    arguments, output = {**COMMANDS, **FILM_COMMANDS}[command]
    before, started = listing(tmp_path), time.monotonic()
    done = ml4a(*arguments, "-o", output, cwd=tmp_path)
    assert_refused(done, INPUTS[make] if command in COMMANDS else "photo.jpg")
    assert time.monotonic() - started < 10
    assert listing(tmp_path) == before


BAD_VALUES = {
    "style": [
        (["--strength", "2"], "strength must be between 0 and 1, not 2.0"),
        (["--strength", "nan"], "strength must be a finite number"),
        (["--style", "99"], "a number between 0 and 25, not 99"),
        (["--style", "painting.jpg"], "painting.jpg does not exist"),
        (["--steady", "-1"], "steady must be between 0 and 1"),
        (["--size", "4"], "size must be 16 or more, not 4"),
        (["--weights", "none"], "none"),
        (["--model", "hed"], "there is no model for style named 'hed'"),
        (["--device", "cuda:99"], "device 'cuda:99' is not available here"),
        (["--nonsense"], "--nonsense"),
        (["-o", "--keep-colors"], "requires an argument"),
    ],
    "styles": [(["--height", "2000"], "height must be between 64 and 1024")],
    "upscale": [(["--scale", "100"], "scale must be between"), (["--tile", "1"], "tile must be 16 or more")],
    "sketch": [(["--strength", "-0.1"], "strength must be between 0 and 1"), (["--thin", "--thin=7"], "thin")],
    "match-color": [
        (["--reference", "none.jpg"], "none.jpg does not exist"),
        (["--reference", "sample:ink", "--strength", "2"], "strength must be between 0 and 1"),
        (["--reference", "sample:ink", "--method", "magic"], "magic"),
        ([], "--reference"),
    ],
    "mask": [
        (["--n", "65"], "n must be between 1 and 64"),
        (["--n", "2", "--channel", "2"], "channel must be less than 2"),
        (["--feather", "nan"], "feather must be a finite number"),
    ],
    "loop": [
        (["--zoom", "0"], "factor must be between 0.001"),
        (["--zoom", "nan"], "factor must be a finite number"),
        (["--zoom", "fast"], "zoom must be a number, or LOW..HIGH@FILE:FEATURE"),
        (["--zoom", "1..2@none.wav:bass"], "none.wav does not exist"),
        (["--zoom", "1..2@photo.jpg:bass"], "photo.jpg"),
        (["--seconds", "0"], "seconds must be"),
        (["--score", "none.yaml"], "cannot read the score none.yaml"),
        (["--score", "photo.jpg"], "photo.jpg is no score"),
        (["--border", "none"], "none"),
    ],
    "flow": [
        ([], "photo.jpg is no film; name two pictures"),
        (["none.png"], "none.png does not exist"),
        (["sample:ink", "--longest", "0"], "longest must be a number of pixels above 0"),
        (["sample:ink", "--colors", "wheel"], "wheel"),
        (["sample:ink", "--model", "raft"], "raft"),
        (["sample:ink", "--size", "64"], "size is for --model flownet"),
        (["sample:ink", "sample:waves"], "name two pictures, or one film"),
    ],
    "interpolate": [
        ([], "photo.jpg is no film; name two pictures"),
        (["none.png"], "none.png does not exist"),
        (["sample:ink", "--frames", "1"], "frames must be a whole number from 2 up"),
        (["sample:ink", "--seconds", "-1"], "seconds must be"),
        (["sample:ink", "--seconds", "1", "--frames", "9"], "not both"),
        (["sample:ink", "--rate", "0"], "rate must be"),
        (["sample:ink", "--slow", "2"], "--slow is for a film"),
        (["sample:ink", "--model", "raft"], "raft"),
        (["sample:pan"], "sample:pan is a film"),
    ],
}


@pytest.mark.parametrize(
    ("verb", "arguments", "words"), [(verb, *case) for verb, cases in BAD_VALUES.items() for case in cases]
)
def test_a_value_that_is_out_of_bounds(verb, arguments, words, tmp_path):
    photo(tmp_path)
    before = listing(tmp_path)
    output = [] if "-o" in arguments else ["-o", "out.png"]
    assert_refused(ml4a(verb, "photo.jpg", *output, *arguments, cwd=tmp_path), words)
    assert listing(tmp_path) == before


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_exists(command, tmp_path):
    photo(tmp_path)
    arguments, output = COMMANDS[command]
    (tmp_path / output).write_bytes(b"precious")
    assert_refused(ml4a(*arguments, "-o", output, cwd=tmp_path), f"{output} exists")
    assert (tmp_path / output).read_bytes() == b"precious"


@pytest.mark.parametrize("command", FILM_COMMANDS)
def test_an_output_of_a_film_that_exists(command, tmp_path):
    arguments, output = FILM_COMMANDS[command]
    target = tmp_path / output if "." in output else tmp_path / output / "00000.png"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(b"precious")
    sources = ["sample:pan" if argument == "photo.jpg" else argument for argument in arguments]
    assert_refused(ml4a(*sources, "-o", output, cwd=tmp_path), f"{target.name} exists")
    assert target.read_bytes() == b"precious"
    assert listing(target.parent) == {target.name: len(b"precious")}


def test_no_input_at_all(tmp_path):
    assert_refused(ml4a("sketch", cwd=tmp_path), "ml4a sketch photo.jpg")


def test_a_picture_too_small_for_a_style(tmp_path):
    Image.new("RGB", (15, 40)).save(tmp_path / "small.png")
    done = ml4a("style", "small.png", "-o", "out.png", cwd=tmp_path)
    assert_refused(done, "the picture is 15x40 px; a style needs at least 16 px a side")


def without_privileges() -> None:
    """Take from root the right to write where the mode forbids it (Linux: CAP_DAC_OVERRIDE)."""
    version, dac_override = 0x20080522, 1
    libc, this_process, sets = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(version, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(this_process, sets) == 0
    sets[0] &= ~(1 << dac_override)  # of those in effect
    assert libc.capset(this_process, sets) == 0


def test_a_folder_that_cannot_be_written(tmp_path):
    photo(tmp_path)
    (tmp_path / "locked").mkdir(mode=0o555)
    done = ml4a("sketch", "photo.jpg", "-o", "locked/out.png", cwd=tmp_path, before=without_privileges)
    assert_refused(done, "permission denied")
    assert listing(tmp_path / "locked") == {}


def small_files_only() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def test_a_disk_that_is_full(tmp_path):
    photo(tmp_path)
    before = listing(tmp_path)
    done = ml4a("sketch", "photo.jpg", "-o", "out.png", cwd=tmp_path, before=small_files_only)
    assert_refused(done, "larger than this system allows")
    assert listing(tmp_path) == before


@pytest.fixture
def work(tmp_path):
    """A folder with a photo in it."""
    folder = tmp_path / "work"
    folder.mkdir()
    photo(folder)
    return folder


def card_from(source: str, verb: str) -> int:
    """Let the weights of a verb's model come from `source` alone; return how large the first file should be."""
    name = registry.verbs()[verb][0].model
    text = Path(weights.__file__).parent.joinpath("catalog", f"{name}.toml").read_text(encoding="utf-8")
    folder = paths.config_dir() / "cards"
    folder.mkdir(parents=True)
    folder.joinpath(f"{name}.toml").write_text(re.sub(r"(?ms)^sources = \[.*?\]$", f'sources = ["{source}"]', text))
    return next(iter(weights.card(name).variant().files.values())).size


@pytest.mark.parametrize("verb", VERBS)
def test_weights_with_the_wrong_hash(verb, work, home, server):
    size = card_from(server.url("/weights"), verb)
    server.put("/weights", Answer(bytes(size)))
    before = listing(work)
    assert_refused(ml4a(verb, "photo.jpg", "-o", "out.png", cwd=work), "SHA-256")
    assert listing(work) == before
    assert not [path for path in (home / "cache").rglob("*") if path.is_file() and path.stat().st_size == size]


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_a_download_that_is_cut_again_and_again(verb, work, home, server):
    size = card_from(server.url("/weights"), verb)
    server.put("/weights", Answer(bytes(size), cut=size // 2, ranges=False))
    before = listing(work)
    assert_refused(ml4a(verb, "photo.jpg", "-o", "out.png", cwd=work), "weights")
    assert listing(work) == before


@pytest.mark.parametrize("verb", VERBS)
def test_no_network(verb, work, home):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        card_from(f"http://127.0.0.1:{unused.getsockname()[1]}/weights", verb)
        before = listing(work)
        started = time.monotonic()
        assert_refused(ml4a(verb, "photo.jpg", "-o", "out.png", cwd=work), "refused")
        assert time.monotonic() - started < 10
    assert listing(work) == before


@pytest.mark.parametrize("verb", VERBS)
def test_downloads_that_are_forbidden(verb, work, home):
    before = listing(work)
    done = ml4a(verb, "photo.jpg", "-o", "out.png", cwd=work, env={"ML4A_OFFLINE": "1"})
    assert_refused(done, "ML4A_OFFLINE")
    assert listing(work) == before


def test_ctrl_c_in_the_middle_of_a_film(tmp_path):
    before = listing(tmp_path)
    worker = subprocess.Popen(
        [sys.executable, "-m", "ml4a", "style", "sample:pan", "-o", "out.mp4"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(tmp_path.rglob("record.json")):  # until the first frame is made
        assert time.monotonic() < deadline
        assert worker.poll() is None
        time.sleep(0.05)
    worker.send_signal(signal.SIGINT)
    stdout, stderr = worker.communicate(timeout=30)
    assert worker.returncode == 130
    assert stderr == "ml4a: stopped\n"
    assert stdout == ""
    assert listing(tmp_path) == before
