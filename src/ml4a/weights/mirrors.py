"""Where else to look, by the user's own word: `<config>/mirrors.toml`. Each place is tried after those of the card.

    folders = ["https://weights.example/", "file:/mnt/weights/"]

    [prefixes]
    "https://github.com/" = ["https://mirror.example/github/"]
    "hf:" = ["https://mirror.example/hub/"]

A folder holds files as the cache does, at `<sha256>/<name>`; so the cache of another machine is one. A prefix that a
card's source begins with is replaced by each of its mirrors. What comes from there is verified like everything else.
"""

from __future__ import annotations

import tomllib
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml4a._core import paths
from ml4a._core.errors import BadValue

from .schema import SCHEMES, File, check_source

_FOLDER_SCHEMES = ("file", "http", "https")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The user's mirrors."""

    folders: tuple[str, ...] = ()
    prefixes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def sources(self, file: File) -> tuple[str, ...]:
        """The sources of `file` in the order to try them: the card's, then those made of them, then folders.

        Raises:
            BadValue: a mirror makes a source of no known form; the message names the file of settings.
        """
        places = list(file.sources)
        for source in file.sources:
            for prefix, mirrors in self.prefixes.items():
                if source.startswith(prefix):
                    places += [_moved(source, prefix, mirror) for mirror in mirrors]
        if file.sha256:
            places += [_in_folder(folder, file) for folder in self.folders]
        return tuple(dict.fromkeys(places))


def path() -> Path:
    """The file of settings; it may not exist."""
    return paths.config_dir() / "mirrors.toml"


def read() -> Mirrors:
    """The user's mirrors; none if there is no such file.

    Raises:
        BadValue: the file is wrong; the message names it and the key.
    """
    try:
        text = path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return Mirrors()
    except (OSError, ValueError) as error:
        raise BadValue(f"{path()} cannot be read: {error}") from None
    try:
        return _checked(tomllib.loads(text))
    except ValueError as error:  # tomllib's own, and BadValue
        raise BadValue(f"{path()}: {error}") from None


def _checked(data: dict[str, Any]) -> Mirrors:
    unknown = sorted(data.keys() - {"folders", "prefixes"})
    if unknown:
        raise BadValue(f"{unknown[0]} is not a key of mirrors; known are folders, prefixes")
    folders = _list("folders", data.get("folders", []))
    for folder in folders:
        if folder.partition(":")[0] not in _FOLDER_SCHEMES:
            raise BadValue(f"folders {folder!r} does not begin with https: or file:")
    prefixes = data.get("prefixes", {})
    if not isinstance(prefixes, dict):
        raise BadValue("prefixes is not a table")
    return Mirrors(folders, {prefix: _list(f"prefixes.{prefix!r}", places) for prefix, places in prefixes.items()})


def _list(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or (not value and key != "folders"):
        raise BadValue(f"{key} is not a list of addresses")
    for place in value:
        if not isinstance(place, str) or place.partition(":")[0] not in SCHEMES:
            raise BadValue(f"{key} {place!r} does not begin with one of {', '.join(f'{each}:' for each in SCHEMES)}")
    return tuple(value)


def _moved(source: str, prefix: str, mirror: str) -> str:
    moved = mirror + source.removeprefix(prefix)
    check_source(f"{path()}: prefixes.{prefix!r} makes of {source} a source that", moved)
    return moved


def _in_folder(folder: str, file: File) -> str:
    name = file.name if folder.startswith("file:") else urllib.parse.quote(file.name)
    return f"{folder.removesuffix('/')}/{file.sha256}/{name}"
