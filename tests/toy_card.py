"""A card of the user's own, in `<config>/cards`: how tests have small files fetched from servers of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ml4a._core import paths


def write(
    data: bytes,
    *sources: str,
    name: str = "toy",
    file_name: str = "toy.bin",
    known: bool = True,
    more: str = "",
    verbs: Sequence[str] = (),
) -> Path:
    """Write the card of one file that holds `data`; return where the file will lie in the cache.

    Without `known`, the card tells neither size nor SHA-256; `more` are further lines about the file. The verbs are
    those of a plug-in's model.
    """
    return write_files(
        {"network": data},
        {"network": list(sources)},
        name=name,
        names={"network": file_name},
        known=known,
        more=more,
        verbs=verbs,
    )


def write_files(
    files: dict[str, bytes],
    sources: dict[str, list[str]],
    *,
    name: str = "toy",
    names: dict[str, str],
    packages: str = "",
    known: bool = True,
    more: str = "",
    verbs: Sequence[str] = (),
) -> Path:
    """Write a card of several files by role; return where the first will lie in the cache."""
    tables = []
    for role, data in files.items():
        hashes = f'size = {len(data)}\nsha256 = "{hashlib.sha256(data).hexdigest()}"' if known else ""
        tables.append(f"""
            [weights.small.files.{role}]
            name = {json.dumps(names[role])}
            {hashes}
            {more}
            format = "torch"
            sources = {json.dumps(sources[role])}
        """)
    folder = paths.config_dir() / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(
        f"""
            title = "Toy"
            task = "toy"
            summary = "For tests."
            {f"verbs = {json.dumps(list(verbs))}" if verbs else ""}
            {packages}
            [weights.small]
            licence = "MIT"
            licence_source = "this test"
            commercial = "yes"
            {"".join(tables)}
        """,
        encoding="utf-8",
    )
    role = next(iter(files))
    return paths.cache_dir() / "weights" / hashlib.sha256(files[role]).hexdigest() / names[role]
