"""Zip and tar archives, honest and hostile, for tests of what takes one member out of them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path


def zipped(path: Path, members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip archive."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(
    path: Path, members: dict[str, bytes], *, mode: str = "w:gz", format: int = tarfile.PAX_FORMAT, kind: bytes = b"0"
) -> Path:
    """Write a tar archive; `kind` makes all members links or devices."""
    with tarfile.open(path, mode, format=format) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(data) if kind == b"0" else 0
            about.type = kind
            about.linkname = "/etc/passwd" if kind in (b"1", b"2") else ""
            archive.addfile(about, io.BytesIO(data))
    return path
