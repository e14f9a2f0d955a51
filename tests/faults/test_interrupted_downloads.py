"""Downloads that are killed, raced, stopped, or out of room: the cache is never broken, and the next try goes on."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import toy_card
from archives import zipped
from lying_server import Answer, LyingServer
from toy_download import DATA, HALF, SHA256, fetch, files_in_cache, partials, ranges

from ml4a import weights
from ml4a._core.errors import Cancelled, CannotWrite, DownloadFailed, Offline
from ml4a._core.progress import Cancel, Progress, listening
from ml4a.weights import cache, owner
from ml4a.weights.sources import https

pytestmark = pytest.mark.usefixtures("home", "impatient")


PROCESS = """
import sys
from ml4a import weights
stages = set()
def say(progress):
    if progress.stage not in stages:
        stages.add(progress.stage)
        print(progress.stage, flush=True)
found = weights.fetch("toy", on_progress=say)
print(found["network"].read_bytes() == bytes.fromhex(sys.argv[1]) * 1000)
"""
UNIT = random.Random(2).randbytes(1000)


def start_process() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROCESS, UNIT.hex()]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def held(server: LyingServer) -> Iterator[threading.Event]:
    """A download that hangs in the middle until the event is set; later ones are served at once."""
    event = threading.Event()
    answer = Answer(UNIT * 1000, pause=event)
    toy_card.write(UNIT * 1000, server.put("/net", answer, Answer(UNIT * 1000)))
    yield event
    event.set()


def wait_for_half() -> None:
    while sum(partials().values()) < 500_000:
        threading.Event().wait(0.02)


def test_two_processes_transfer_a_file_once(held: threading.Event, server: LyingServer):
    with start_process() as one:
        wait_for_half()
        with start_process() as two:
            assert two.stdout is not None
            assert two.stdout.readline() == "waiting for toy.bin\n"
            held.set()
            assert two.communicate()[0] == "True\n"
        assert one.communicate()[0] == "downloading toy.bin\nTrue\n"
    assert len(server.requests) == 1
    assert files_in_cache() == ["toy.bin"]


def test_an_owner_killed_in_the_middle_is_succeeded_at_once(held: threading.Event, server: LyingServer):
    with start_process() as one:
        wait_for_half()
        one.kill()
    assert weights.fetch("toy")["network"].read_bytes() == UNIT * 1000
    assert ranges(server) == [None, "bytes=500000-"]
    assert files_in_cache() == ["toy.bin"]


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["known", "first seen"])
def test_killed_again_and_again_it_is_finished_in_the_end(known: bool, server: LyingServer):
    """By SIGKILL at any moment; after each, the cache holds the right file or none, and the next one goes on."""
    data = UNIT * 1000
    headers = {"ETag": '"one"'}
    expected = toy_card.write(data, server.url("/net"), known=known)
    moments = random.Random(3)
    finished = 0
    for _ in range(25):
        hold, before = threading.Event(), len(server.requests)
        server.put("/net", Answer(data, pause=hold, headers=headers))
        with start_process() as process:
            while len(server.requests) == before and process.poll() is None:
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.02))
            if moments.random() < 0.3:
                hold.set()
                time.sleep(moments.uniform(0, 0.02))
            process.kill()
        hold.set()
        if expected.exists():
            assert expected.read_bytes() == data
            expected.unlink()
            finished += 1
    server.put("/net", Answer(data, headers=headers))
    assert weights.fetch("toy")["network"].read_bytes() == data
    assert files_in_cache() == ["toy.bin"]
    assert any(part for part in ranges(server)), "something was continued"
    assert finished < 25


@pytest.mark.slow
def test_killed_while_it_takes_a_member_out_of_an_archive_it_leaves_none_or_a_whole_one(tmp_path: Path):
    """By SIGKILL at any moment of taking ten million bytes out of a zip archive."""
    data = UNIT * 10_000
    archive = zipped(tmp_path / "x.zip", {"net.pth": data})
    expected = toy_card.write(data, f"file:{archive}#net.pth")
    moments = random.Random(4)
    left: set[Path] = set()
    for _ in range(15):
        with start_process() as process:
            while process.poll() is None and left == set(cache.root().glob("*.tmp")):
                time.sleep(0.001)
            time.sleep(moments.uniform(0, 0.04))
            process.kill()
        left = set(cache.root().glob("*.tmp"))
        if expected.exists():
            assert expected.read_bytes() == data
            expected.unlink()
    assert any(0 < file.stat().st_size < len(data) for folder in left for file in folder.iterdir()), "some were halves"
    assert weights.fetch("toy")["network"].read_bytes() == data


def test_an_owner_wrongly_taken_for_dead_breaks_nothing(
    held: threading.Event, server: LyingServer, monkeypatch: pytest.MonkeyPatch
):
    """As where locks lie: two write at once, and the one that was robbed finishes last."""
    monkeypatch.setattr(https, "STALL", 30.0)
    results: list[bytes] = []
    robbed = threading.Thread(target=lambda: results.append(weights.fetch("toy")["network"].read_bytes()))
    robbed.start()
    wait_for_half()
    monkeypatch.setattr(owner, "SILENCE", 0.0)
    assert weights.fetch("toy")["network"].read_bytes() == UNIT * 1000
    held.set()
    robbed.join()
    assert results == [UNIT * 1000]
    assert len(server.requests) == 2
    assert files_in_cache() == ["toy.bin"]


def test_ctrl_c_keeps_what_there_is_for_the_next_time(held: threading.Event, server: LyingServer):
    with start_process() as process:
        wait_for_half()
        process.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in process.communicate()[1]
    assert list(partials().values()) == [500_000]
    assert len(files_in_cache()) == 1  # and no owner's file
    weights.fetch("toy")
    assert ranges(server)[-1] == "bytes=500000-"


def test_ctrl_c_on_the_command_line_is_one_line_and_keeps_what_there_is(held: threading.Event, server: LyingServer):
    command = [sys.executable, "-m", "ml4a", "weights", "fetch", "toy"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for_half()
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "ml4a: stopped\n")
    assert process.returncode == 130
    assert list(partials().values()) == [500_000]


def test_stopping_by_cancel_keeps_what_there_is(server: LyingServer):
    cancel = Cancel()
    toy_card.write(DATA, server.put("/net", Answer(DATA)))

    def listen(progress: Progress) -> None:
        if progress.done > HALF:
            cancel.cancel()

    with pytest.raises(Cancelled), listening(listen, cancel):
        weights.fetch("toy")
    assert len(partials()) == 1
    fetch(server.url("/net"))
    assert ranges(server)[-1] is not None


def test_a_full_disk_is_named_and_the_cache_stays_usable(server: LyingServer):
    """The disk is full after a million bytes, as far as one process can see."""
    url = server.put("/net", Answer(DATA))
    toy_card.write(DATA, url)
    code = """
