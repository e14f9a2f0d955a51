"""What a data set is made of: the pictures of a folder, or the frames of a film, by number and name."""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from ml4a._core import record
from ml4a._core.errors import BadValue, Ml4aError, NotFound
from ml4a._core.files import is_folder
from ml4a.media import image, sources, video
from ml4a.media.video import Clip

from . import labels

Content: TypeAlias = "bytes | np.ndarray[Any, Any]"
"""A picture file, or H×W×3 or H×W×4 uint8."""

_NOT_IN_NAMES = re.compile(r'[^\x20-\x7e\xa0-\u1fff\u2070-\ud7ff\uf900-\ufffd\U00010000-\U0002ffff]|[/\\:*?"<>|]')
_LONGEST_NAME = 160
"""Bytes of a name."""


@dataclass(frozen=True, slots=True)
class Input:
    """One picture that the data set may be made of."""

    number: int
    """Its place among all, from 0; of a frame, in its film. It stays the same if others are left out."""
    name: str
    """Its file's without the suffix, or `frame000012`, as a part of the names of what is made of it."""
    key: str
    """By which it is told from the others of its source; all that is by chance depends on it."""
    path: Path | None = None
    """Of its file, if it has one."""
    second: float | None = None
    """When it is shown, if it is a frame."""


@dataclass(frozen=True, slots=True)
class Read:
    """An input with what is in it."""

    input: Input
    content: Content | None
    """None if it cannot be read."""
    digest: str = ""
    """Of its content: that of the file, or for frames of the film's name and the frame's number."""
    reason: str = ""
    """Why it cannot be read, in one line."""


class Source(Protocol):
    """Where inputs come from."""

    @property
    def clip(self) -> Clip | None:
        """The film, if it is one."""
        ...

    def count(self) -> int:
        """How many inputs there are; a film may have to be read to find out."""
        ...

    def expected(self) -> int | None:
        """How many there are, as far as that is known without reading."""
        ...

    def inputs(self, wanted: Callable[[int], bool]) -> Iterator[Input]:
        """Those that are wanted, by their numbers, in order, without what is in them; of a film, nothing is known."""
        ...

    def read(self, wanted: Callable[[int], bool], limit: int | None = None) -> Iterator[Read]:
        """Those that are wanted, in order, one by one, at most so many numbers from the first on."""
        ...


class Pictures:
    """Picture files, in this order."""

    clip: Clip | None = None

    def __init__(self, files: Sequence[Any], root: Path | None = None) -> None:
        self._inputs = [Input(number, *_named(file, root), path=Path(file)) for number, file in enumerate(files)]
        self._files = list(files)

    def count(self) -> int:
        """See `Source`."""
        return len(self._files)

    expected = count

    def inputs(self, wanted: Callable[[int], bool]) -> Iterator[Input]:
        """See `Source`."""
        return (each for each in self._inputs if wanted(each.number))

    def read(self, wanted: Callable[[int], bool], limit: int | None = None) -> Iterator[Read]:
        """See `Source`."""
        for each in self._inputs[:limit]:
            if not wanted(each.number):
                continue
            try:
                data = sources.read(self._files[each.number])
            except Ml4aError as error:
                yield Read(each, None, reason=" ".join(str(error).split()))
            else:
                yield Read(each, data, record.digest(data))


