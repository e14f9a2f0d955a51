"""Makes the works one after the other; the page shows each as soon as it is there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml4a import weights
from ml4a._core import extras, files, progress, record
from ml4a._core.errors import BadValue
from ml4a._core.progress import OnProgress
from ml4a.jobs import read_record

from .page import render
from .work import Work
from .works import WORKS

MANIFEST = "works.json"


def build(folder: Path, *, on_progress: OnProgress | None = None) -> Path:
    """Make the gallery in `folder`; works that are there already and up to date are kept.

    Works of weights that the package index does not carry are made if these are in the cache, and only told of if not;
    so are works of packages that only an extra of ml4a installs.

    Returns:
        The page.

    Raises:
        OutputExists: a file of a work's name is there that the gallery did not make.
    """
    page = folder / "index.html"
    made = _read_manifest(folder)
    works = [work for work in WORKS if _can_be_made(work)]
    for work in works:
        if work.file not in made:
            files.refuse_existing(folder / work.file, overwrite=False)
    if not made:
        files.refuse_existing(page, overwrite=False)
    files.parent_of(page)
    _copy_originals(folder)
    done: dict[str, dict[str, Any]] = {}
    for number, work in enumerate(works):
        _publish(page, works, done, finished=False)
        progress.report(work.title, number, len(works), "works")
        with progress.listening(on_progress):
            done[work.file] = _kept(folder, work, made.get(work.file)) or _make(folder, work)
        _write(folder / MANIFEST, json.dumps({**made, **done}, indent=1))
    _publish(page, works, done, finished=True)
    return page


def _can_be_made(work: Work) -> bool:
    installed = work.extra is None or extras.installed(work.extra)
    return installed and all(weights.find(spec) for spec in work.needs)


def _make(folder: Path, work: Work) -> dict[str, Any]:
    (folder / work.file).unlink(missing_ok=True)
    started = time.monotonic()
    try:
        with contextlib.chdir(folder), progress.interruptible() as interruption:
            exec(compile(work.python, work.file, "exec"), {})  # noqa: S102  # our own lines, from works.py
        if interruption.cancelled:
            raise KeyboardInterrupt
    except KeyboardInterrupt:  # the best so far is not what the line makes
        (folder / work.file).unlink(missing_ok=True)
        raise
    return {
        "key": _key(work),
        "seconds": round(time.monotonic() - started, 1),
        "record": _record_of(folder / work.file),
    }


def _kept(folder: Path, work: Work, entry: dict[str, Any] | None) -> dict[str, Any] | None:
    """The work's entry, if its file is there and nothing that made it has changed."""
    return entry if entry and entry["key"] == _key(work) and (folder / work.file).exists() else None


def _key(work: Work) -> str:
    return hashlib.sha256(json.dumps([work.python, record.versions()]).encode()).hexdigest()


def _record_of(path: Path) -> dict[str, Any]:
    try:
        return json.loads(read_record(path).to_json())
    except BadValue:  # no model made it, or records are switched off
        return {}


def _copy_originals(folder: Path) -> None:
    from ml4a.media import samples

    for name in {work.original for work in WORKS if work.original is not None}:
        original = samples.path(name)
        copy = folder / f"original-{name}{original.suffix}"
        if not copy.exists():
            shutil.copyfile(original, copy)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _publish(page: Path, works: Sequence[Work], done: dict[str, dict[str, Any]], *, finished: bool) -> None:
    absent = [work for work in WORKS if work not in works]
    _write(page, render(works, done, absent, originals=_originals(page.parent), finished=finished))


def _originals(folder: Path) -> dict[str, str]:
    return {path.stem.removeprefix("original-"): path.name for path in folder.glob("original-*")}


def _write(path: Path, text: str) -> None:
    with files.atomic(path, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
