"""Paintings of a genre or a style from WikiArt, as a guest: slowly, by its robots.txt, each picture once.

    from ml4a.dataset import wikiart

    wikiart.download("genre", "landscape", "landscapes", max_count=200)

Many of these paintings are not free: WikiArt shows works under copyright, too, and says so on their pages. What may be
done with a picture, and with what is trained on it, is for whoever does it to find out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from ml4a._core import files, progress
from ml4a._core.errors import BadValue, Cancelled, CannotWrite, DownloadFailed, Ml4aError, Offline, OutputExists
from ml4a._core.params import Doc, Range
from ml4a._core.progress import Cancel, OnProgress
from ml4a.jobs.summary import Summary
from ml4a.media import image
from ml4a.media._checked import checked
from ml4a.media.sources import shown

from . import _paintings
from ._paintings import Painting
from ._visits import Refused, Visitor

SITE = "https://www.wikiart.org"
NOTE = (
    "many paintings on WikiArt are still under copyright; the page of each, which metadata.jsonl names, says what may "
    "be done with it"
)
MANIFEST = "metadata.jsonl"
"""What is known of each picture; its `text` is found by everything that reads captions."""
GENRES = (
    "abstract", "animal-painting", "battle-painting", "cityscape", "cloudscape", "figurative", "flower-painting",
    "genre-painting", "history-painting", "illustration", "interior", "landscape", "marina", "miniature",
    "mythological-painting", "nude-painting-nu", "panorama", "portrait", "poster", "religious-painting",
    "self-portrait", "sketch-and-study", "still-life", "veduta", "wildlife-painting",
)  # fmt: skip
"""Some of them."""
STYLES = (
    "abstract-expressionism", "art-deco", "art-informel", "baroque", "color-field-painting", "cubism",
    "early-renaissance", "expressionism", "fauvism", "high-renaissance", "impressionism", "magic-realism",
    "minimalism", "neoclassicism", "northern-renaissance", "op-art", "pointillism", "pop-art", "post-impressionism",
    "realism", "rococo", "romanticism", "surrealism", "symbolism", "tachisme", "ukiyo-e",
)  # fmt: skip
"""Some of them."""

_STATE = ".wikiart.jsonl"
_LICENCE = "as its page says; many are under copyright"
_LIST_BYTES = 16 << 20
_PICTURE_BYTES = 256 << 20
_STATE_BYTES = 1 << 30
_MOST_FAILURES = 20
"""In a row."""
_NAME = re.compile(r"[\w()-]{1,100}")


@checked
def download(
    kind: Literal["genre", "style"],
    name: str,
    target: str | os.PathLike[str],
    *,
    max_count: Annotated[int | None, Range(1), Doc("Pictures in the folder, at most.")] = None,
    pages: Annotated[int, Range(1, 100_000), Doc("Lists to read, at most; one has some 60 paintings.")] = 1000,
    pause: Annotated[float | None, Range(1), Doc("Seconds between two requests; the site may ask for more.")] = None,
    base: str = SITE,
    on_progress: OnProgress | None = None,
    cancel: Cancel | None = None,
) -> Summary:
    """Download paintings into a folder, with what is known of them in `metadata.jsonl`.

    A download that was stopped goes on where it was, and one that was finished is brought up to date: what is in the
    folder is not asked for again. Each file is whole, and a picture. Nothing is asked of robots.txt's forbidden paths,
    of other sites, or of addresses inside this machine's network, wherever pages link to.

    Args:
        kind: "genre" or "style".
        name: As WikiArt's addresses have it: `landscape`, `post-impressionism`; `GENRES` and `STYLES` are some.
        target: The folder: new, empty, or one that this function has begun.
        max_count: Pictures in the folder at most.
        pages: Lists to read at most.
        pause: Seconds between two requests, 1 and more; None is 1.
        base: The site's address.
        on_progress: Called with where it is.
        cancel: A switch that stops it.

    Returns:
        The new files, what could not be had and why, and how many files were there before (`resumed`).

    Raises:
        BadValue: a name that cannot be one, or that the site does not know.
        OutputExists: the folder has other files in it.
        DownloadFailed: the site cannot be read, or its robots.txt forbids it.
        Offline: `ML4A_OFFLINE` is set.
        CannotWrite: the disk is full or read-only.
        Cancelled: it was stopped.
    """
    if not _NAME.fullmatch(name):
        raise BadValue(f"a {kind} is named as in WikiArt's addresses, such as {_example(kind)}, not {shown(name)!r}")
    started = time.monotonic()
    summary = Summary()
    with progress.listening(on_progress, cancel), _Folder(Path(target)) as folder:
        work = _Download(folder, summary, max_count)
        visitor = Visitor(base, work.report, pause)
        address = f"{base.rstrip('/')}/en/paintings-by-{kind}/{name}"
        for painting in () if work.enough else _listed(visitor, address, pages, kind, name):
            work.take(visitor, painting)
            if work.enough:
                break
    summary.seconds = time.monotonic() - started
    return summary


def _example(kind: str) -> str:
    return "landscape" if kind == "genre" else "post-impressionism"


def _listed(visitor: Visitor, address: str, pages: int, kind: str, name: str) -> Iterator[Painting]:
    """The paintings of all lists, each once, until a list has none that is new."""
    seen: set[str] = set()
    as_json = True
    for number in range(1, pages + 1):
        found = _page_of_json(visitor, address, number) if as_json else None
        if found is None:
            as_json = False
            found = _page_of_html(visitor, f"{address}/{number}")
        encrypted = [replace(each, image=visitor.encrypted(each.image)) for each in found]
        new = [each for each in encrypted if each.image not in seen and visitor.owns(each.image)]
        if not new:
            if number == 1:
                known = ", ".join((GENRES if kind == "genre" else STYLES)[:8])
                raise BadValue(f"the site has no paintings of the {kind} {name!r}; it has {known} and more")
            return
        seen.update(each.image for each in new)
        yield from new


def _page_of_json(visitor: Visitor, address: str, number: int) -> list[Painting] | None:
    """The paintings of a list as the site's own pages load it; None if it does not give it in this form."""
    try:
        text = visitor.read(f"{address}?json=2&page={number}", _LIST_BYTES)
    except Offline:
        raise
    except DownloadFailed:  # or its robots.txt wants programs to read the pages instead
        return None
    return _paintings.from_json(text.decode("utf-8", errors="replace"), address)


