"""Copies of cached weights as safetensors, which are mapped into memory instead of being unpacked at each use.

A copy is at `<cache>/converted/<sha256>.safetensors`, named by the file that it was made from; of a network in two
files by both. It appears when it is complete, is stamped as cached files are, and can be thrown away at any time: the
next use makes it again. A cache that cannot be written is read all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

from ml4a._core import paths
from ml4a._core.errors import BadWeights, CannotWrite, NotFound
from ml4a._core.files import atomic

from . import cache, formats, plain_json, stamp
from .formats import Archive, Source, Tensor, safetensors

log = logging.getLogger("ml4a")

_VERSION = "1"
"""Of the readers: raised when one of them reads something differently, so that copies are made again."""
_PREFIX = "//"
"""What tensors that belong to the metadata are named by, before their number."""
_ABOUT = "//about"
"""The tensor that is no tensor: facts about the copy, and the metadata, as JSON."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ABANDONED = 7 * 24 * 3600.0  # seconds
_SHOWN = 3


def read(path: Source, format: str | None = None) -> Archive:
    """Read a weights file as plain tensors and values: once as it is, and from then on from a copy that is mapped.

    Only files in the cache have copies: they are known by their SHA-256. Any other file is read as it is; hashing it
    would take as long. A warning names tensors that have NaN or infinities in them.

    Args:
        path: the file; in the formats of `formats.PAIRS` the two.
        format: what it has to be; None takes whatever it is.

    Raises:
        NotFound: there is no such file.
        UnknownName: there is no such format.
        UnsafeWeights: it asks for code to be run. Nothing was run.
        BadWeights: it is broken, cut short, or in another format.
    """
    sources = _sources(path)
    copy = folder() / f"{'-'.join(sources)}.safetensors" if sources else None
    opened = _opened(copy, sources, format) if copy else None
    if opened is not None:
        archive, not_finite = opened
    else:
        archive = formats.read(path, format)
        not_finite = archive.not_finite()
        if copy is not None and archive.format != "safetensors" and _stored(archive, not_finite, copy, sources):
            # The file's own tensors, some of which are copies in memory, are let go.
            archive, _ = _opened(copy, sources, format) or (archive, not_finite)
    if not_finite:
        named = ", ".join(map(repr, not_finite[:_SHOWN])) + ", …" * (len(not_finite) > _SHOWN)
        log.warning("%s: %d of its tensors have NaN or infinities in them: %s", _name(path), len(not_finite), named)
    return archive


def folder() -> Path:
    """Where the copies are; it may not exist yet."""
    return paths.cache_dir() / "converted"


def copies(sha256: str = "") -> list[Path]:
    """All copies, or those that were made from the file with this SHA-256."""
    return sorted(path for path in folder().glob("[!.]*.safetensors") if sha256 in path.stem.split("-") or not sha256)


def forget(sha256: str = "") -> int:
    """Remove all copies, or those that were made from the file with this SHA-256; return how many bytes they had.

    Raises:
        CannotWrite: the cache cannot be written, or a copy is in use.
    """
    freed = 0
    for path in copies(sha256):
        with cache.writing():
            freed += path.stat().st_size
            path.unlink()
            stamp.path_of(path).unlink(missing_ok=True)
    return freed


def verify() -> list[Path]:
    """Hash every copy from the first byte to the last, and remove those that are not what they were; return these."""
    damaged = [path for path in copies() if cache.sha256_of(path) != stamp.sha256_of(path)]
    for path in damaged:
        with contextlib.suppress(OSError):
            stamp.path_of(path).unlink(missing_ok=True)
            path.unlink()
    return damaged


def _name(path: Source) -> str:
    return Path(path[0] if isinstance(path, tuple) else path).name


def _sources(path: Source) -> list[str]:
    """The SHA-256 of each file, if all are in the cache and what they were."""
    found = []
    for part in map(Path, path if isinstance(path, tuple) else (path,)):
        sha256 = part.parent.name
        if part.parent.parent != cache.root() or not _SHA256.fullmatch(sha256) or not stamp.agrees(part):
            return []
        found.append(sha256)
    return found


def _opened(copy: Path, sources: list[str], format: str | None) -> tuple[Archive, list[str]] | None:
    """What is in a copy, and the tensors in it that are not finite; None if it is not there or cannot be used."""
    if not stamp.agrees(copy):
        return None
    try:
        held = safetensors.read(copy)
        about: Any = json.loads(bytes(held.tensors.pop(_ABOUT).data))
        if about["version"] != _VERSION or about["sources"] != sources or format not in (None, about["format"]):
            return None
        names = [f"{_PREFIX}{number}" for number in range(sum(name.startswith(_PREFIX) for name in held.tensors))]
        inner = [held.tensors.pop(name) for name in names]
        return Archive(about["format"], plain_json.decode(about["metadata"], inner), held.tensors), about["not_finite"]
    except (BadWeights, NotFound, ValueError, LookupError, TypeError, RecursionError):
        return None


def _stored(archive: Archive, not_finite: list[str], copy: Path, sources: list[str]) -> bool:
    """Write the copy; False where that is not possible, which is no reason not to use the weights."""
    inner: list[Tensor] = []
    try:
        about = {
            "version": _VERSION,
            "sources": sources,
            "format": archive.format,
            "not_finite": not_finite,
            "metadata": plain_json.encode(archive.metadata, inner),
        }
        if any(name.startswith(_PREFIX) for name in archive.tensors):
            return False
        text = json.dumps(about).encode()
        tensors = archive.tensors | {f"{_PREFIX}{number}": tensor for number, tensor in enumerate(inner)}
        tensors[_ABOUT] = Tensor("uint8", (len(text),), text)
        cache.require_space(sum(len(tensor.data) for tensor in tensors.values()))
        _sweep()
        total = hashlib.sha256()
        with cache.writing(), atomic(copy, overwrite=True) as temporary, temporary.open("xb") as file:

            def write(data: bytes | memoryview) -> None:
                total.update(data)
                file.write(data)

            safetensors.write(tensors, {"made by": "ml4a"}, write)
        stamp.write(copy, total.hexdigest())
    except (BadWeights, CannotWrite) as error:
        log.debug("no copy of %s: %s", "-".join(sources), error)
        return False
    return True


def _sweep() -> None:
    """Remove what processes that were killed have left, long enough ago that it is nobody's."""
    for left in folder().glob(".*.part.safetensors"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink()
