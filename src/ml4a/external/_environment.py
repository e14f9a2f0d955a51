"""Environments for foreign code: packages that pip installs once into the cache, apart from ours."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ml4a._core import net, paths, progress
from ml4a._core.errors import BadValue, CannotWrite, DownloadFailed, Ml4aError, Offline
from ml4a._core.files import reason
from ml4a.media.sources import printable
from ml4a.weights.owner import owned

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])? *(?:\[[A-Za-z0-9 ,._-]*\])? *"
_VERSION = r"(?:~=|===?|!=|<=?|>=?) *[A-Za-z0-9][A-Za-z0-9.*+!]*"
_CONDITION = r"(?: *;[A-Za-z0-9_ .,'\"<>=!~()]+)?"
_BY_NAME = re.compile(rf"{_NAME}(?:{_VERSION}(?: *, *{_VERSION})*)?{_CONDITION}(?: +--hash=sha256:[0-9a-f]{{64}})*")
_ADDRESS = re.compile(rf"{_NAME}@ *(?:https|git\+https|file)://[!#-:<-~]+{_CONDITION}")
_POLL = 0.1
_ABANDONED = 24 * 3600.0  # seconds


def checked(requirements: Sequence[str], *, build: bool = False) -> tuple[str, ...]:
    """Requirements that say what is to be installed, and no option of pip; without doubles, in order.

    Args:
        requirements: As `interpreter` takes them.
        build: Whether addresses are allowed, too: pip builds what it finds there, whatever it is told.

    Raises:
        BadValue: one of them does not.
    """
    if isinstance(requirements, str):
        raise BadValue(f"requirements must be a list, [{requirements!r}]")
    for each in requirements:
        text = each.strip(" ") if isinstance(each, str) else ""
        if _ADDRESS.fullmatch(text) is not None and not build:
            raise BadValue(f"{each!r} is an address, and what lies there may have to be built: build=True allows it")
        if _BY_NAME.fullmatch(text) is None and _ADDRESS.fullmatch(text) is None:
            raise BadValue(f"a requirement looks like 'numpy==1.26.4', not {each!r}")
    return tuple(sorted({each.strip(" ") for each in requirements}))


def interpreter(requirements: Sequence[str], *, build: bool = False) -> Path:
    """The Python of an environment that has these packages, which is made if it is not there.

    It is named by what makes it another one: the requirements, and the Python that it is made with. It appears only
    when it is complete, and one process makes it while others wait.

    Args:
        requirements: What was `checked`.
        build: Whether packages without a wheel may be built.

    Raises:
        DownloadFailed: pip cannot install them; its own reason is in the message.
        Offline: they are not there, and `ML4A_OFFLINE` is set.
        CannotWrite: the cache cannot be written.
    """
    folder = root() / _key(requirements, build)
    python = folder / "bin" / "python"
    if python.exists():  # false also for a link to a Python that is gone
        return python
    wanted = ", ".join(requirements)
    if net.is_offline():
        raise Offline(f"ML4A_OFFLINE is set, and there is no environment with {wanted} in {root()} yet")
    with _writing():
        root().mkdir(parents=True, exist_ok=True)
    with owned(folder.with_suffix(".owner"), f"waiting for the environment with {wanted}") as beat:
        if not python.exists():
            _make(folder, requirements, build, beat)
    return python


def root() -> Path:
    """The folder of all environments; it may not exist yet."""
    return paths.cache_dir() / "environments"


def _key(requirements: Sequence[str], build: bool) -> str:
    made_by = [sys.version, sys.base_prefix, sysconfig.get_platform()]
    return hashlib.sha256(json.dumps([list(requirements), build, *made_by]).encode()).hexdigest()[:32]


def _make(folder: Path, requirements: Sequence[str], build: bool, beat: Callable[[], None]) -> None:
    _sweep()
    temporary = root() / f".{secrets.token_hex(6)}.tmp"
    try:
        with _writing():
            venv.EnvBuilder(symlinks=True).create(temporary / "environment")
            wanted = temporary / "requirements.txt"
            wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        _install(temporary, wanted, requirements, build, beat)
        with _writing():
            shutil.rmtree(folder, ignore_errors=True)  # of a Python that is gone
            (temporary / "environment").rename(folder)  # its Python works wherever it lies; its scripts are not used
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _install(temporary: Path, wanted: Path, requirements: Sequence[str], build: bool, beat: Callable[[], None]) -> None:
    # -P: a file pip.py in the current folder is not pip.
    command = [sys.executable, "-P", "-m", "pip", "--python", str(temporary / "environment" / "bin" / "python")]
    command += ["install", "--no-input", "--no-color", "--progress-bar=off", "--disable-pip-version-check"]
    command += [] if build else ["--only-binary=:all:"]
    command += ["--requirement", str(wanted)]
    log = temporary / "pip.log"
    # pip unpacks into the temporary folder first: beside the cache there is room.
    variables = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    variables.setdefault("PIP_RETRIES", "3")
    with _writing(), log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # a list, no shell, and requirements that were checked
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
            start_new_session=True,
        )
    with process:
        try:
            _follow(process, log, requirements, beat)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # pip has started another one
            raise
    if process.returncode != 0:
        why = _reason(log.read_text(encoding="utf-8", errors="replace"), build)
        raise DownloadFailed(printable(f"pip cannot install {', '.join(requirements)}: {why}"))


def _follow(process: subprocess.Popen[bytes], log: Path, requirements: Sequence[str], beat: Callable[[], None]) -> None:
    """Wait for pip, and tell what it is at."""
    stage = f"installing {', '.join(requirements)}"
    while process.poll() is None:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        progress.report(stage, sum(line.startswith("Collecting ") for line in lines), unit="packages")
        beat()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL)


def _reason(output: str, build: bool) -> str:
    """The line of pip's output that says what went wrong."""
    if "No module named pip" in output:
        return f"this Python has no pip; `{sys.executable} -m ensurepip` adds it"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    why = (errors or lines or ["it said nothing"])[-1]
    if "connection broken by" in output:
        return f"{why} (the package index could not be reached)"
    if "No matching distribution" in why and not build:
        return f"{why} (only wheels are looked for; build=True lets pip build, which runs code of theirs)"
    return why


def _sweep() -> None:
    """Remove what processes that were killed have left, long enough ago that it is nobody's."""
    for folder in root().glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Say in one line why the cache cannot be written.

    Raises:
        CannotWrite: in place of any other OSError.
    """
    try:
        yield
    except Ml4aError:
        raise
    except OSError as error:
        raise CannotWrite(f"cannot make an environment in {root()}: {reason(error)}") from None