import resource
from ml4a import weights
from ml4a._core.errors import CannotWrite
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    weights.fetch("toy")
except CannotWrite as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "3.0 MB are needed" in result.stdout
    assert str(cache.root()) in result.stdout
    fetch(url)
    assert files_in_cache() == ["toy.bin"]


def test_a_file_larger_than_the_disk_is_not_begun(server: LyingServer):
    path = toy_card.write(DATA, server.put("/net", Answer(DATA)))
    card = path.parents[3] / "config" / "cards" / "toy.toml"
    card.write_text(card.read_text().replace("size = 3000000", f"size = {10**16}"))
    with pytest.raises(CannotWrite, match="too full"):
        weights.fetch("toy")
    assert server.requests == []


def test_offline_opens_no_socket_starts_nothing_and_says_where_the_file_belongs(server: LyingServer):
    path = toy_card.write(DATA, server.put("/net", Answer(DATA)))
    code = """
import sys
from ml4a import weights
from ml4a._core.errors import Offline
def forbid(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.system")):
        raise SystemExit(event)
sys.addaudithook(forbid)
for name in ("toy", "hed", "real_esrgan"):
    try:
        weights.fetch(name)
    except Offline as error:
        print(error)
"""
    environment = os.environ | {"ML4A_OFFLINE": "1"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert len(result.stdout.splitlines()) == 3
    assert f"put toy.bin (SHA-256 {SHA256[:12]}…) at {path}" in result.stdout
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    assert weights.fetch("toy")["network"] == path


def test_offline_still_takes_files_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_OFFLINE", "1")
    (tmp_path / "mine").write_bytes(DATA)
    fetch("https://example.org/net", f"file:{tmp_path}/mine")
    (tmp_path / "mine").write_bytes(DATA[::-1])
    toy_card.write(DATA[1:], f"file:{tmp_path}/mine", "https://example.org/net")
    with pytest.raises(Offline):
        weights.fetch("toy")


def test_a_local_source_that_is_a_pipe_a_device_or_a_relative_path_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (f"{tmp_path}/pipe", "/dev/zero", str(tmp_path)):
        with pytest.raises(DownloadFailed, match="is not a file"):
            fetch(f"file:{path}")
    with pytest.raises(DownloadFailed, match="not a full path"):
        fetch("file:x")


def test_a_file_damaged_in_the_cache_is_fetched_again(server: LyingServer, caplog: pytest.LogCaptureFixture):
    path = fetch(server.put("/net", Answer(DATA)))
    about = path.stat()
    path.write_bytes(DATA[:-1] + b"x")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert weights.find("toy") is None
    assert "toy.bin has SHA-256" in caplog.text
    fetch(server.url("/net"))


def test_a_planted_pipe_is_not_waited_for(server: LyingServer):
    cache.root().mkdir(parents=True)
    os.mkfifo(cache.root() / f"{SHA256}.000000000000.part")
    fetch(server.put("/net", Answer(DATA)))


def test_a_planted_link_is_not_written_through(server: LyingServer, tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep me")
    folder = cache.root() / SHA256
    folder.mkdir(parents=True)
    (folder / "toy.bin").symlink_to(precious)
    (cache.root() / f"{SHA256}.000000000000.part").symlink_to(precious)
    fetch(server.put("/net", Answer(DATA)))
    assert precious.read_bytes() == b"keep me"
