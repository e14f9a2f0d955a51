"""The two texts beside SPADE's weights: with which options it was trained, and what its classes are called.

Both come from outside: they are read line by line and word by word, and nothing in them is evaluated.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from ml4a import segmentation
from ml4a._core.errors import BadWeights
from ml4a.media.segmentation import Label, LabelSet

_LARGEST_FILE = 100_000
_MOST_CLASSES = 1000
_LONGEST_NAME = 100
_OPTION = re.compile(r"\s*(\w{1,40}): (\S{1,100})", re.ASCII)
_ENTRY = re.compile(r"""\s*(\d{1,4})\s*:\s*('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")\s*(,|$)""")
_DOUBLINGS = {"normal": 5, "more": 6, "most": 7}


@dataclass(frozen=True, slots=True)
class Options:
    """What of the training matters afterwards."""

    labels: int
    """How many labels there are, without "unknown"."""
    unknown: bool
    """Whether the label after the last one means "unknown"."""
    edges: bool
    """Whether the last channel has the edges of instances."""
    doublings: int
    """Of the network: see `SPADEGenerator`."""
    size: tuple[int, int]
    """(width, height) of the pictures."""


def read_options(path: Path, channels: int) -> Options:
    """The options that fit a network of so many channels. Where they contradict each other, the network is right.

    Raises:
        BadWeights: the file is too large, no text, lacks an option, or has a value that is none.
    """
    found = {match[1]: match[2] for line in _text(path).splitlines() if (match := _OPTION.match(line))}
    unknown = _choice(path, found, "contain_dontcare_label", {"False": False, "True": True})
    edges = not _choice(path, found, "no_instance", {"False": False, "True": True})
    labels = int(_number(path, found, "label_nc", 1, _MOST_CLASSES))
    further = channels - labels
    if further not in (0, 1, 2):
        raise BadWeights(f"{path.name} is of {labels} labels, which is not what a network of {channels} channels has")
    if further != unknown + edges:
        edges = further == 2 or (further == 1 and edges and not unknown)
        unknown = further - edges == 1
    side = int(_number(path, found, "crop_size", 32, 4096))
    height = round(side / _number(path, found, "aspect_ratio", 0.1, 10))
    doublings = _choice(path, found, "num_upsampling_layers", _DOUBLINGS)
    return Options(labels, bool(unknown), bool(edges), doublings, (side, height))


def read_classes(path: Path) -> dict[int, str]:
    """The names of the classes by number.

    Raises:
        BadWeights: the file is too large, no text, or anything but a table of names by number.
    """
    text = _text(path).strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise BadWeights(f"{path.name} is no table of classes")
    text, at, found = text[1:-1].rstrip(), 0, {}
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None or len(entry[2]) > _LONGEST_NAME or len(found) == _MOST_CLASSES:
            raise BadWeights(f"{path.name} is no table of classes: {text[at : at + 40].strip()!r}")
        found[int(entry[1])] = _name(path, entry[2])
        at = entry.end()
    return found


def label_set(name: str, classes: dict[int, str], options: Options) -> LabelSet:
    """The labels as a set; those of which ml4a has the data set get its colours, and its other names too."""
    sets = (segmentation.COCO_STUFF, segmentation.ADE20K, segmentation.CITYSCAPES)
    known = max(sets, key=lambda each: sum(word in each for word in classes.values()))
    taken: set[str] = set()
    labels = []
    for index in range(options.labels + options.unknown):
        word = classes.get(index, f"label {index}" if index < options.labels else "unlabeled")
        word = f"{word} {index}" if _key(word) in taken else word
        taken.add(_key(word))
        color, synonyms = _color(index), ()
        if word in known:
            match = known[word]
            color, synonyms = match.color, (match.name, *match.synonyms)
        labels.append(Label(index, word, color, synonyms))
    return LabelSet(name, tuple(labels), options.labels if options.unknown else None)


def _text(path: Path) -> str:
    if path.stat().st_size > _LARGEST_FILE:
        raise BadWeights(f"{path.name} is larger than {_LARGEST_FILE} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadWeights(f"{path.name} is no text") from None


def _name(path: Path, quoted: str) -> str:
    try:
        name = ast.literal_eval(quoted)
    except (SyntaxError, ValueError):
        name = ""
    if not (name and name.isprintable()):
        raise BadWeights(f"{path.name} has a class without a readable name: {quoted[:40]}")
    return name


def _number(path: Path, found: dict[str, str], key: str, low: float, high: float) -> float:
    try:
        value = float(_value(path, found, key))
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadWeights(f"{path.name} has {key} {found[key]!r}, which is no number from {low} to {high}")
    return value


def _choice(path: Path, found: dict[str, str], key: str, known: dict[str, int]) -> int:
    value = _value(path, found, key)
    if value not in known:
        raise BadWeights(f"{path.name} has {key} {value!r}, which is none of {', '.join(known)}")
    return known[value]


def _value(path: Path, found: dict[str, str], key: str) -> str:
    if key not in found:
        raise BadWeights(f"{path.name} does not say {key}")
    return found[key]


def _key(word: str) -> str:
    return re.sub(r"[\s_\-]+", "", word.casefold())


def _color(index: int) -> tuple[int, int, int]:
    """A colour for each number, as the original shows labels: their bits in turn to red, green and blue."""
    red = green = blue = 0
    number = index + 1
    for bit in range(7, 0, -1):
        red |= (number & 1) << bit
        green |= (number >> 1 & 1) << bit
        blue |= (number >> 2 & 1) << bit
        number >>= 3
    return red, green, blue
