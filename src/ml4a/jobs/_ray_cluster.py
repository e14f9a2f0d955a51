"""Joining a Ray cluster, or starting one here, without a word more than is needed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ml4a._core import extras
from ml4a._core.errors import BadValue

_PATIENCE = 5.0
"""Seconds that a cluster has to answer."""

_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client of HTTP/2, which a cluster's head speaks, begins: the preface of RFC 9113, and empty settings."""

_SETTINGS = 4

_RESOURCES = (("CPU", "processors"), ("GPU", "GPUs"))


class Cluster:
    """The cluster that this process is connected to.

    Args:
        address: `"auto"`, or `HOST:PORT` of its head; None starts one on this machine. A connection that this program
            has already is used.
        processors: How many a cluster that is started here is to have; None for this machine's.

    Raises:
        MissingExtra: Ray is not installed.
        BadValue: the cluster cannot be reached, or does not take us.
    """

    def __init__(self, address: str | None, processors: int | None = None) -> None:
        self.ray: Any = imported()
        self.is_ours = not self.ray.is_initialized()
        """Whether the connection was made here."""
        self._may_grow = address is not None or not self.is_ours
        """Whether machines may join it."""
        self._level = logging.getLogger("ray").level
        if not self.is_ours:
            self._refuse_another(address)
            return
        if address is not None:
            _look_for(address)
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            self._connect(address, processors)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Disconnect, if the connection was made here; a cluster that was started here ends."""
        if self.is_ours:
            with _signals_kept():
                self.ray.shutdown()
            logging.getLogger("ray").setLevel(self._level)

    def room_for(self, gpus: float) -> int:
        """How many workers it has processors for, and GPUs if each needs a part of one; at least one."""
        has = self.ray.cluster_resources()
        room = int(has.get("CPU", 0))
        if gpus:
            room = min(room, int(has.get("GPU", 0) / gpus + 1e-6))
        return max(1, room)

    def may_have(self, needs: dict[str, float]) -> bool:
        """Whether it has as much of each resource as one worker needs, or may come to have it."""
        has = self.ray.cluster_resources()
        return self._may_grow or all(has.get(name, 0) >= amount for name, amount in needs.items())

    def described(self) -> str:
        """What it has, for an error."""
        has, free = self.ray.cluster_resources(), self.ray.available_resources()
        machines = sum(node["Alive"] for node in self.ray.nodes())
        parts = [f"{has.get(name, 0):g} {label} ({free.get(name, 0):g} free)" for name, label in _RESOURCES]
        return f"{machines} machine{'s' * (machines != 1)}, {', '.join(parts)}"

    def _connect(self, address: str | None, processors: int | None) -> None:
        ray = self.ray
        settings: dict[str, Any] = {"address": address, "configure_logging": False, "log_to_driver": False}
        settings["job_config"] = ray.job_config.JobConfig(_py_driver_sys_path=_own_path())
        if address is None:
            settings |= {"address": "local", "include_dashboard": False, "num_cpus": processors}
        try:
            with _signals_kept():
                ray.init(**settings)
        except (ray.exceptions.RayError, RuntimeError, ValueError, OSError) as error:
            raise BadValue(f"{_named(address)} cannot be used: {_line(error)}{_hint(error)}") from None
        # Else Ray prints what happens to nodes and workers on standard output, where results may be.
        ray._private.worker._worker_logs_enabled = False  # noqa: SLF001  # no public form exists

    def _refuse_another(self, address: str | None) -> None:
        here = self.ray.get_runtime_context().gcs_address
        if address not in (None, "auto", here):
            raise BadValue(f"this program is connected to the Ray cluster at {here} already, not to {address}")


def imported() -> Any:
    """Ray, which is told to report its use to nobody, and not to try again for long.

    Raises:
        MissingExtra: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "5")
    return extras.load("ray", "ray")


def _look_for(address: str) -> None:
    """Refuse an address where no cluster answers: Ray itself would try for minutes."""
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS", "auto")
        if address == "auto":
            return  # Ray looks at the processes of this machine
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16) or "/" in host:
        raise BadValue(f'the address of a Ray cluster is "auto" or HOST:PORT, not {address!r}')
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE) as connection:
            connection.sendall(_GREETING)
            answer = connection.recv(9)  # the head of a frame
    except OSError as error:
        raise BadValue(f"{_named(address)} cannot be reached: {error.strerror or error}") from None
    if len(answer) < 4 or answer[3] != _SETTINGS:
        raise BadValue(f"{_named(address)} cannot be reached: something else answers there")


def _hint(error: BaseException) -> str:
    """What else to do where something answers that will not have us."""
    if not isinstance(error, ConnectionError):
        return ""
    return "; if it asks for a token, put that into ~/.ray/auth_token and set RAY_AUTH_MODE=token"


def _own_path() -> list[str]:
    """Where this program looks for modules, less what the workers' own Python brings."""
    return [path for path in sys.path if path and not path.startswith((sys.prefix, sys.base_prefix))]


def _named(address: str | None) -> str:
    return "a Ray cluster on this machine" if address in (None, "auto") else f"the Ray cluster at {address}"


def _line(error: Exception) -> str:
    """An error of Ray in one line: its first paragraph."""
    return " ".join(str(error).strip().split("\n\n")[0].split())[:300]


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Put the program's own handler of SIGTERM back, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
