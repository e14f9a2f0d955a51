"""What a file was when it was last hashed as a whole: a line beside it, compared in milliseconds before each use.

It holds the file's size, the time of its last change and a hash of its first, middle and last MiB: that notices a file
cut short, overwritten or zeroed; a change elsewhere that kept size and time is noticed by hashing the whole file.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from pathlib import Path

_BLOCK = 1 << 20


def path_of(path: Path) -> Path:
    """Where the stamp of the file at `path` lies."""
    return path.with_name(f".{path.name}.stamp")


def agrees(path: Path) -> bool:
    """Whether the file is there and what it was."""
    try:
        return path_of(path).read_bytes().split()[:3] == _facts(path)
    except OSError:
        return False


def write(path: Path, sha256: str = "") -> None:
    """Stamp the file; with `sha256`, note also the hash of the whole, for files that are not named by it.

    Where nothing can be written there is no stamp, which agrees with nothing.
    """
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")
    with contextlib.suppress(OSError):
        temporary.write_bytes(b" ".join([*_facts(path), sha256.encode()]).rstrip() + b"\n")
        temporary.replace(path_of(path))


def sha256_of(path: Path) -> str:
    """The hash of the whole that was noted; empty if none was."""
    try:
        facts = path_of(path).read_bytes().split()
    except OSError:
        return ""
    return facts[3].decode(errors="replace") if len(facts) > 3 else ""


def _facts(path: Path) -> list[bytes]:
    """Size in bytes, time of the last change in ns, quick hash."""
    about = path.stat()
    total = hashlib.sha256()
    with path.open("rb") as file:
        for start in (0, about.st_size // 2 - _BLOCK // 2, about.st_size - _BLOCK):
            file.seek(max(0, start))
            total.update(file.read(_BLOCK))
    return f"{about.st_size} {about.st_mtime_ns} {total.hexdigest()}".encode().split()
