"""Weights files of one's own in place of a card's: `ml4a.load("esrgan", weights="4x-Remacri.pth")`."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ml4a._core import paths
from ml4a._core.errors import BadValue, BadWeights, NotFound

if TYPE_CHECKING:
    from ml4a.weights import Card, File, Weights

_SUFFIX = re.compile(r"\.(pth|pt|ckpt|pkl|safetensors|bin|param|h5|hdf5|onnx|pb|npz|npy|index|tflite)", re.IGNORECASE)
_NCNN = ("param", "bin")
_LONGEST_NAME = 64


def is_path(about: Card, weights: str | os.PathLike[str]) -> bool:
    """Whether `weights` means a file rather than one of the card's names, which come first."""
    if not isinstance(weights, str):
        return True
    if weights == "default" or weights in about.weights:
        return False
    separators = {"/", os.sep, os.altsep or os.sep}
    return any(mark in weights for mark in separators) or _SUFFIX.fullmatch(Path(weights).suffix) is not None


def take(about: Card, path: str | os.PathLike[str]) -> tuple[Weights, dict[str, Path]]:
    """A file, of an ncnn network either of the two, as weights that no card knows, and their paths by role.

    They are called as the file is. Nobody is known to have licensed them; their format is what the file is in.

    Raises:
        NotFound: there is no such file.
        BadValue: the model's weights are several files.
        BadWeights: the file is in none of the formats that are read.
    """
    from ml4a.weights import Weights

    path = Path(path).expanduser()
    if not path.exists():
        raise NotFound(f"there is no weights file {path}; the weights of {about.name} are {', '.join(about.weights)}")
    by_role = _by_role(about, path)
    return (
        Weights(
            name=_name(path),
            licence="unknown",
            licence_source="a file of your own",
            commercial="unclear",
            files={role: _file(each, _kind(about, role)) for role, each in by_role.items()},
        ),
        by_role,
    )


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the file's name in front of every `BadWeights` raised inside that does not have it."""
    try:
        yield
    except BadWeights as error:
        if str(Path(path).expanduser()) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None


def _by_role(about: Card, path: Path) -> dict[str, Path]:
    sets = [tuple(each.files) for each in about.weights.values()]
    pair = {role: path.with_suffix(f".{role}") for role in _NCNN}
    if _NCNN in sets and path in pair.values() and all(each.is_file() for each in pair.values()):
        return pair
    single = next((roles[0] for roles in sets if len(roles) == 1), None)
    if single is None:
        raise BadValue(
            f"{about.name} needs several files ({', '.join(sets[0])}), and {path} is one; "
            f"a card of your own in {paths.config_dir() / 'cards'} can name them all"
        )
    return {single: path}


def _kind(about: Card, role: str) -> str:
    """The format of files in that role, as the first set of the card that has it says."""
    return next(each.files[role].format for each in about.weights.values() if role in each.files)


def _file(path: Path, usual: str) -> File:
    from ml4a.weights import File, cache, formats
    from ml4a.weights.schema import OPAQUE

    # The second file of a pair is known by the first alone, and some formats to the model alone.
    format = usual if usual in formats.PAIRS or usual in OPAQUE else formats.identify(path)
    name = _name(path)
    return File(name, format, (f"file:{name}",), path.stat().st_size, cache.sha256_of(path))


def _name(path: Path) -> str:
    """The file's name, as a card can have it and a record tells it: no spaces, no folders."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.name).strip("._-")
    return plain[:_LONGEST_NAME].rstrip(".") or "weights"
