"""Weights files in any format, read as data: nothing in them is ever executed, and torch is not needed."""

from __future__ import annotations

import importlib
import os
import re
from typing import TypeAlias

from ..._core.errors import BadWeights, UnknownName
from . import sorted_table, stored_zip
from .archive import Archive, Tensor
from .mapped import reading

__all__ = ["FORMATS", "PAIRS", "Archive", "Source", "Tensor", "identify", "read"]

FORMATS = ("safetensors", "torch", "stylegan", "ncnn", "keras", "onnx", "tf_checkpoint", "tf_graph", "numpy", "dlib")
"""Each is the name of the module that reads it."""
PAIRS = {"ncnn": "(.param, .bin)", "tf_checkpoint": "(.index, .data-00000-of-00001)"}
"""The formats whose networks are two files, and what these are called."""

_Path: TypeAlias = str | os.PathLike[str]
Source: TypeAlias = _Path | tuple[_Path, _Path]
"""A weights file; in the formats of `PAIRS`, the pair."""

_HEAD_BYTES = 512
_NOT_READ = {
    rb"(?s).{257}ustar": "it is a tar archive, as torch before 0.2 wrote; save it again with a newer torch",
    rb"\x47\x6b\x30\x01": "it is the second file of an ncnn network; give the pair (.param, .bin)",
}
_MAGIC = {
    # The length of the header, which may begin with the very bytes of a pickle.
    rb"(?s).{5}\x00{3}\{": "safetensors",
    rb"PK\x03\x04": "torch",
    rb"(?s)\x80[\x02-\x05](\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19": "torch",
    rb"\x80[\x02-\x05]": "stylegan",
    rb"\x93NUMPY": "numpy",
    rb"\x89HDF\r\n\x1a\n": "keras",
    rb"7767517\s": "ncnn",
    # A version, and then a loss by its name, or the sizes of a mean shape.
    rb"(?s)\x01\x01(\x01.loss_|\x81.\x81\x01|\x82..\x81\x01)": "dlib",
    rb"(?s)[^{].{7}\{": "safetensors",
    # ONNX has no magic: its first field is the version of its format, then comes another one that it has.
    rb"\x08[\x01-\x20][\x12\x1a\x22\x28\x32\x3a\x42\x72]": "onnx",
    # Nor has a graph of TensorFlow: its first field is a node, and of that the name.
    rb"\x0a[\x80-\xff]{0,4}[\x00-\x7f]\x0a[\x01-\xff]": "tf_graph",
}


def identify(path: Source) -> str:
    """Which of `FORMATS` a file is in, by its first bytes; its suffix does not matter.

    Raises:
        NotFound: there is no such file.
        BadWeights: it is empty, a web page, a git-lfs pointer or something else that holds no weights, said in words.
    """
    with reading(path[0] if isinstance(path, tuple) else path) as data:
        head = bytes(data[:_HEAD_BYTES])
        if bytes(data[-len(sorted_table.MAGIC) :]) == sorted_table.MAGIC:
            return "tf_checkpoint"
        if _is_npz(data):
            return "numpy"
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
        path: the file; in the formats of `PAIRS` the pair.
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
    name = path[0] if isinstance(path, tuple) else path
    if format not in (None, found):
        raise BadWeights(f"{name} is in the format {found}, not {format}")
    if isinstance(path, tuple) != (found in PAIRS):
        needed = f"the pair {PAIRS[found]}" if found in PAIRS else "one file, not a pair"
        raise BadWeights(f"{name}: weights in the format {found} are {needed}")
    module = importlib.import_module(f".{found}", __package__)
    return module.read(*path) if isinstance(path, tuple) else module.read(path)


def _is_npz(data: memoryview) -> bool:
    """Whether it is a zip archive whose first member is an array."""
    return data[:4] == b"PK\3\4" and stored_zip.first_name(data).endswith(b".npy")
