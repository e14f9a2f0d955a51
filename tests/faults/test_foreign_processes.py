"""Foreign code that crashes, hangs, leaks, floods or lies, in a process of its own: this one is unharmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from foreign_code import gone, written

from ml4a._core.errors import Cancelled, ExternalFailed
from ml4a._core.progress import Cancel, listening
from ml4a.external._process import Process, process

pytestmark = pytest.mark.xdist_group("external-process")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("foreign") / "tree")


@pytest.fixture(scope="module")
def tree(folder: Path) -> Iterator[Process]:
    """One process for all, started anew when it was stopped."""
    with process(folder, timeout=30) as running:
        yield running


@pytest.fixture
def hasty(folder: Path) -> Iterator[Process]:
    """One that is given little time, but is started already."""
    with process(folder, timeout=1) as running:
        yield running


def _begun(argument: str, directory: Path) -> subprocess.Popen[str]:
    """A program that uses foreign code."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", argument],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("trouble:ends", "ended with status 3"),
        ("trouble:crashes", "ended by SIGSEGV.*about to crash"),
        ("trouble:hangs_up", "closed the connection and was stopped"),
    ],
)
def test_a_process_that_breaks_off_is_replaced(tree, target, told):
    pid = tree.function("facts:pid")()
    net = tree.create("things:Net", 3)
    with pytest.raises(ExternalFailed, match=told):
        tree.function(target)()

    assert gone(pid)
    assert tree.function("facts:pid")() != pid
    with pytest.raises(ExternalFailed, match="things:Net was lost"):
        net.call("count")


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (5, b"hello"),
        (0xFFFFFFFF, b""),
        (2, b"{}"),
        (12, b'{"need": 99}\x00\x00\x00\x0c{"need": 99}'),
        (13, b'{"need": "a"}'),
        (54, b'{"result": {"array": ["float32", [1000000,1000000],0]}}'[:54]),
        (40, b'{"result": {"array": ["object", [1],0]}}'),
        (16, b'{"failed": null}'),
    ],
)
@pytest.mark.slow
def test_a_process_that_says_nonsense_is_stopped(folder, length, text):
    with process(folder, timeout=5) as tree:
        pid = tree.function("facts:pid")()
        started = time.monotonic()
        with pytest.raises(ExternalFailed):
            tree.function("trouble:says")(length, text)

        assert time.monotonic() - started < 3
        assert gone(pid)


def test_a_claim_of_a_trillion_bytes_reserves_nothing(tree):
    claim = b'{"result": {"array": ["float32", [500000, 500000], 0]}}'
    with pytest.raises(ExternalFailed, match="memory"):
        tree.function("trouble:says")(len(claim), claim)


def test_what_hangs_is_stopped_with_all_that_it_started(hasty, tmp_path):
    with pytest.raises(ExternalFailed, match=r"had not answered after 1 s"):
        hasty.function("trouble:hangs_with_a_child")(str(tmp_path / "pid"))

    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.slow
def test_what_ignores_signals_is_stopped(hasty):
    pid = hasty.function("facts:pid")()
    started = time.monotonic()
    with pytest.raises(ExternalFailed, match="had not answered"):
        hasty.function("trouble:hangs")()

    assert time.monotonic() - started < 4
    assert gone(pid)


@pytest.mark.slow
def test_a_limit_that_is_too_low_to_begin_with_is_said(folder):
    with pytest.raises(ExternalFailed, match="broke off: its process"):
        process(folder, memory="20M").function("facts:pid")()


@pytest.mark.slow
def test_a_leak_ends_at_the_limit_of_memory(folder):
    with process(folder, timeout=30, memory="900M") as tree:
        assert tree.function("facts:address_space")() == 900 << 20
        with pytest.raises(ExternalFailed, match="MemoryError"):
            tree.function("trouble:leaks")()


@pytest.mark.slow
def test_a_flood_of_words_is_taken_and_its_end_kept(tree):
    assert tree.function("trouble:floods")(200) == 200
    for _ in range(200):
        if "the end" in tree.output:
            break
        time.sleep(0.01)

    assert r"\x1b]0;title\x07 the end" in tree.output
    assert len(tree.output) < 70_000


@pytest.mark.slow
def test_cancel_stops_what_hangs(folder):
    cancel = Cancel()
    with process(folder, timeout=30) as tree:
        threading.Timer(0.1, cancel.cancel).start()
        with listening(None, cancel), pytest.raises(Cancelled):
            tree.function("trouble:hangs")()


_HANG = """
import numpy
from ml4a.external._process import process
tree = process({folder!r}, timeout=60)
tree.function("stylise:apply")(numpy.zeros((8, 8, 3), "f4"))
print(tree.function("facts:pid")(), flush=True)
tree.function("trouble:hangs")()
"""


@pytest.mark.slow
def test_ctrl_c_ends_the_process_too(folder, tmp_path):
    program = _begun(_HANG.format(folder=str(folder)), tmp_path)
    with program:
        pid = int(program.stdout.readline())
        time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        _, told = program.communicate(timeout=10)

    assert program.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in told
    assert "Warning" not in told
    assert gone(pid)


@pytest.mark.slow
def test_when_the_program_is_killed_the_process_ends_and_nothing_is_left(folder, tmp_path):
    program = _begun(_HANG.format(folder=str(folder)), tmp_path)
    with program:
        pid = int(program.stdout.readline())
        files = [os.readlink(each) for each in Path(f"/proc/{program.pid}/fd").iterdir()]
        program.kill()
        program.communicate(timeout=10)

    assert gone(pid)
    assert any("memfd:ml4a" in each for each in files)  # memory without a name, which goes with its users
    assert not any(each.startswith("/dev/shm") for each in files)


@pytest.mark.slow
def test_a_program_that_ends_by_an_error_leaves_nothing_and_warns_of_nothing(folder, tmp_path):
    code = _HANG.replace('tree.function("trouble:hangs")()', "1 / 0").format(folder=str(folder))
    program = _begun(code, tmp_path)
    with program:
        pid = int(program.stdout.readline())
        _, told = program.communicate(timeout=10)

    assert told.strip().endswith("ZeroDivisionError: division by zero")
    assert "Warning" not in told
    assert gone(pid)
