"""Weights files in any format, read as data: nothing in them is ever executed, and torch is not needed."""

from __future__ import annotations

import importlib
import os
import re
from typing import TypeAlias

from ..._core.errors import BadWeights, UnknownName
from .archive import Archive, Tensor
from .mapped import reading

__all__ = ["FORMATS", "Archive", "Source", "Tensor", "identify", "read"]

FORMATS = ("safetensors", "torch", "ncnn", "keras", "onnx")
"""Each is the name of the module that reads it."""

_Path: TypeAlias = str | os.PathLike[str]
Source: TypeAlias = _Path | tuple[_Path, _Path]
"""A weights file; for ncnn, whose networks are two files, the pair (.param, .bin)."""

_HEAD_BYTES = 512
_NOT_READ = {
    rb"(?s).{257}ustar": "it is a tar archive, as torch before 0.2 wrote; save it again with a newer torch",
    rb"\x47\x6b\x30\x01": "it is the second file of an ncnn network; give the pair (.param, .bin)",
}
_MAGIC = {
    rb"PK\x03\x04": "torch",
    rb"(?s)\x80[\x02-\x05].{1,16}\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19": "torch",
    rb"\x89HDF\r\n\x1a\n": "keras",
    rb"7767517\s": "ncnn",
    rb"(?s)[^{].{7}\{": "safetensors",
    # ONNX has no magic: its first field is the version of its format, then comes another one that it has.
    rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42\x72]": "onnx",
}


def identify(path: Source) -> str:
    """Which of `FORMATS` a file is in, by its first bytes; its suffix does not matter.

    Raises:
        NotFound: there is no such file.
        BadWeights: it is empty, a web page, a git-lfs pointer or something else that holds no weights, said in words.
    """
    with reading(path[0] if isinstance(path, tuple) else path) as data:
        head = bytes(data[:_HEAD_BYTES])
        for pattern, reason in _NOT_READ.items():
            if re.match(pattern, head):
                raise BadWeights(reason)
        for pattern, name in _MAGIC.items():
            if re.match(pattern, head):
                return name
        raise BadWeights(f"it is in none of the formats {', '.join(FORMATS)}; it begins with {head[:8]!r}")


def read(path: Source, format: str | None = None) -> Archive:
    """Read a weights file as plain tensors and values.

    Args:
        path: the file; for ncnn the pair (.param, .bin).
        format: what it has to be; None takes whatever it is.

    Raises:
        NotFound: there is no such file.
        UnknownName: there is no such format.
        UnsafeWeights: it asks for code to be run. Nothing was run.
        BadWeights: it is broken, cut short, or in another format.
    """
    if format is not None and format not in FORMATS:
        raise UnknownName("weights format", format, FORMATS)
    found = identify(path)
    if format not in (None, found):
        raise BadWeights(f"{path} is in the format {found}, not {format}")
    if isinstance(path, tuple) != (found == "ncnn"):
        raise BadWeights(f"{path}: an ncnn network is the pair (.param, .bin), everything else is one file")
    module = importlib.import_module(f".{found}", __package__)
    return module.read(*path) if isinstance(path, tuple) else module.read(path)
