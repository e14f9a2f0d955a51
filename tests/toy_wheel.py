"""Small wheels for the real pip to find: in a folder that is made the only index there is."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class ToyWheel:
    """A wheel on disk."""

    path: Path
    name: str

    @property
    def table(self) -> str:
        """Its table on a card."""
        data = self.path.read_bytes()
        return f"""
            [packages.{self.name}]
            version = "1.0"
            wheel = "{self.path.name}"
            size = {len(data)}
            sha256 = "{hashlib.sha256(data).hexdigest()}"
        """


def build(folder: Path, members: dict[str, bytes], *, name: str = "toy-thing", tags: str = "py3-none-any") -> ToyWheel:
    """Write a wheel that pip accepts."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.replace("-", "_")
    path = folder / f"{stem}-1.0-{tags}.whl"
    about = f"{stem}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tags}\n")
        archive.writestr(f"{about}/RECORD", "")
    return ToyWheel(path, name)


def only_index(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let pip look into `folder` and nowhere else, by the settings that a user would make."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