class Frames:
    """The frames of a film, all or one every so many seconds."""

    def __init__(self, clip: Clip, every: float | None) -> None:
        self.clip = clip
        self._every = every

    def count(self) -> int:
        """See `Source`."""
        return sum(1 for _ in self._frames())

    def expected(self) -> int | None:
        """See `Source`."""
        return self.clip.count if self._every is None else None

    def inputs(self, wanted: Callable[[int], bool]) -> Iterator[Input]:
        """See `Source`."""
        return iter(())

    def read(self, wanted: Callable[[int], bool], limit: int | None = None) -> Iterator[Read]:
        """See `Source`."""
        for number, (index, second, array) in enumerate(self._frames()):
            if limit is not None and number >= limit:
                return
            if wanted(number):
                name = f"frame{index:06d}"
                pixels = np.rint(array * 255).astype(np.uint8)
                digest = hashlib.sha256(pixels.tobytes()).hexdigest()
                yield Read(Input(number, name, name, second=second), pixels, digest)

    def _frames(self) -> Iterator[tuple[int, float, np.ndarray[Any, Any]]]:
        """The frames that are taken: their number in the film, their time, their pixels."""
        due = 0.0
        frames = self.clip.frames()
        try:
            for index, frame in enumerate(frames):
                second = float(frame.time)
                if self._every is None or second >= due - 1e-6:
                    due = due if self._every is None else (second // self._every + 1) * self._every
                    yield index, second, frame.array
        finally:
            frames.close()


def open_source(source: Any, *, recursive: bool = False, every: float | None = None) -> Source:
    """The pictures of a folder, sorted by name, a film's frames, or a list of pictures.

    Names are sorted character by character, as in 2021: `z10` is before `z9`, and capitals come first. Hidden files are
    left out, and so are texts and lists with captions and labels; every other file has its number, whether it is a
    picture or not.

    Args:
        source: A folder, a film (a path, a URL, `sample:pan`, a `Clip`), or a list of picture files.
        recursive: Whether folders in the folder are looked into as well.
        every: Seconds from one frame of a film to the next; None takes all.

    Raises:
        NotFound: no such file or folder, or nothing in it.
        BadValue: `every` for pictures, or a single picture.
    """
    if isinstance(source, Clip):
        return Frames(source, every)
    if isinstance(source, list | tuple):
        return _pictures(list(source), None, every)
    if is_folder(source):
        root = Path(source)
        files = _files(root, recursive)
        if not files:
            hint = "; its folders are classes with --labels (labels=True)" if _has_folders(root) else ""
            raise NotFound(f"there are no files in {sources.shown(source)}{hint}")
        return _pictures(files, root, every)
    if not isinstance(source, str | os.PathLike):
        raise BadValue(
            f"a data set is made of a folder, a film or a list of pictures, not of a {type(source).__name__}"
        )
    if video.is_film(source):
        return Frames(video.open(source), every)
    return _pictures([source], None, every)


def choose(count: int, at_most: int | None, shuffle: bool, rng: random.Random) -> list[int]:
    """Which of so many inputs are used, in the order in which they are taken: the first ones, or any."""
    number = count if at_most is None else min(at_most, count)
    return rng.sample(range(count), number) if shuffle else list(range(number))


def picture_of(content: Content, name: str) -> Any:
    """The RGB picture in a file or an array; what is transparent lies on white.

    Raises:
        BadMedia, TooLarge: as `image.load`.
    """
    from PIL import Image

    found = Image.fromarray(content) if isinstance(content, np.ndarray) else _decoded(content, name)
    if found.mode == "RGBA":
        found = Image.alpha_composite(Image.new("RGBA", found.size, "white"), found)
    return found.convert("RGB")


def _decoded(data: bytes, name: str) -> Any:
    try:
        return image.load(data)
    except Ml4aError as error:
        raise type(error)(str(error).replace("the picture", name, 1)) from None


def _pictures(files: Sequence[Any], root: Path | None, every: float | None) -> Pictures:
    if every is not None:
        raise BadValue("every is for films: seconds from frame to frame")
    for file in files:
        if not isinstance(file, str | os.PathLike):
            raise BadValue(f"a data set is made of files; a list of them has a {type(file).__name__}")
    return Pictures(files, root)


def _files(root: Path, recursive: bool) -> list[Path]:
    """The regular files, hidden ones and those in hidden folders left out, sorted by their path from `root`."""
    found = root.rglob("*") if recursive else root.iterdir()
    visible = [path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)]
    pictures = (path for path in visible if path.is_file() and not labels.is_about_pictures(path))
    return sorted(pictures, key=lambda path: path.relative_to(root).as_posix())


def _has_folders(root: Path) -> bool:
    return any(path.is_dir() for path in root.iterdir())


def _named(file: Any, root: Path | None) -> tuple[str, str]:
    """A picture's name and key."""
    path = Path(os.fsdecode(file).removeprefix(sources.SAMPLE))
    key = path.name if root is None else path.relative_to(root).as_posix()
    name = _NOT_IN_NAMES.sub("_", path.stem).encode()[:_LONGEST_NAME]
    return name.decode(errors="ignore"), key