def _page_of_html(visitor: Visitor, address: str) -> list[Painting]:
    """The paintings of a page; none, if there is no such page."""
    try:
        text = visitor.read(address, _LIST_BYTES)
    except DownloadFailed as error:
        if getattr(error, "status", None) in (404, 410):
            return []
        raise
    return _paintings.from_html(text.decode("utf-8", errors="replace"))


class _Download:
    """One run: what is there, what is new, what failed."""

    def __init__(self, folder: _Folder, summary: Summary, most: int | None) -> None:
        self._folder = folder
        self._summary = summary
        self._most = most
        self._failures = 0
        summary.resumed = folder.count

    @property
    def enough(self) -> bool:
        """Whether there are as many pictures as were wanted."""
        return self._most is not None and self._folder.count >= self._most

    def report(self) -> None:
        """Say how many pictures there are.

        Raises:
            Cancelled: the work was asked to stop.
        """
        progress.report("paintings", self._folder.count, self._most, "pictures")

    def take(self, visitor: Visitor, painting: Painting) -> None:
        """Bring a picture into the folder, unless it is there.

        Raises:
            Refused, Offline, Cancelled: this would be so for all others, too.
            DownloadFailed: so many in a row could not be had that the site seems not to want it.
            CannotWrite: the disk is full or read-only.
        """
        path = self._folder.place(painting)
        if self._folder.has(path):
            return
        try:
            data = visitor.read(painting.image, _PICTURE_BYTES)
            image.load(data)
        except (Refused, Offline, Cancelled):
            raise
        except Ml4aError as error:
            self._fail(path, " ".join(str(error).split()))
            return
        self._failures = 0
        self._folder.save(path, data)
        self._summary.done.append(path)
        self.report()

    def _fail(self, path: Path, reason: str) -> None:
        self._failures += 1
        self._summary.failed.append((shown(path.name), reason))
        if self._failures == _MOST_FAILURES:
            raise DownloadFailed(f"{_MOST_FAILURES} pictures in a row could not be had; the last one: {reason}")


