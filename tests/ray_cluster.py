"""A real Ray cluster on this machine: a head that does no work, and nodes whose plug can be pulled."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_STORE = str(80 * 2**20)
"""Bytes of each node's store of objects."""

_NOTICES_DEATHS = (
    '{"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_timeout_ms": 3000, '
    '"health_check_failure_threshold": 4}'
)
"""Of the head: that a node is gone is noticed in seconds, not in a quarter of a minute."""

_LONGEST_START = 120
"""Seconds that a node may take to join, where the machine is busy."""


class RayCluster:
    """What `started` gives. Its nodes are processes of this machine, each with all that a machine of a cluster runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._log = (folder / "nodes.log").open("wb")
        head = ["--head", "--port=0", "--num-cpus=0", "--include-dashboard=false", f"--system-config={_NOTICES_DEATHS}"]
        self._start(*head, "--disable-usage-stats")

    @property
    def address(self) -> str:
        """Of the head."""
        return (self._folder / "0" / "ray_current_cluster").read_text().strip()

    def add(self, processors: int = 1) -> subprocess.Popen[bytes]:
        """Start one more node; it joins in its own time."""
        node = self._start(f"--address={self.address}", f"--num-cpus={processors}")
        self.nodes.append(node)
        return node

    def pull_the_plug(self, node: subprocess.Popen[bytes]) -> None:
        """End all processes of a node at once; nobody is told."""
        self.nodes.remove(node)
        _kill_tree(node)

    def stop(self) -> None:
        """End all nodes."""
        for process in self._processes:
            _kill_tree(process)
        self._log.close()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--include-log-monitor=false"]
        command += [f"--object-store-memory={_STORE}"]
        # Folders of their own, or nodes that start at the same time would choose the same names for their sockets.
        command += [f"--temp-dir={self._folder / str(len(self._processes))}"]
        node = subprocess.Popen(
            [*command, *arguments],
            env={**os.environ, "RAY_raylet_start_wait_time_s": str(_LONGEST_START)},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._processes.append(node)
        return node

    def wait(self) -> None:
        """Wait until all nodes have joined."""
        deadline = time.monotonic() + _LONGEST_START
        while self._told().count("Ray runtime started") < len(self._processes):
            if time.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                raise RuntimeError(f"no cluster was started: {self._told()[-3000:]}")
            time.sleep(0.1)

    def _told(self) -> str:
        return (self._folder / "nodes.log").read_text(errors="replace")


@contextlib.contextmanager
def started(nodes: int) -> Iterator[RayCluster]:
    """A cluster of so many nodes of one processor, and the environment in which this process may join it."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # a short path: sockets have names of 107 bytes
    cluster = None
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in secret}
    os.environ.update(secret)
    _read_environment_again()
    try:
        cluster = RayCluster(folder)
        cluster.wait()
        for _ in range(nodes):
            cluster.add()
        cluster.wait()
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        _read_environment_again()
        shutil.rmtree(folder, ignore_errors=True)


def children(pid: int) -> list[int]:
    """The processes that a process has started, and that these have started."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, new = [], [pid]
    while new:
        new = [child for parent in new for child in parents.get(parent, [])]
        found += new
    return found


def _read_environment_again() -> None:
    """Ray reads its settings when it is imported, which another test may have done."""
    if "ray" in sys.modules:
        from ray._raylet import AuthenticationTokenLoader, Config

        Config.initialize("")
        AuthenticationTokenLoader.instance().reset_cache()


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:  # it was killed before; its number may be another's now
        return
    for pid in (process.pid, *children(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
