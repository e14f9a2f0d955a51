"""Watching what happens besides reading: imports, compilation, commands, connections, files opened for writing."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml4a._core.errors import BadWeights
from ml4a.weights import formats

for _name in formats.FORMATS:  # imported now, so that an import under watch is the file's doing
    importlib.import_module(f"ml4a.weights.formats.{_name}")
for _name in ("cp437", "latin-1", "raw_unicode_escape"):  # codecs of zip's names and of old texts are imported on use
    codecs.lookup(_name)

SLOWEST = 2.0
"""Seconds of this process's own time: one on an idle machine, and as much again where others share its cores."""
_WATCHED = (
    *("import", "exec", "compile", "marshal.", "pickle.", "code.", "builtins.input", "sys.addaudithook"),
    *("os.", "subprocess.", "socket.", "ctypes.", "shutil.", "urllib.", "http.", "ftplib.", "tempfile.", "webbrowser."),
)
_HARMLESS = ("os.listdir", "os.scandir")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_seen: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    # Hooks cannot be removed again, so this one only looks while somebody listens.
    if _seen is None:
        return
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
    if writes or (event.startswith(_WATCHED) and event not in _HARMLESS):
        _seen.append(f"{event} {arguments!r:.200}")


sys.addaudithook(_hook)


@contextlib.contextmanager
def watching() -> Iterator[list[str]]:
    """Yield a list that every import, compilation, command, connection and write in the block is put on."""
    global _seen
    _seen = seen = []
    try:
        yield seen
    finally:
        _seen = None


def watched_read(path: formats.Source, format: str | None = None) -> formats.Archive:
    """`formats.read`, which must do nothing but read."""
    with watching() as seen:
        try:
            return formats.read(path, format)
        finally:
            assert not seen, seen


def refused(path: formats.Source, error: type[BadWeights], message: str) -> None:
    """Read under watch: exactly this error, with this in its one line, in time."""
    started = time.process_time()
    with pytest.raises(BadWeights, match=message) as found:
        watched_read(path)
    assert time.process_time() - started < SLOWEST
    assert type(found.value) is error
    assert "\n" not in str(found.value)
    name = Path(path[0] if isinstance(path, tuple) else path).name
    assert name in str(found.value)
