"""Frames in, a file for each of them out: frames/00000.png, frames/00001.png and so on."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from ml4a._core import files
from ml4a._core.errors import OutputExists
from ml4a._core.record import Record

from ..image import _formats
from ..image._encode import save
from ._frames import Frame

_NUMBER = re.compile(r"%(0\d)?d")


def is_pattern(path: Path) -> bool:
    """Whether a file's name is that of a picture, with a place for its number."""
    known = {suffix for form in _formats.FORMATS for suffix in form.suffixes}
    return path.suffix.lower() in known and len(_NUMBER.findall(path.name)) == 1


@contextlib.contextmanager
def numbered(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield `path`, if there is none of its files yet or they may be replaced.

    Raises:
        OutputExists: there are, and they may not.
        CannotWrite: the folder cannot be made.
    """
    folder = files.parent_of(path)
    before, after = (re.escape(part) for part in (path.name[: _place(path)[0]], path.name[_place(path)[1] :]))
    taken = next((each for each in folder.iterdir() if re.fullmatch(rf"{before}\d+{after}", each.name)), None)
    if taken is not None and not overwrite:
        raise OutputExists(f"{taken} exists; choose another folder or allow overwriting (--overwrite, overwrite=True)")
    yield path


def write_stills(path: Path, frames: Iterator[Frame], *, quality: int, record: Record | None = None) -> None:
    """Write uint8 frames to files that are called as `path`, with their numbers from 0 on in its place for one.

    Each file appears whole or not at all; those that are written stay, whatever comes after.
    """
    begin, end = _place(path)
    for number, frame in enumerate(frames):
        name = path.name[:begin] + path.name[begin:end] % number + path.name[end:]
        save(frame.array, path.with_name(name), quality=quality, record=record)


def _place(path: Path) -> tuple[int, int]:
    found = _NUMBER.search(path.name)
    assert found is not None
    return found.span()
