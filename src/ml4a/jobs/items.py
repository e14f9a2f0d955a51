"""What there is to do: each item is one input file and the output it becomes."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml4a._core.errors import BadValue, NotFound, OutputExists
from ml4a._core.files import is_folder, refuse_existing

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
FILMS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif", ".apng"})
SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff"})
TEXTS = frozenset({".txt", ".md"})
_SAVED_AS = {".bmp": ".png", ".jpeg": ".jpeg", ".avi": ".mp4", ".m4v": ".mp4"}
_SAVED_TRANSPARENT = {".jpg": ".png", ".jpeg": ".png", ".mp4": ".webm", ".mkv": ".webm"}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do."""

    source: Any
    """A path, URL, `sample:NAME` or `camera:N`; or a picture or clip in memory; None for what begins with nothing."""
    target: Path

    @property
    def label(self) -> str:
        """What the user knows it by."""
        return str(self.source) if isinstance(self.source, str | os.PathLike) else "picture"


def plan(
    source: Any, target: str | os.PathLike[str], *, overwrite: bool = False, transparent: bool = False
) -> list[Item]:
    """The items of a job, all outputs checked before anything is computed.

    Args:
        source: A file, folder, glob, URL, `sample:NAME`, `camera:N`, a picture or clip in memory, a list of these,
            or None.
        target: A file for one input; a folder for several, or for one if it exists or ends with a separator.
        overwrite: Whether outputs that exist may be replaced.
        transparent: As of `output_name`.

    Raises:
        NotFound: no such file, or nothing to do in the folder.
        OutputExists: an output exists and `overwrite` is false.
        BadValue: two inputs would become the same output.
    """
    sources = list(_expand(source))
    folder = len(sources) > 1 or _is_folder(source) or _is_folder(target)
    if folder and os.path.lexists(target) and not is_folder(target):
        raise OutputExists(f"{target} is a file; several results need a folder")
    names = [output_name(each, transparent=transparent) for each in sources] if folder else [""]
    items = [Item(each, Path(target) / name) for each, name in zip(sources, names, strict=True)]
    taken: dict[Path, Item] = {}
    for item in items:
        if item.target in taken:
            raise BadValue(f"{item.label} and {taken[item.target].label} would both become {item.target}; rename one")
        taken[item.target] = item
        refuse_existing(item.target, overwrite)
        if isinstance(item.source, str | os.PathLike) and _same_file(Path(item.source), item.target):
            raise OutputExists(f"{item.target} is the input itself; choose another name")
    return items


def is_film(source: Any) -> bool:
    """Whether `source` is a film that has an end: a clip in memory, or a file of one.

    Raises:
        NotFound, BadMedia: there is no such file, or nothing that can be read.
    """
    from ml4a.media import sources, video

    if isinstance(source, video.Clip):
        return True
    if not isinstance(source, str | os.PathLike) or is_camera(source):
        return False
    found = None if isinstance(source, str) and sources.is_url(source) else sources.locate(source)
    return isinstance(found, Path) and video.is_film(found)


def is_camera(source: Any) -> bool:
    """Whether `source` is `camera:N`, which is read until somebody stops it."""
    return isinstance(source, str) and source.startswith("camera:")


def output_name(source: Any, suffix: str | None = None, *, transparent: bool = False) -> str:
    """The file name that a result gets: the input's own, in a format that can be written.

    Args:
        source: What the result is made from.
        suffix: Of the format that it has to be.
        transparent: Whether the format must be able to hold transparency.
    """
    if is_camera(source):
        return f"camera{suffix or '.mp4'}"
    if not isinstance(source, str | os.PathLike):
        from ml4a.media.video import Clip

        return f"clip{suffix or '.mp4'}" if isinstance(source, Clip) else f"picture{suffix or '.png'}"
    name = os.fspath(source).removeprefix("sample:")
    name = re.sub(r"[?#].*", "", name) if "://" in name else name
    path = Path(Path(name).name or "picture")
    kept = path.suffix.lower()
    kept = _SAVED_AS.get(kept, kept) if kept in PICTURES | FILMS else ".png"
    kept = _SAVED_TRANSPARENT.get(kept, kept) if transparent else kept
    return (path.stem or "picture") + (suffix or kept)


def _expand(source: Any) -> Iterable[Any]:
    if isinstance(source, list | tuple):
        for each in source:
            yield from _expand(each)
    elif _is_folder(source):
        files = [path for path in Path(source).iterdir() if path.suffix.lower() in PICTURES | FILMS]
        files = [path for path in files if not path.name.startswith(".")]
        if not files:
            raise NotFound(f"there are no pictures or films in {source}")
        yield from sorted(files, key=_natural)
    elif isinstance(source, str) and _is_glob(source):
        matches = sorted(map(Path, glob.glob(source, recursive=True)), key=_natural)  # noqa: PTH207  # may be absolute
        if not matches:
            raise NotFound(f"nothing matches {source}")
        yield from matches
    else:
        yield source


def _is_folder(source: Any) -> bool:
    if not isinstance(source, str | os.PathLike):
        return False
    return is_folder(source) or os.fspath(source).endswith(("/", os.sep))


def _is_glob(source: str) -> bool:
    return "://" not in source and not os.path.lexists(source) and glob.has_magic(source)


def _same_file(source: Path, target: Path) -> bool:
    return os.path.lexists(source) and target.exists() and source.exists() and source.samefile(target)


def _natural(path: Path) -> list[Any]:
    """`frame10` after `frame9`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", path.name)]
