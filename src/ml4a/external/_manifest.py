"""What a checkout consists of, so that a change is seen without git and without a network.

The list lies in the checkout, at `.git/ml4a.json`. A use compares sizes and times, and hashes only what differs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml4a._core.errors import Untrusted

_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_POINTER = 1024
_CODE = (".py", ".pyc", ".so", ".pyd", ".dll", ".dylib", ".zip")
"""What an import might find; other files that appear in a checkout are what its code has kept there."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a checkout."""

    commit: str
    files: dict[str, tuple[int, int, str]]
    """By path: size in bytes, time of modification in nanoseconds, and git's own hash of the content."""
    pointers: int
    """Files that only say where Git LFS keeps the real one."""
    submodules: bool
    """Whether the repository has submodules that were not fetched."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _, _ in self.files.values())


def take(tree: Path, commit: str, *, submodules: bool) -> Manifest:
    """The manifest of a checkout as it is now."""
    files, pointers = {}, 0
    for name, about in scan(tree):
        path = tree / name
        files[name] = (about.st_size, about.st_mtime_ns, blob_hash(path, about))
        pointers += _is_pointer(path, about)
    return Manifest(commit, files, pointers, (tree / ".gitmodules").is_file() and not submodules)


def write(tree: Path, manifest: Manifest) -> None:
    """Keep it with the checkout."""
    _path(tree).write_text(json.dumps(asdict(manifest)), encoding="ascii")


def read(tree: Path) -> Manifest:
    """The manifest of a checkout.

    Raises:
        Untrusted: it cannot be read.
    """
    try:
        data: dict[str, Any] = json.loads(_path(tree).read_bytes())
        files = {name: (int(size), int(time), str(digest)) for name, (size, time, digest) in data["files"].items()}
        return Manifest(str(data["commit"]), files, int(data["pointers"]), bool(data["submodules"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Untrusted(f"{tree} has lost the list of its files{_advice(tree)}") from None


def verify(tree: Path, commit: str) -> None:
    """Make sure that a checkout still holds what was fetched.

    Raises:
        Untrusted: a file was changed, removed or, where an import could find it, added; the message names it.
    """
    manifest = read(tree)
    try:
        head = (tree / ".git" / "HEAD").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        head = ""
    if head != commit or manifest.commit != commit:
        raise Untrusted(f"{tree} is no longer at commit {commit[:12]}{_advice(tree)}")
    found = dict(scan(tree))
    for name, (size, time, digest) in manifest.files.items():
        about = found.pop(name, None)
        if about is None:
            raise Untrusted(f"{tree / name} was removed since it was fetched{_advice(tree)}")
        if (about.st_size, about.st_mtime_ns) != (size, time) and blob_hash(tree / name, about) != digest:
            raise Untrusted(f"{tree / name} was changed since it was fetched{_advice(tree)}")
    for name, about in found.items():
        if name.lower().endswith(_CODE) or stat.S_ISLNK(about.st_mode):
            raise Untrusted(f"{tree / name} was added since the repository was fetched{_advice(tree)}")


def scan(tree: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Paths below `tree`, with `/` between their parts, of files and links; git's own files are left out."""
    for where, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if name not in (".git", "__pycache__"))
        for name in (*names, *folders):
            path = Path(where, name)
            with contextlib.suppress(FileNotFoundError):
                about = path.lstat()
                if name != ".git" and not stat.S_ISDIR(about.st_mode):
                    yield path.relative_to(tree).as_posix(), about


def blob_hash(path: Path, about: os.stat_result) -> str:
    """What git calls a file's content, or a link's target."""
    if stat.S_ISLNK(about.st_mode):
        target = os.fsencode(path.readlink())
        return hashlib.sha1(b"blob %d\0" % len(target) + target, usedforsecurity=False).hexdigest()
    if not stat.S_ISREG(about.st_mode):
        return "neither a file nor a link"
    digest = hashlib.sha1(b"blob %d\0" % about.st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _is_pointer(path: Path, about: os.stat_result) -> bool:
    if not stat.S_ISREG(about.st_mode) or about.st_size > _LONGEST_POINTER:
        return False
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


def _path(tree: Path) -> Path:
    return tree / ".git" / "ml4a.json"


def _advice(tree: Path) -> str:
    return f"; delete {tree} to have it fetched anew, and keep changes of your own in a copy elsewhere"