class _Folder:
    """The pictures and what is known of them, kept so that a later run goes on, however this one ends.

    Before a picture is asked for, the hidden file of notes says under which name it will be; so a file of that name is
    this picture, whole.

    Raises:
        OutputExists: there are files in the folder, and no notes.
        CannotWrite: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._notes_path = path / _STATE
        if path.exists() and not files.is_folder(path):
            raise OutputExists(f"{shown(path)} is a file; name a folder")
        if files.is_folder(path) and not self._notes_path.exists() and any(path.iterdir()):
            raise OutputExists(f"{shown(path)} has other files in it; name a new folder")
        files.parent_of(self._notes_path)
        self._rows = self._read()
        self._taken = {row["file_name"].casefold() for row in self._rows.values()}
        self._here = {row["file_name"] for row in self._rows.values() if (path / row["file_name"]).exists()}
        try:
            self._notes = self._notes_path.open("a", encoding="utf-8")
        except OSError as error:
            raise CannotWrite(f"cannot write {shown(self._notes_path)}: {files.reason(error)}") from None

    def __enter__(self) -> _Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self._notes.close()
        self._list()

    @property
    def count(self) -> int:
        """Pictures that are there."""
        return len(self._here)

    def place(self, painting: Painting) -> Path:
        """The file that a picture is or will be; noted before this returns."""
        if painting.image not in self._rows:
            row = {"file_name": self._free(painting.file_name), "text": painting.caption, **asdict(painting)}
            self._taken.add(row["file_name"].casefold())
            self._rows[painting.image] = row
            self._write(row)
        return self._path / self._rows[painting.image]["file_name"]

    def has(self, path: Path) -> bool:
        """Whether the picture of a place is there."""
        if path.exists():
            self._here.add(path.name)
        return path.name in self._here

    def save(self, path: Path, data: bytes) -> None:
        """Keep a picture: whole, or not at all."""
        with files.atomic(path) as temporary:
            temporary.write_bytes(data)
        self._here.add(path.name)

    def _free(self, name: str) -> str:
        """A name that no other picture has, nor would have where large and small letters are the same."""
        stem, dot, suffix = name.rpartition(".")
        number = 1
        while name.casefold() in self._taken or name == MANIFEST:
            number += 1
            name = f"{stem}-{number}{dot}{suffix}"
        return name

    def _write(self, row: dict[str, str]) -> None:
        try:
            self._notes.write(f"{json.dumps(row)}\n")
            self._notes.flush()
            os.fsync(self._notes.fileno())
        except OSError as error:
            raise CannotWrite(f"cannot write {shown(self._notes_path)}: {files.reason(error)}") from None

    def _read(self) -> dict[str, dict[str, str]]:
        """What is noted, by the pictures' addresses; a line that was cut off is dropped, in the file, too."""
        try:
            if self._notes_path.stat().st_size > _STATE_BYTES:
                raise BadValue(f"{shown(self._notes_path)} is larger than any such file; name a new folder")
            data = self._notes_path.read_bytes()
        except FileNotFoundError:
            return {}
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._notes_path, len(whole))
        rows = {}
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if _is_row(row):
                    rows[row["image"]] = row
        return rows

    def _list(self) -> None:
        """Write what is known of the pictures that are there."""
        rows = [row for row in self._rows.values() if row["file_name"] in self._here]
        text = "".join(f"{json.dumps({**row, 'licence': _LICENCE}, ensure_ascii=False)}\n" for row in rows)
        with files.atomic(self._path / MANIFEST, overwrite=True) as temporary:
            temporary.write_bytes(text.encode("utf-8", "replace"))


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        return False
    name = row.get("file_name", "")
    return "image" in row and bool(name) and not name.startswith(".") and re.search(r"[/\\\x00]", name) is None
