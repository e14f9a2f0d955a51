"""What has been made so far, kept beside the target until the data set is whole; a build that was stopped finds it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ml4a._core import files
from ml4a._core.errors import CannotWrite

from .inputs import Input
from .recipe import Facts, Made

_LOOKED = "looked at "


@dataclasses.dataclass(slots=True)
class Result:
    """What became of one input."""

    input: Input
    digest: str
    width: int = 0
    """Of the input, in pixels; 0 as long as nobody knows."""
    height: int = 0
    sharpness: float | None = None
    refused: str = ""
    """Why nothing was made of it."""
    sizes: list[dict[str, int]] = dataclasses.field(default_factory=list)
    """For each copy, how many bytes its files have, by what they end in."""
    part: str = ""
    label: int | None = None


class Store:
    """Files, and notes of what they are made of.

    Args:
        folder: Its own, made if it is missing.

    Raises:
        CannotWrite: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(exist_ok=True)
            self._notes = Notes(folder / "notes.jsonl")
        except OSError as error:
            raise CannotWrite(f"cannot write {folder}: {files.reason(error)}") from None

    def facts(self, digest: str) -> Facts | None:
        """What was found out of a content, or None."""
        known = self._notes.get(_LOOKED + digest)
        return None if known is None else Facts(**known)

    def note_facts(self, digest: str, facts: Facts) -> None:
        """Note what was found out of a content."""
        self._notes.note(_LOOKED + digest, dataclasses.asdict(facts))

    def put(self, result: Result, made: Made) -> None:
        """Keep what was made of an input, and say so in its result.

        Raises:
            CannotWrite: the disk is full.
        """
        for copy, ends in enumerate(made.files):
            for end, data in ends.items():
                self._write(self._path(result, copy, end), data)
        if not result.width:
            result.width, result.height = made.width, made.height
        result.refused = made.refused
        result.sizes = [{end: len(data) for end, data in ends.items()} for ends in made.files]
        known = {"digest": result.digest, "number": result.input.number, "size": (result.width, result.height)}
        self._notes.note(result.input.key, {**known, "refused": result.refused, "sizes": result.sizes})

    def recall(self, result: Result) -> bool:
        """Whether an input was done before; if so its result now says how."""
        known = self._notes.get(result.input.key)
        if known is None or (known["digest"], known["number"]) != (result.digest, result.input.number):
            return False
        for copy, ends in enumerate(known["sizes"]):
            for end, size in ends.items():
                path = self._path(result, copy, end)
                if not path.is_file() or path.stat().st_size != size:
                    return False
        result.width, result.height = known["size"]
        result.refused, result.sizes = known["refused"], known["sizes"]
        return True

    def read(self, result: Result, copy: int) -> dict[str, bytes]:
        """The files of one copy, by what they end in."""
        return {end: self._path(result, copy, end).read_bytes() for end in result.sizes[copy]}

    def close(self) -> None:
        """Let go of the notes."""
        self._notes.close()

    def _path(self, result: Result, copy: int, end: str) -> Path:
        return self._folder / f"{result.input.number}_{copy}.{end}"

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        """Half a file does no harm: that it is whole is noted afterwards."""
        try:
            path.write_bytes(data)
        except OSError as error:
            raise CannotWrite(f"cannot write {path}: {files.reason(error)}") from None


class Notes:
    """JSON values by name, in a file that only grows; of two under one name, the later counts.

    Args:
        path: Of the file, which is made if it is not there. What was not written to its end is passed over.
    """

    def __init__(self, path: Path) -> None:
        self._known: dict[str, Any] = {}
        data = path.read_bytes() if path.is_file() else b""
        for line in data.splitlines():
            try:
                name, value = json.loads(line)
            except (ValueError, TypeError):
                continue
            self._known[str(name)] = value
        self._file = path.open("ab")
        if data and not data.endswith(b"\n"):
            self._file.write(b"\n")

    def get(self, name: str) -> Any:
        """What was noted under a name, or None."""
        return self._known.get(name)

    def note(self, name: str, value: Any) -> None:
        """Note a value, which is in the file once this returns.

        Raises:
            CannotWrite: the disk is full.
        """
        self._known[name] = value
        try:
            self._file.write(json.dumps([name, value]).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise CannotWrite(f"cannot write {self._file.name}: {files.reason(error)}") from None

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
