"""Running git on what others have published: no shell, no hooks, no questions, and nothing longer than it should be."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ml4a._core import limits, net, progress
from ml4a._core.errors import DownloadFailed, MissingExtra, TooLarge

STALL = 60.0
"""Seconds in which git neither says nor writes anything, after which it is given up."""

_OWN = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_PROXY_SSL_CAINFO")
"""What the user may have set about the way to the web; everything else that git reads from the environment is dropped,
since it may name other repositories, configurations and programs."""

_SETTINGS = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.autocrlf=false",  # the bytes of the commit, on every system
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "filter.lfs.smudge=",  # large files stay pointers: they would come from elsewhere, by another program
    "filter.lfs.process=",
    "filter.lfs.required=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.ext.allow=never",
    "advice.detachedHead=false",
    "init.defaultBranch=none",
)
_LOGIN = (
    "could not read Username",
    "could not read Password",
    "Permission denied (publickey",
    "terminal prompts disabled",
)
_LONGEST_OUTPUT = 64 << 20


class GitFailed(DownloadFailed):
    """Git ended with an error; the message is its own."""

    hopeless = False
    """Whether asking the other side for something else cannot help either."""


class GitStalled(GitFailed):
    """Git was given up."""

    hopeless = True


class NoAccess(GitFailed):
    """The other side shows nothing to us."""

    hopeless = True


class Git:
    """Git, working in one scratch folder, which nobody else uses."""

    def __init__(
        self, scratch: Path, protocols: Sequence[str], stage: str, beat: Callable[[], None] = lambda: None
    ) -> None:
        """Set it up; nothing is started.

        Args:
            scratch: A folder for everything that git writes; `tree` in it is the checkout.
            protocols: Those that it may speak.
            stage: What is being done, for the user.
            beat: Called now and then, as a sign of life.

        Raises:
            MissingExtra: git is not installed.
        """
        program = shutil.which("git")
        if program is None:
            raise MissingExtra("git is needed to fetch repositories, and is not installed; https://git-scm.com has it")
        self.tree = scratch / "tree"
        self._program = os.path.abspath(program)  # noqa: PTH100  # links stay: some are told by their name
        self._scratch = scratch
        self._protocols = tuple(protocols)
        self._stage = stage
        self._beat = beat

    def __call__(self, *arguments: str) -> str:
        """Run git with these arguments, below the checkout if there is one, to its end; what it says on its output.

        Raises:
            GitFailed: it failed, or stalled.
            TooLarge: more has come than a repository may have.
            Cancelled: the user stopped the work.
        """
        command = [self._program]
        for setting in _SETTINGS:
            command += ["-c", setting]
        folder = self.tree if self.tree.is_dir() else self._scratch
        output, errors = self._scratch / "output", self._scratch / "errors"
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(  # noqa: S603  # a list, no shell, and addresses behind a `--`
                [*command, *arguments],
                cwd=folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # so that what it starts can be stopped with it
            )
        with process:
            try:
                self._wait(process)
            except BaseException:
                _stop(process)
                raise
        if process.returncode != 0:
            raise _failure(errors)
        return output.read_text(encoding="utf-8", errors="surrogateescape")

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name in _OWN or not name.startswith("GIT_")}
        return environment | {
            "GIT_ALLOW_PROTOCOL": ":".join(self._protocols),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self._scratch.parent),  # a repository around the cache is not ours
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "SSH_ASKPASS": "",
            "SSH_ASKPASS_REQUIRE": "never",
            "LC_ALL": "C",
        }

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        pause, seen, since = 0.002, -1, time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause)
                return
            began = time.monotonic()
            size = _size(self._scratch)
            pause = min(max(1.5 * pause, 5 * (time.monotonic() - began)), 0.5)
            if size > limits.REPOSITORY_BYTES or (self._scratch / "output").stat().st_size > _LONGEST_OUTPUT:
                raise TooLarge(
                    f"the repository has more than {limits.REPOSITORY_BYTES / 1e9:.1f} GB, which is not fetched; "
                    "get what you need of it by hand, and give the folder"
                )
            if size != seen:
                seen, since = size, time.monotonic()
            elif time.monotonic() - since > STALL:
                raise GitStalled("it stalled")
            progress.report(self._stage, size, None, "B")
            self._beat()


def _size(folder: Path) -> int:
    """Bytes below `folder`, as far as they are there while git is writing."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it has been renamed meanwhile
                total += os.lstat(Path(where, name)).st_size
    return total


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill git and what it has started."""
    with contextlib.suppress(OSError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _failure(errors: Path) -> GitFailed:
    """What git complained of, with the line of its own that says what went wrong."""
    with errors.open("rb") as file:
        file.seek(max(0, errors.stat().st_size - 20_000))
        text = file.read().decode(errors="replace")
    if "Host key verification failed" in text:
        return NoAccess("ssh does not know that host; connect to it once by hand")
    if any(sign in text for sign in _LOGIN):
        return NoAccess("it does not exist, or is not public, or git has no login for it")
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    fatal = [line.partition(":")[2].strip() for line in lines if line.startswith(("fatal:", "error:", "ERROR:"))]
    kind = NoAccess if "unable to access" in text else GitFailed
    return kind(plain((fatal or lines or ["git said nothing"])[0]))


def plain(text: str, length: int = 200) -> str:
    """One line of what a stranger wrote, as it may be printed: without addresses' secrets and control characters."""
    words = [net.shown(word) if "://" in word else word for word in text.split()]
    line = "".join(character if character.isprintable() else "?" for character in " ".join(words))
    return line if len(line) <= length else line[: length - 1] + "…"
