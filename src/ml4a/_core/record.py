"""What made a picture, film or sound: enough to make it again, and nothing about who made it.

Results carry a `Record`; saving embeds it as JSON; `Record.from_json` reads one back. A record from a file is hostile
data: it is bounded, checked field by field, and names nothing that is imported or opened.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import limits
from .errors import BadValue

FORMAT = 1
_DEPTH = 8
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@/+ -]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"\d{1,12}x\d{1,6}")
SOURCE_TYPES = ("", "algorithmicallyEnhanced", "compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMedia")


@dataclass(frozen=True, slots=True)
class Input:
    """A medium that went in: never its path, only what it is."""

    role: str
    """The parameter's name: `"picture"`, `"style"`; of its further pictures `"style.2"`, `"style.3"`."""
    kind: str
    """`"file"` (found again by its SHA-256), `"pixels"` (from memory) or `"result"` (made by `record`)."""
    sha256: str
    size: str
    """`"512x512"`; of a sound, samples × channels; of a text, characters × 1."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """How the file was loaded: `{"size": 768}`."""
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What made a result."""

    model: str
    """The registry's name."""
    operation: str
    """The method: `"__call__"`, `"sheet"`."""
    weights: str
    """The variant's name."""
    digests: Mapping[str, str]
    """SHA-256 of each weights file, by role."""
    parameters: Mapping[str, Any]
    """Plain values by name; media are in `inputs`."""
    seed: int | None
    device: str
    dtype: str
    inputs: tuple[Input, ...]
    versions: Mapping[str, str]
    source_type: str = ""
    """IPTC digitalSourceType: how much of the result a trained model made."""
    steady: float = 0.0
    """For films: how much each frame was held to the one before."""

    def to_json(self) -> str:
        """As one line of JSON; half characters, which no file can hold in UTF-8, are escaped."""
        text = json.dumps({"format": FORMAT, **_plain(self)}, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="backslashreplace").decode()

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read a record back.

        Raises:
            BadValue: not a record of ours, or one that asks for more than a record may.
        """
        if len(text.encode(errors="replace")) > limits.RECORD_BYTES:
            raise BadValue("the record is larger than a record may be")
        try:
            data = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise BadValue("the record is not readable JSON") from None
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise BadValue("the record is of another format; a newer ml4a may have made it")
        return _record(data, _DEPTH)


def enabled() -> bool:
    """Whether results carry records: yes, unless `ML4A_RECORD=0`."""
    return os.environ.get("ML4A_RECORD", "1") != "0"


@functools.cache
def versions(*more: str) -> dict[str, str]:
    """Versions of what a result depends on: always the same few distributions, and those of `more` that are here."""
    names = ("ml4a", "torch", "numpy", "pillow", "opencv-python-headless", "av")
    found = {name: importlib.metadata.version(name) for name in names}
    for name in more:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # of an extra, and not needed this time
            found[name] = importlib.metadata.version(name)
    return found


def digest(*parts: bytes | memoryview) -> str:
    """SHA-256 of the parts, one after the other."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()


def of_file(record: Record, source: Input, *, steady: float = 0.0) -> Record:
    """The record of a call on a file's pixels or a film's frame, made into that of the file."""
    first, *others = record.inputs
    return replace(record, inputs=(replace(source, role=first.role), *others), steady=steady)


def _plain(value: Any) -> Any:
    if isinstance(value, Record | Input):
        fields = {name: _plain(getattr(value, name)) for name in value.__slots__}
        return {name: item for name, item in fields.items() if item not in (None, {}, "")}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _record(data: Any, depth: int) -> Record:
    known = {"model", "operation", "weights", "digests", "parameters", "seed", "device", "dtype", "inputs", "versions",
             "source_type", "steady"}  # fmt: skip
    if not isinstance(data, dict) or not data.keys() <= known or depth == 0:
        raise BadValue("the record has fields that no record has")
    steady = data.get("steady", 0.0)
    if isinstance(steady, bool) or not isinstance(steady, int | float) or not 0 <= steady <= 1:
        raise BadValue("the record's steady is not between 0 and 1")
    seed = data.get("seed")
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**64):
        raise BadValue("the record's seed is not a seed")
    source_type = data.get("source_type", "")
    if source_type not in SOURCE_TYPES:
        raise BadValue("the record's source type is unknown")
    inputs = data.get("inputs", [])
    if not isinstance(inputs, list) or len(inputs) > limits.ITEMS:
        raise BadValue("the record's inputs are not a short list")
    return Record(
        model=_name(data.get("model")),
        operation=_name(data.get("operation")),
        weights=_name(data.get("weights")),
        digests=_texts(data.get("digests", {}), _SHA256),
        parameters=_values(data.get("parameters", {})),
        seed=seed,
        device=_name(data.get("device")),
        dtype=_name(data.get("dtype")),
        inputs=tuple(_input(item, depth - 1) for item in inputs),
        versions=_texts(data.get("versions", {}), _NAME),
        source_type=source_type,
        steady=float(steady),
    )


def _input(data: Any, depth: int) -> Input:
    if not isinstance(data, dict) or not data.keys() <= {"role", "kind", "sha256", "size", "options", "record"}:
        raise BadValue("the record has an input that is none")
    if data.get("kind") not in ("file", "pixels", "result"):
        raise BadValue("the record has an input of an unknown kind")
    nested = data.get("record")
    return Input(
        role=_name(data.get("role")),
        kind=data["kind"],
        sha256=_text(data.get("sha256"), _SHA256),
        size=_text(data.get("size"), _SIZE),
        options=_values(data.get("options", {})),
        record=None if nested is None else _record(nested, depth),
    )


def _name(value: Any) -> str:
    return _text(value, _NAME)


def _text(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise BadValue(f"the record has {str(value)[:40]!r} where a name or a hash is due")
    return value


def _texts(value: Any, pattern: re.Pattern[str]) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > 64:
        raise BadValue("the record has a table that is none")
    return {_name(key): _text(item, pattern) for key, item in value.items()}


def _values(value: Any) -> dict[str, Any]:
    """Parameters: numbers, texts, booleans, None, or short lists of these. What they mean is checked by the model."""
    if not isinstance(value, dict) or len(value) > 64:
        raise BadValue("the record has parameters that are none")
    for item in value.values():
        for leaf in item if isinstance(item, list) and len(item) <= limits.ITEMS else [item]:
            if not (
                leaf is None
                or isinstance(leaf, bool | int | float)
                or (isinstance(leaf, str) and len(leaf) <= limits.RECORDED_TEXT)
            ):
                raise BadValue("the record has a parameter that is neither number nor text")
            if isinstance(leaf, int) and abs(leaf) >= 2**64:
                raise BadValue("the record has a number that no parameter can be")
    return {_name(key): tuple(item) if isinstance(item, list) else item for key, item in value.items()}
