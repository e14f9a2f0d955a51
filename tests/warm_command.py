"""The command line in processes of their own, forked from one that has imported everything: no test waits for torch.

Such a process does not prove that what it needs is imported, nor what an interpreter reads as it starts (`PYTHON…`,
`OMP_…`, the locale) or does as it ends. Tests of those start an interpreter.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

IMPORTED = (
    *("torch", "cv2", "av", "ml4a.cli.app", "ml4a.jobs", "ml4a.networks.architectures", "ml4a.networks"),
    *("ml4a.models.fast_style", "ml4a.models.hed", "ml4a.models.real_esrgan"),
    *("ml4a.media.image", "ml4a.media.video", "ml4a.media.audio", "ml4a.media.canvas", "ml4a.media.color"),
)
"""Before the fork. None of them computes anything as it is imported, so that no threads are lost."""

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(IMPORTED))


def run(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    input: bytes = b"",
    before: Callable[[], object] | None = None,
    timeout: float = 300,
) -> subprocess.CompletedProcess[bytes]:
    """Run `ml4a` with these arguments.

    Args:
        arguments: What comes after `ml4a`.
        cwd: The folder that it runs in.
        env: The environment, by default this process's.
        input: What it reads on standard input.
        before: A function of a module, called in the new process first.
        timeout: In seconds.

    Raises:
        subprocess.TimeoutExpired: it took longer, and was stopped.
    """
    with tempfile.TemporaryDirectory() as folder:
        streams = [str(Path(folder) / name) for name in ("stdin", "stdout", "stderr")]
        Path(streams[0]).write_bytes(input)
        environment = dict(os.environ if env is None else env)
        process = _forks.Process(target=_work, args=(arguments, str(cwd), environment, streams, before))
        process.start()
        process.join(timeout)
        status = process.exitcode
        if status is None:
            process.kill()
            process.join()
        process.close()
        output, errors = (Path(stream).read_bytes() for stream in streams[1:])
    if status is None:
        raise subprocess.TimeoutExpired(arguments, timeout, output, errors)
    return subprocess.CompletedProcess(arguments, status, output, errors)


def _work(
    arguments: tuple[str, ...],
    cwd: str,
    environment: dict[str, str],
    streams: list[str],
    before: Callable[[], object] | None,
) -> None:
    """Be the command: take its place, its environment and its streams, and end with its status."""
    for number, path in enumerate(streams):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    if before is not None:
        before()
    sys.argv = ["ml4a", *arguments]
    from ml4a.cli import main

    sys.exit(main())
