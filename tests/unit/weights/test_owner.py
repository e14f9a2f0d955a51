from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ml4a._core.errors import Cancelled
from ml4a._core.progress import Cancel, listening
from ml4a.weights import owner


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.owner"


def test_one_thread_at_a_time_owns_a_file(path: Path):
    inside, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(3):
            with owner.owned(path, "waiting"):
                with lock:
                    inside += 1
                    most = max(most, inside)
                threading.Event().wait(0.01)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not path.exists()


def test_it_is_given_back_when_the_work_fails(path: Path):
    with pytest.raises(RuntimeError), owner.owned(path, "waiting"):
        raise RuntimeError
    assert not path.exists()


def test_an_owner_that_was_killed_is_not_waited_for(path: Path):
    code = f"""
import os, signal
from pathlib import Path
from ml4a.weights import owner
with owner.owned(Path({str(path)!r}), "waiting"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert path.exists()
    with listening(lambda _: pytest.fail("waited")), owner.owned(path, "waiting"):
        assert path.read_text().startswith(f"{os.getpid()} ")


HERE = f"{os.getpid()} abc {socket.gethostname()}".encode()


@pytest.mark.parametrize(
    "token", [b"1 abc another-machine", HERE, b"", b"\xff garbage"], ids=["elsewhere", "here", "empty", "garbage"]
)
def test_a_silent_owner_is_taken_for_dead_after_a_while(token: bytes, path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(owner, "SILENCE", 0.3)
    path.write_bytes(token)
    with owner.owned(path, "waiting"):
        assert path.exists()


@pytest.mark.slow
def test_an_owner_that_gives_signs_of_life_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(owner, "SILENCE", 1.0)
    monkeypatch.setattr(owner, "_BEAT", 0.0)
    order: list[str] = []
    owned, stop = threading.Event(), threading.Event()

    def first() -> None:
        with owner.owned(path, "waiting") as beat:
            owned.set()
            while not stop.wait(0.05):
                beat()
            order.append("first")

    def second() -> None:
        with owner.owned(path, "waiting"):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    owned.wait()
    threads[1].start()
    threads[1].join(2.0)  # twice the silence that is allowed
    stop.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]


def test_waiting_is_said_and_can_be_stopped(path: Path):
    path.write_text("1 abc another-machine")
    cancel, said = Cancel(), []

    def listen(progress) -> None:
        said.append(progress.stage)
        cancel.cancel()

    with pytest.raises(Cancelled), listening(listen, cancel), owner.owned(path, "waiting for x"):
        pass
    assert said == ["waiting for x"]
    assert path.exists()


def test_who_was_robbed_does_not_take_it_back_in_the_end(path: Path):
    with owner.owned(path, "waiting"):
        path.write_text("2 def someone-else")
    assert path.read_text() == "2 def someone-else"
