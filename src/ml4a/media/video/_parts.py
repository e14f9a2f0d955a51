"""Files that parts of an unfinished film are kept in: each whole or not there, and checked when it is read back.

A part is a zip archive, nothing compressed that is compressed already: `data` (packets or pixels), `about.json`, and
arrays. Its directory is written last, so that half a file is none.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from ml4a._core import files
from ml4a._core.errors import BadMedia, CannotWrite

Array = np.ndarray[Any, Any]

_VERSION = 1
_ABOUT_BYTES = 16 << 20
_ARRAY_BYTES = 4 << 30
_MOST_ARRAYS = 4096
_BROKEN = (
    *(ValueError, KeyError, TypeError, EOFError, ArithmeticError, RecursionError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged part raises, or one that somebody made up."""
_KINDS = "biuf"
"""Of arrays: numbers and nothing else."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where the computation of a film is: all that it takes to go on after this frame."""

    frames: int
    """Computed so far."""
    time: Fraction
    """Seconds at which the last of them begins in the source."""
    end: Fraction
    """Seconds at which it ends."""
    seen: int
    """By which it is known again in the source; see `thumbprint`."""
    damaged: int
    """How many frames of the source could not be decoded."""
    state: Mapping[str, Any]
    """What was remembered of the frames: arrays of numbers, and JSON values."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is kept."""

    path: Path
    first: int
    """The number of its first frame."""
    shape: tuple[int, ...]
    """H×W×C of its frames."""
    point: Point
    """Where the computation was at its end."""
    facts: dict[str, Any]
    """Whatever else was written, not checked."""

    def array(self, name: str) -> Array:
        """An array of numbers that was written along.

        Raises:
            BadMedia: it is damaged.
        """
        with _reading(self.path) as archive:
            return _read_array(archive, f"{name}.npy")

    @contextlib.contextmanager
    def data(self) -> Iterator[IO[bytes]]:
        """What is in it, to be read in order; read to the end, it is checked against its checksum.

        Raises:
            BadMedia: it is damaged.
        """
        with _reading(self.path) as archive, archive.open("data") as data:
            yield data


class PartWriter:
    """A part that is being written, under a name that nobody takes for a part's.

    Args:
        folder: Where parts are.
        compress: Whether its data can be made smaller, and time be spent on it.

    Raises:
        CannotWrite: no space, no permission, no such folder.
    """

    def __init__(self, folder: Path, *, compress: bool = False) -> None:
        self._path = folder / f"{os.getpid()}-{id(self)}.part"
        self._closing = contextlib.ExitStack()
        info = zipfile.ZipInfo("data")
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with writing(self._path):
            self._file = self._closing.enter_context(self._path.open("xb"))
            self._archive = self._closing.enter_context(zipfile.ZipFile(self._file, "w", compresslevel=1))
            self._data = self._closing.enter_context(self._archive.open(info, "w", force_zip64=True))

    def write(self, data: bytes | memoryview) -> None:
        """Append to its data."""
        with writing(self._path):
            self._data.write(data)

    def close(
        self,
        path: Path,
        first: int,
        shape: tuple[int, ...],
        point: Point,
        facts: Mapping[str, Any],
        arrays: Mapping[str, Array],
    ) -> Part:
        """Complete it, and let it appear as `path`."""
        state = {name: value for name, value in point.state.items() if not isinstance(value, np.ndarray)}
        remembered = [(name, value) for name, value in point.state.items() if isinstance(value, np.ndarray)]
        about = {
            "version": _VERSION,
            "first": first,
            "shape": list(shape),
            "frames": point.frames,
            "time": _ratio(point.time),
            "end": _ratio(point.end),
            "seen": point.seen,
            "damaged": point.damaged,
            "state": state,
            "arrays": [name for name, _ in remembered],
            "facts": dict(facts),
        }
        with writing(path):
            self._data.close()
            self._archive.writestr("about.json", json.dumps(about))
            for name, value in arrays.items():
                self._add(name, value)
            for number, (_, value) in enumerate(remembered):
                self._add(f"state-{number}", value)
            self._archive.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._closing.close()
            self._path.replace(path)
        return Part(path, first, shape, point, dict(facts))

    def abandon(self) -> None:
        """Leave nothing of it behind."""
        with contextlib.suppress(OSError, ValueError):
            self._closing.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _add(self, name: str, array: Array) -> None:
        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in words why a file cannot be written.

    Raises:
        CannotWrite: it cannot.
    """
    try:
        yield
    except FileNotFoundError:
        raise CannotWrite(f"cannot write {path}: its folder is gone") from None
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {files.reason(error)}; run again to go on from here") from error


def read(path: Path) -> Part:
    """A part as it was written.

    Raises:
        BadMedia: it is damaged, or none.
    """
    with _reading(path) as archive:
        info = archive.getinfo("about.json")
        if info.file_size > _ABOUT_BYTES:
            raise ValueError
        about = json.loads(archive.read(info))
        names = about["arrays"]
        if about["version"] != _VERSION or len(names) > _MOST_ARRAYS or not isinstance(about["state"], dict):
            raise ValueError
        shape = tuple(_count(side) for side in about["shape"])
        if len(shape) != 3 or shape[2] not in (3, 4) or math.prod(shape) == 0:
            raise ValueError
        remembered = {str(name): _read_array(archive, f"state-{number}.npy") for number, name in enumerate(names)}
        point = Point(
            frames=_count(about["frames"]),
            time=_fraction(about["time"]),
            end=_fraction(about["end"]),
            seen=_count(about["seen"]),
            damaged=_count(about["damaged"]),
            state={**about["state"], **remembered},
        )
        return Part(path, _count(about["first"]), shape, point, dict(about["facts"]))


def thumbprint(picture: Array) -> int:
    """By which a frame is known again: a checksum of every eighth pixel, and of all of a small picture."""
    step = 8 if picture.shape[0] * picture.shape[1] > 1 << 16 else 1
    return zlib.crc32(np.ascontiguousarray(picture[::step, ::step]).data)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        raise BadMedia(f"cannot read {path}: {files.reason(error)}; run again to make that part anew") from None
    except _BROKEN:
        path.unlink(missing_ok=True)
        raise BadMedia(f"{path} was damaged and is removed; run again to make that part anew") from None


def _read_array(archive: zipfile.ZipFile, name: str) -> Array:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > _ARRAY_BYTES:
        raise ValueError
    with archive.open(info) as member:
        if np.lib.format.read_magic(member) != (1, 0):
            raise ValueError
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        data = member.read()
    if dtype.kind not in _KINDS or fortran or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _ratio(value: Fraction) -> list[int]:
    return [value.numerator, value.denominator]


def _fraction(value: Any) -> Fraction:
    numerator, denominator = value
    return Fraction(_count(numerator), _count(denominator))
