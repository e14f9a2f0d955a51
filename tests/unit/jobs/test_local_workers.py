"""The engine `local` with workers: processes that fail, die, are killed, print, read, and take too much."""

from __future__ import annotations

import os
import pickle
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ray_cluster import children

from ml4a._core import progress
from ml4a._core.errors import BadValue, Cancelled, NotFound
from ml4a._core.progress import Cancel
from ml4a.jobs._waiting import Task
from ml4a.jobs.engine import Here, engine
from ml4a.jobs.local import Local, _Process

pytestmark = pytest.mark.xdist_group("local workers")


def by_number(outcomes) -> dict[int, Any]:
    return {outcome.number: outcome.value if outcome.reason is None else outcome.reason for outcome in outcomes}


def running(pids) -> list[int]:
    """Those of the processes that have not ended."""
    left = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            left.append(pid)
    return left


def end(pids, within: float) -> bool:
    deadline = time.monotonic() + within
    while left := running(pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
        pids = left
    return True


def test_a_death_before_an_item_is_begun_is_charged_to_no_item(monkeypatch):
    monkeypatch.setattr("ml4a.jobs._waiting.TRIES", 1)
    died, before = [], {*children(os.getpid()), os.getpid()}

    def items():
        for number in range(4):
            for pid in set(children(os.getpid())) - before:
                os.kill(pid, signal.SIGKILL)
                assert end([pid], 5)
                time.sleep(0.2)  # its other threads end, and its pipes with them
                died.append(pid)
            yield number

    assert by_number(Local(1).run(lambda: lambda number: number + 10, items())) == {0: 10, 1: 11, 2: 12, 3: 13}
    assert len(died) == 3


def test_nothing_is_given_to_a_worker_that_was_stopped():
    process = _Process(pickle.dumps(None), queue.SimpleQueue())
    process.kill()
    process.give(Task(0, "item"))
    assert not process.was_given


def test_items_that_fail_print_and_read_stop_nothing(capfd):
    def begin():
        import os
        import subprocess
        import sys

        def do(number):
            print("spoken", number, flush=True)
            os.write(1, b"written\n")
            if number == 1:
                raise ValueError("one\nand only")
            if number == 2:
                return input()
            if number == 3:
                return lambda: None  # cannot be pickled
            if number == 4:
                return sys.stdin.read(), subprocess.run(["cat"], capture_output=True, check=True).stdout
            return number**2

        return do

    found = by_number(engine("local", 2).run(begin, range(10)))
    assert found.pop(1).startswith("ValueError: one and only (")
    assert found.pop(2).startswith("EOFError")
    assert "pickle" in found.pop(3)
    assert found.pop(4) == ("", b"")
    assert found == {number: number**2 for number in (0, 5, 6, 7, 8, 9)}
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("spoken") == err.count("written") == 10


def test_workers_that_cannot_begin_say_why():
    def begin():
        raise NotFound("the weights are not there")

    with pytest.raises(NotFound, match=r"^the weights are not there$"):
        list(Local(2).run(begin, range(3)))

    def broken():
        raise KeyError("gone")

    with pytest.raises(BadValue, match=r"^no worker can begin: KeyError: 'gone' \(.*line \d+\)$"):
        list(Local(1).run(broken, range(3)))
    lock = threading.Lock()
    with pytest.raises(BadValue, match="what workers begin with cannot be sent to workers"):
        list(Local(1).run(lambda: lambda item: lock, range(3)))
    assert list(Local(1).run(broken, [])) == []  # nobody begins for nothing


def test_one_thread_each_and_items_are_taken_when_somebody_is_free():
    taken = finished = ahead = 0

    def begin():
        import os

        import cv2

        return lambda number: (number, os.getpid(), cv2.getNumThreads(), os.environ["OMP_NUM_THREADS"])

    def items():
        nonlocal taken, ahead
        for number in range(1000):
            taken += 1
            ahead = max(ahead, taken - finished)
            yield number
            if number % 10 == 9:  # the next ten only after these
                while finished < taken:
                    yield None

    outcomes = Local(2).run(begin, items())
    pids = set()
    for outcome in outcomes:
        finished += 1
        number, pid, *threads = outcome.value
        assert number == outcome.number == outcome.item
        assert threads == [1, "1"]
        pids.add(pid)
        if finished == 100:
            break
    outcomes.close()
    assert ahead <= 3
    assert len(pids) == 2
    assert running(pids) == []


@pytest.mark.slow
def test_torch_computes_in_one_thread_whenever_it_is_imported():
    def early():
        import torch

        return lambda item: torch.get_num_threads()

    def late():
        def do(item):
            import torch

            return torch.get_num_threads()

        return do

    for begin in (early, late):
        assert by_number(Local(1).run(begin, [0])) == {0: 1}


@pytest.mark.slow
def test_items_that_kill_their_workers_are_given_up():
    def begin():
        import os
        import signal
        import subprocess

        def do(number):
            if number == 1:
                os._exit(7)
            if number == 3:
                if os.fork() == 0:  # a child that outlives it, and holds its pipes
                    signal.pause()
                os.kill(os.getpid(), signal.SIGSEGV)
            if number == 5:
                subprocess.Popen(["sleep", "600"])
            return number

        return do

    before = set(children(os.getpid()))
    found = by_number(Local(2).run(begin, range(8)))
    assert found.pop(1) == "its worker died (exit status 7) 3 times"
    assert found.pop(3) == "its worker died (SIGSEGV) 3 times"
    assert found == {number: number for number in (0, 2, 4, 5, 6, 7)}
    assert set(children(os.getpid())) <= before

    def ill():
        import os

        os._exit(1)

    with pytest.raises(BadValue, match=r"workers die as soon as they begin \(exit status 1\)"):
        list(Local(2).run(ill, range(3)))


@pytest.mark.slow
def test_a_greedy_item_fails_alone_and_progress_is_heard():
    def begin():
        import time

        from ml4a._core import progress

        def do(number):
            progress.report(f"item {number}", 1, 1, "steps")
            if number == 1:
                held = bytearray(900 << 20)
                held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
                time.sleep(60)
            return number

        return do

    told = []
    with progress.listening(told.append):
        found = by_number(Local(2, memory=600 << 20).run(begin, range(4)))
    assert found == {0: 0, 1: "it took more memory than a worker may hold, 0.586 GiB", 2: 2, 3: 3}
    assert {event.stage for event in told} >= {"item 0", "item 1", "item 2", "item 3"}


@pytest.mark.slow
def test_cancelling_ends_the_workers_in_the_middle_of_an_item():
    def begin():
        import os
        import time

        from ml4a._core import progress

        def do(item):
            progress.report(str(os.getpid()), 1, 1)
            time.sleep(600)

        return do

    switch, pids = Cancel(), []

    def hear(event):
        pids.append(int(event.stage))
        switch.cancel()

    began = time.monotonic()
    with progress.listening(hear, switch), pytest.raises(Cancelled):
        list(Local(2).run(begin, range(4)))
    assert running(pids) == []
    assert time.monotonic() - began < 30


@pytest.mark.slow
def test_functions_of_scripts_work_and_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "job.py"
    script.write_text(
        """
import os, time
from ml4a.jobs._waiting import Task
from ml4a.jobs.engine import Here, engine
from ml4a.jobs.local import Local, _Process

def slowly(item):
    if item:
        time.sleep(600)
    return os.getpid()

def begin():
    return slowly

for outcome in Local(2).run(begin, [0, 1, 0, 1]):
    print(outcome.value, flush=True)
"""
    )
    job = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert job.stdout is not None
    with job.stdout:
        told = int(job.stdout.readline())
        workers = children(job.pid)
        assert told in workers
        assert len(workers) == 2
        job.kill()
        job.wait()
        assert end(workers, within=5)


@pytest.mark.slow
def test_two_thousand_items_while_workers_are_killed_all_the_time():
    def begin():
        import time

        def do(number):
            time.sleep(0.001)
            return number * number

        return do

    before = set(children(os.getpid()))
    chance, stop, killed = random.Random(1), threading.Event(), []

    def kill():
        while not stop.wait(0.5):
            workers = sorted(set(children(os.getpid())) - before)
            if workers:
                killed.append(chance.choice(workers))
                try:
                    os.kill(killed[-1], signal.SIGKILL)
                except ProcessLookupError:
                    killed.pop()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        outcomes = list(Local(2).run(begin, range(2000)))
    finally:
        stop.set()
        killer.join()
    assert len(killed) >= 2
    assert len(outcomes) == 2000
    assert by_number(outcomes) == by_number(Here().run(begin, range(2000)))
