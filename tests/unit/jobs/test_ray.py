"""The engine `ray`, on a real cluster of several nodes, which are lost and join while it works."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray_cluster
from lying_server import LyingServer

import ml4a
from ml4a import image
from ml4a._core import progress
from ml4a._core.errors import BadValue, Cancelled, NotFound
from ml4a._core.progress import Cancel
from ml4a.jobs.engine import Here, engine
from ml4a.jobs.ray import Ray

pytestmark = pytest.mark.xdist_group("ray")

NODES = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[ray_cluster.RayCluster]:
    with ray_cluster.started(NODES) as running:
        yield running


def squares():
    """What begins, and squares numbers: 13 fails, and 17 ends its process."""

    def square(number):
        import os

        if number == 13:
            raise ValueError("thirteen")
        if number == 17:
            os._exit(3)
        return number**2

    return square


def by_number(outcomes) -> dict[int, Any]:
    return {outcome.number: outcome.value if outcome.reason is None else outcome.reason for outcome in outcomes}


def ends(pid: int, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_what_cannot_be_is_refused_in_one_line(server: LyingServer, tmp_path, monkeypatch: pytest.MonkeyPatch):
    for gpus in (-0.5, 1.5, True):
        with pytest.raises(BadValue, match="gpus must be a part of one GPU"):
            Ray(gpus=gpus)
    for address in ("here", "ray://host:1", "host:0", "host:port", ":6379"):
        with pytest.raises(BadValue, match="the address of a Ray cluster is"):
            list(Ray(address=address).run(squares, [1]))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(BadValue, match=f"the Ray cluster at {nobody} cannot be reached: Connection refused"):
        list(Ray(address=nobody).run(squares, [1]))
    with pytest.raises(BadValue, match="something else answers there"):
        list(Ray(address=server.url("").partition("//")[2]).run(squares, [1]))
    monkeypatch.setenv("RAY_ADDRESS", nobody)
    with pytest.raises(BadValue, match="cannot be reached"):
        _ = Ray(address="auto").workers
    for name in ("one.png", "two.png"):
        image.save(np.zeros((4, 4, 3), np.float32), tmp_path / name)
    with pytest.raises(BadValue, match="cannot be reached"):  # of the job, not of each input
        ml4a.apply(lambda picture: picture, tmp_path, tmp_path / "out", engine="ray", address=nobody)
    assert time.monotonic() - began < 5
    assert list(Ray(address=nobody).run(squares, [])) == []  # nothing to do: nobody is asked


@pytest.mark.slow
def test_a_models_pictures_and_films_are_the_same_to_the_bit(cluster, tmp_path):
    photo = image.load("sample:astronaut")
    crops = [photo.crop((x, 0, x + 64, 64)) for x in range(0, 256, 32)]
    (tmp_path / "in").mkdir()
    for number, crop in enumerate(crops[:4]):
        crop.save(tmp_path / "in" / f"{number}.png")
    crops[0].save(tmp_path / "in" / "film.gif", save_all=True, append_images=crops[1:], duration=100)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    style = ml4a.load("fast_style")
    made = {}
    for engine_name, address in (("local", None), ("ray", cluster.address)):
        summary = ml4a.apply(
            style, tmp_path / "in", tmp_path / engine_name, style=3, workers=2, engine=engine_name, address=address
        )
        assert [label for label, _ in summary.failed] == [str(tmp_path / "in" / "broken.png")]
        made[engine_name] = {path.name: path.read_bytes() for path in summary.done}
    assert len(made["local"]) == 5
    assert made["ray"] == made["local"]


@pytest.mark.slow
def test_an_item_that_fails_and_one_that_kills_its_worker_stop_nothing(cluster, capfd):
    found = by_number(Ray(address=cluster.address).run(squares, range(20)))
    assert found.pop(13).startswith("ValueError: thirteen (")
    assert found.pop(17) == "its worker died (its process ended) 3 times"
    assert found == {number: number**2 for number in range(20) if number not in (13, 17)}
    assert capfd.readouterr() == ("", "")  # what Ray says of deaths is not for standard output


@pytest.mark.slow
def test_machines_are_lost_and_join_in_the_middle(cluster):
    def begin():
        import time

        import ray

        def do(number):
            time.sleep(0.1)
            return ray.get_runtime_context().get_node_id(), number**3

        return do

    seen: dict[str, list[int]] = {}
    found: dict[int, int] = {}
    lost_at = 0
    deadline = time.monotonic() + 90

    def items():
        number = 0
        while number < 60 or (len(seen) <= NODES and time.monotonic() < deadline):
            yield number
            number += 1

    for outcome in Ray(address=cluster.address).run(begin, items()):
        assert outcome.reason is None
        node, found[outcome.number] = outcome.value
        seen.setdefault(node, []).append(len(found))
        if not lost_at and len(seen) == NODES and len(found) >= 10:
            lost_at = len(found)
            cluster.pull_the_plug(cluster.nodes[0])
            cluster.add()
    assert len(found) >= 60
    assert found == by_number(Here().run(lambda: lambda number: number**3, range(len(found))))  # each once, none lost
    assert len(seen) == NODES + 1  # the new one works, too
    assert min(max(counts) for counts in seen.values()) <= lost_at + 1  # the one that was lost has not since


@pytest.mark.slow
def test_each_worker_begins_once_and_items_are_taken_when_one_is_free(cluster, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("ml4a.jobs.ray.versions", lambda: {"torch": "0.1"})
    taken = finished = ahead = 0
    pids = set()

    def begin():
        import os
        import tempfile
        import time

        tempfile.mkstemp(dir=tmp_path)

        def do(number):
            time.sleep(0.02)
            return number, os.getpid()

        return do

    def items():
        nonlocal taken, ahead
        for number in itertools.count():
            taken += 1
            ahead = max(ahead, taken - finished)
            yield number
            if number % 10 == 9:  # the next ten only after these
                while finished < taken:
                    yield None

    outcomes = Ray(2, address=cluster.address).run(begin, items())
    for outcome in outcomes:
        finished += 1
        assert outcome.value[0] == outcome.number
        pids.add(outcome.value[1])
        if finished >= 100 and len(pids) == 2:
            break
    outcomes.close()
    assert 2 <= ahead <= 3
    assert len(list(tmp_path.iterdir())) == len(pids) == 2
    assert all(ends(pid) for pid in pids)
    assert "torch" in caplog.text
    assert "0.1 here" in caplog.text


@pytest.mark.slow
def test_a_greedy_item_fails_alone_and_progress_is_heard(cluster):
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
        found = by_number(Ray(1, address=cluster.address, memory=600 << 20).run(begin, range(4)))
    assert found == {0: 0, 1: "it took more memory than a worker may hold, 0.586 GiB", 2: 2, 3: 3}
    assert {event.stage for event in told} >= {"item 0", "item 2", "item 3"}


@pytest.mark.slow
def test_what_keeps_workers_from_beginning_is_said_as_it_is(cluster, monkeypatch):
    def begin():
        from ml4a._core.errors import NotFound

        raise NotFound("the weights are not there")

    with pytest.raises(NotFound, match=r"^the weights are not there$"):
        list(Ray(address=cluster.address).run(begin, range(3)))
    monkeypatch.setattr("ml4a.jobs.ray._PLACING", 1.0)
    with pytest.raises(
        BadValue, match=r"each needs a processor and 0\.5 of a GPU; the cluster has .* 0 GPUs \(0 free\)"
    ):
        list(Ray(address=cluster.address, gpus=0.5).run(squares, range(3)))


@pytest.mark.slow
def test_a_connection_of_the_programs_own_is_used_and_left_alone(cluster):
    import ray

    ray.init(address=cluster.address, log_to_driver=False)
    try:
        by = engine("ray", 1)
        data = by.carry(b"carried" * 100_000)
        items = [(number, data) for number in range(3)]
        found = by_number(by.run(lambda: lambda item: (item[0], len(item[1]())), items))
        assert found == {number: (number, 700_000) for number in range(3)}
        assert ray.is_initialized()
        with pytest.raises(BadValue, match="connected to the Ray cluster at"):
            list(Ray(address="127.0.0.1:1").run(squares, [1]))
        switch = Cancel()
        with progress.listening(None, switch), pytest.raises(Cancelled):
            for _ in Ray(1).run(lambda: lambda number: number, range(10)):
                switch.cancel()
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_ctrl_c_ends_a_cluster_that_was_started_here(tmp_path):
    script = tmp_path / "job.py"
    script.write_text(
        """
import os, sys, time
from ml4a.jobs.ray import Ray

def begin():
    def do(number):
        if number:
            time.sleep(600)
        return os.getpid()
    return do

if __name__ == "__main__":
    for outcome in Ray(1).run(begin, range(3)):
        print(outcome.value, flush=True)
"""
    )
    job = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert job.stdout is not None
    worker = int(job.stdout.readline())
    processes = ray_cluster.children(job.pid)
    assert worker in processes
    time.sleep(0.5)
    job.send_signal(signal.SIGINT)
    out, err = job.communicate(timeout=30)
    assert job.returncode in (1, 130, -signal.SIGINT)
    assert b"KeyboardInterrupt" in err
    assert out == b""
    assert all(ends(pid) for pid in processes)
