"""Trust on first use: what a file without a published SHA-256 was when it first came, at `<config>/pins/`.

A pin belongs to an address as a card spells it, so that two cards that name one address share it, and so that a card
may gain further addresses. There is one small file for each: whoever creates it first has decided, whatever happens at
the same time. A card that learns the SHA-256 later is believed more than a pin.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import secrets
import tomllib
from pathlib import Path

from ml4a._core import net, paths
from ml4a._core.errors import BadValue, BadWeights, CannotWrite
from ml4a._core.files import reason

from .schema import File

log = logging.getLogger("ml4a")


def known(file: File) -> File:
    """`file`, with the size and SHA-256 that are held to where the card does not know them.

    Raises:
        BadValue: a pin cannot be read; the message names its file.
    """
    if file.sha256:
        return file
    for source in file.sources:
        path = _path(source)
        if path.exists():
            return _read(path, file)
    return file


def keep(file: File, size: int, sha256: str) -> File:
    """Hold `file`, which has just come for the first time, to `size` and `sha256` from now on; say so.

    Raises:
        BadWeights: it does not begin as the card says, or another process has just got another file from there.
        BadValue: a pin cannot be read.
        CannotWrite: the folder of settings cannot be written.
    """
    if not sha256.startswith(file.sha256_start):
        raise BadWeights(f"{file.name} has SHA-256 {sha256[:12]}…, but it should begin with {file.sha256_start}")
    mine = dataclasses.replace(file, size=size, sha256=sha256)
    for source in file.sources:
        path = _path(source)
        _create(path, f'source = "{_quoted(source)}"\nsize = {size}\nsha256 = "{sha256}"\n')
        there = _read(path, file)
        if there.sha256 != sha256:
            raise BadWeights(f"{file.name} has SHA-256 {sha256[:12]}…, but another process has just got another one")
    log.warning(
        "%s: nobody has published its SHA-256, so the one that came first, from %s, is kept to from now on: %s",
        *(file.name, net.shown(file.sources[0]), sha256),
    )
    return mine


def advice(file: File) -> str:
    """What the user may do about a file that is another than `file` was at first; empty if its card knows it."""
    for source in file.sources:
        path = _path(source)
        if path.exists() and _read(path, file).sha256 == file.sha256:
            return f", as it had when it first came; if you trust the new one, delete {path}"
    return ""


def _path(source: str) -> Path:
    return paths.config_dir() / "pins" / f"{hashlib.sha256(source.encode()).hexdigest()[:32]}.toml"


def _create(path: Path, text: str) -> None:
    """Write the file whole, unless there is one."""
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        try:
            os.link(temporary, path)  # fails where the name is taken, unlike a rename
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                temporary.replace(path)
    except OSError as error:
        raise CannotWrite(f"cannot write to the settings {path.parent}: {reason(error)}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _read(path: Path, file: File) -> File:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return dataclasses.replace(file, size=data["size"], sha256=data["sha256"], sha256_start="")
    except (OSError, ValueError, KeyError) as error:
        raise BadValue(f"{path}, which holds {file.name} to its first download, cannot be read: {error}") from None


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
