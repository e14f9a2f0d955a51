"""Ctrl-C in a process that runs `ml4a`, as a terminal sends it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def ctrl_c(*arguments: str, cwd: Path, when: Callable[[], bool]) -> tuple[int, bytes, str]:
    """Start `ml4a`, press Ctrl-C when it is time; its status, output and errors."""
    command = [sys.executable, "-m", "ml4a", *arguments]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
        deadline = time.monotonic() + 60
        while not when():
            assert worker.poll() is None, worker.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        worker.send_signal(signal.SIGINT)
        output, errors = worker.communicate(timeout=60)
    return worker.returncode, output, errors.decode()


def is_written(folder: Path, size: int) -> bool:
    """Whether a file is being written there of which so many bytes are on the disk."""
    return any(path.stat().st_size >= size for path in folder.glob(".*.part.*"))
