"""Reading under watch: whatever a weights file makes happen besides reading is seen, and fails the test."""

from __future__ import annotations

import codecs
import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ml4a.weights import formats

for _name in formats.FORMATS:  # imported now, so that an import under watch is the file's doing
    importlib.import_module(f"ml4a.weights.formats.{_name}")
for _name in ("cp437", "raw_unicode_escape"):  # the codecs of zip's names and of old pickles' texts are imported on use
    codecs.lookup(_name)

_WATCHED = (
    "import",
    "exec",
    "compile",
    "marshal.",
    "pickle.",
    "os.",
    "subprocess.",
    "socket.",
    "ctypes.",
    "shutil.",
    "urllib.",
)
_HARMLESS = ("os.listdir", "os.scandir")
_seen: list[str] | None = None


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    # Hooks cannot be removed again, so this one only looks while somebody listens.
    if _seen is not None and event.startswith(_WATCHED):
        _seen.append(f"{event} {arguments!r:.200}")


sys.addaudithook(_hook)


@contextlib.contextmanager
def _watching() -> Iterator[list[str]]:
    global _seen
    _seen = seen = []
    try:
        yield seen
    finally:
        _seen = None


@pytest.fixture
def watching() -> Callable[[], contextlib.AbstractContextManager[list[str]]]:
    """`with watching() as seen:` lists every import, compilation, command and connection in the block."""
    return _watching


@pytest.fixture
def read() -> Callable[..., formats.Archive]:
    """`formats.read`, failing the test if it does anything but read."""

    def read(path: formats.Source, format: str | None = None) -> formats.Archive:
        with _watching() as seen:
            try:
                return formats.read(path, format)
            finally:
                assert seen == []

    return read
