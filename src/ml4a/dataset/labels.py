"""What is known of pictures besides their pixels: which class they belong to, and what they show in words.

Classes are told by folders, or by a file `dataset.json` as StyleGAN's tools write it. Captions are told by a text file
beside a picture, or by a list for a whole folder.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml4a._core.errors import BadMedia, BadValue, NotFound, TooLarge
from ml4a._core.files import reason
from ml4a.media.sources import shown

CLASSES_FILE = "dataset.json"
"""StyleGAN's list of labels, in the root of a data set."""
SIDECARS = (".txt", ".caption", ".json")
"""What the file beside `photo.jpg` ends in that has its caption; the first that is there counts."""
LISTS = ("metadata.jsonl", "captions.json")
"""Files with the captions of a folder's pictures: Hugging Face's, one JSON object a line, and one JSON object."""

_CAPTION_BYTES = 64 << 10
_LIST_BYTES = 256 << 20
_MOST_CLASSES = 1_000_000
_TEXTS = ("text", "caption")
"""What an entry's caption may be called."""


def from_folders(root: Path, files: Sequence[Path]) -> tuple[list[str], dict[Path, int]]:
    """The class of each file, which is the folder in `root` that it lies in, however deep.

    Args:
        root: The data set's folder.
        files: Files below it.

    Returns:
        The names of the classes in the order of plain strings, and the number of each file's, from 0.

    Raises:
        BadValue: files that lie beside the folders, or no folders.
    """
    folders = {file: file.relative_to(root).parts[:-1] for file in files}
    loose = [file for file, parts in folders.items() if not parts]
    if loose:
        others = len(loose) - 1
        more = f" and {others} other{'s' * (others > 1)}" if others else ""
        raise BadValue(
            f"{shown(loose[0])}{more} would have no class: with labels, each picture lies in a folder that is named by "
            f"its class; move what is in {shown(root)} itself into one, or leave labels out"
        )
    names = sorted({parts[0] for parts in folders.values()})
    numbers = {name: number for number, name in enumerate(names)}
    return names, {file: numbers[parts[0]] for file, parts in folders.items()}


def from_file(root: Path, files: Sequence[Path]) -> dict[Path, int]:
    """The class of each file by `dataset.json` in `root`; none, if its labels are null.

    Raises:
        NotFound: there is no such file.
        BadMedia: it is not of StyleGAN's form, or its labels are not the numbers of classes.
        BadValue: it does not list one of the files.
    """
    path = root / CLASSES_FILE
    listed = _json(path, _read(path, _LIST_BYTES))
    rows = listed.get("labels") if isinstance(listed, dict) else listed
    if rows is None:
        return {}
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise BadMedia(f'{shown(path)} is not of the form {{"labels": [["00000/img00000000.png", 0], …]}}')
    numbers = dict(rows)
    names = {file: file.relative_to(root).as_posix() for file in files}
    for name in names.values():
        if name not in numbers:
            raise BadValue(f"{shown(path)} says nothing of {shown(name)}; list it there, or take it out of the folder")
    return {file: numbers[name] for file, name in names.items()}


def of(root: Path, files: Sequence[Path]) -> tuple[list[str], dict[Path, int]]:
    """The class of each file, by `dataset.json` if `root` has one, whose classes are named by number, else by folders.

    Raises:
        BadValue, BadMedia: as `from_file` and `from_folders`.
    """
    if not (root / CLASSES_FILE).is_file():
        return from_folders(root, files)
    numbers = from_file(root, files)
    return [str(number) for number in range(max(numbers.values(), default=-1) + 1)], numbers


def to_json(rows: Iterable[tuple[str, int | None]]) -> str:
    """The text of a `dataset.json`.

    Args:
        rows: The name of each picture and its class. If any has none, no class is written at all: so does StyleGAN.
    """
    labels = [[name, number] for name, number in rows]
    complete = labels and all(number is not None for _, number in labels)
    return json.dumps({"labels": labels if complete else None}, ensure_ascii=False)


def caption_of(path: Path, root: Path | None = None) -> str | None:
    """What a picture shows in words, or None if nobody has said it.

    For `cats/tom.jpg` that is told by `cats/tom.txt`, `cats/tom.caption` or `cats/tom.json` (a text, or an object with
    a `text` or a `caption`), else by `metadata.jsonl` (lines with `file_name` and `text`) or `captions.json` (names and
    texts) in the folder, or in one above it up to `root`.

    Raises:
        BadMedia: a caption, or a list of them, that cannot be read.
    """
    for suffix in SIDECARS:
        beside = path.with_suffix(suffix)
        if beside != path and beside.is_file():
            text = _read(beside, _CAPTION_BYTES)
            return _stripped(_text_of(_json(beside, text)) if suffix == ".json" else text)
    for folder in _folders(path.parent, root):
        for name in LISTS:
            captions = _listed(folder / name)
            if text := captions.get(path.relative_to(folder).as_posix()):
                return _stripped(text)
    return None


def is_about_pictures(path: Path) -> bool:
    """Whether a file is one of those that tell labels or captions, and so no picture that cannot be read."""
    return path.name == CLASSES_FILE or path.name in LISTS or path.suffix.lower() in SIDECARS


def _folders(folder: Path, root: Path | None) -> list[Path]:
    """`folder` and those above it, up to `root`."""
    if root is None or not folder.is_relative_to(root):
        return [folder]
    return [folder, *(above for above in folder.parents if above.is_relative_to(root))]


def _listed(path: Path) -> Mapping[str, str]:
    """The captions in a list: relative name → text."""
    try:
        status = path.stat()
    except OSError:
        return {}
    return _parsed(path, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _parsed(path: Path, size: int, changed: int) -> Mapping[str, str]:
    """A list's captions; size and time of change tell when it must be read again."""
    text = _read(path, _LIST_BYTES)
    if path.suffix == ".jsonl":
        entries = [_json(path, line) for line in text.splitlines() if line.strip()]
        if not all(isinstance(entry, dict) for entry in entries):
            raise BadMedia(f"{shown(path)} has a line that is no JSON object")
        return {str(entry.get("file_name")): _text_of(entry) for entry in entries}
    entries = _json(path, text)
    if not isinstance(entries, dict):
        raise BadMedia(f"{shown(path)} is not an object of names and captions")
    return {name: _text_of(entry) for name, entry in entries.items()}


def _text_of(entry: Any) -> str:
    """The caption that an entry has; none, if it is about something else."""
    known = entry if isinstance(entry, dict) else {"text": entry}
    return next((known[key] for key in _TEXTS if isinstance(known.get(key), str)), "")


def _stripped(text: str) -> str | None:
    return text.strip() or None


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, list)
        and len(row) == 2
        and isinstance(row[0], str)
        and type(row[1]) is int
        and 0 <= row[1] < _MOST_CLASSES
    )


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadMedia(f"{shown(path)} is not JSON; was it cut short?") from None


def _read(path: Path, most: int) -> str:
    """A text file in UTF-8.

    Raises:
        NotFound: there is none.
        TooLarge, BadMedia: it is larger than `most` bytes, or no text.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > most:
                raise TooLarge(f"{shown(path)} is larger than {most >> 10} KiB, the most that is read of such a file")
            return file.read(most).decode("utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"{shown(path)} does not exist") from None
    except OSError as error:
        raise BadMedia(f"cannot read {shown(path)}: {reason(error)}") from None
    except UnicodeDecodeError:
        raise BadMedia(f"{shown(path)} is not a text in UTF-8; save it as such") from None
