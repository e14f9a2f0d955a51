"""What files are that people ask about and that hold no weights, or not so that they could be read; and what to do.

They are known by their content. Nothing is unpacked: of an archive only the list of its members is read.
"""

from __future__ import annotations

import codecs
import re
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path

from ml4a._core.errors import BadWeights, Ml4aError, UnsafeWeights
from ml4a.weights import tar
from ml4a.weights.formats import mapped
from ml4a.weights.formats.pickle import Unpickler
from ml4a.weights.formats.pickle_classes import Class
from ml4a.weights.formats.pickle_names import closed_list

_HEAD_BYTES = 512
_LARGEST_HEADER = 3 << 20
_LARGEST_DIRECTORY = 2 << 20
_LONGEST_ZIP_END = 22 + (1 << 16)
_LARGEST_OLD_PICKLE = 1 << 20
_MOST_NAMES = 1000
_SHOWN = 3
_WEIGHTS = re.compile(
    r"\.(pth|pt|ckpt|pkl|safetensors|bin|param|h5|hdf5|onnx|pb|index|npy|npz|tflite|whl|zip|tar|gz)$", re.IGNORECASE
)
_UNPACK = "unpack it, and ask about the files in it"
_BEGINNINGS = (
    (b"\x1f\x8b", "a file compressed with gzip", _UNPACK),
    (b"BZh9", "a file compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\0", "a file compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a file compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"GGUF", "a language model for llama.cpp (GGUF)", "ml4a has no use for it"),
    (b"%PDF", "a PDF", "it carries no weights"),
    (b"SQLite format 3\0", "an SQLite database", "it carries no weights"),
    (b"\x7fELF", "a program", "do not run it, unless you know from whom it is"),
    (b"MZ\x90\0", "a program", "do not run it, unless you know from whom it is"),
    (b"#!", "a script", "do not run it, unless you know from whom it is"),
)
_MEDIA = (
    (rb"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (rb"\xff\xd8\xff", "a JPEG picture"),
    (rb"GIF8[79]a", "a GIF picture"),
    (rb"(?s)RIFF....WEBP", "a WebP picture"),
    (rb"(?s)II[*+]\0|MM\0[*+]", "a TIFF picture"),
    (rb"(?s)BM....\0\0\0\0", "a BMP picture"),
    (rb"(?s)....ftyp(avi[fs]|hei|hev|mif1|msf1)", "an AVIF or HEIC picture"),
    (rb"(?s)....(ftyp|moov|mdat|wide)|RIFF....AVI |\x1aE\xdf\xa3|FLV\x01|\0\0\x01\xba", "a film"),
    (rb"OggS|\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a film or a sound"),
    (rb"(?s)fLaC|ID3[\x02-\x04]|MThd|(RIFF|RF64)....WAVE|FORM....AIF[FC]", "a sound"),
)
_MP3 = re.compile(rb"\xff[\xe2-\xff]")
"""What a frame of MP3 begins with, where no tag is before it: too little to be sure."""
_TEXT_BYTES = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def describe(path: Path) -> tuple[str, str] | None:
    """What a file is, and what to do with it, if its content says for sure that it is not one weights file.

    Raises:
        NotFound: there is no such file.
        UnsafeWeights: it is a pickle as Python 2 wrote them, and asks for code to be run.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        return "a device or a pipe", "name a file"
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER:
        return None  # safetensors: its first bytes, a length, could pass for anything
    if head[:4] == b"PK\3\4":
        return _zip_archive(path)
    if head[257:262] == b"ustar":
        return _tar_archive(path)
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite network", "the models that use one run it as it is; `ml4a weights add` takes it"
    for beginning, words, advice in _BEGINNINGS:
        if head.startswith(beginning):
            return words, advice
    if not head.startswith(b"\x80"):
        _refuse_old_pickle(path)
    words = next((words for pattern, words in _MEDIA if re.match(pattern, head)), None)
    return (words, _about_record(path)) if words else None


def guess(path: Path) -> tuple[str, str] | None:
    """The same of a file that no reader of weights could read, by weaker signs."""
    try:
        with mapped.reading(path) as data:
            head = bytes(data[:_HEAD_BYTES])
    except BadWeights:
        return None  # it is empty, a web page or a git-lfs pointer, and the reader says so
    if _is_text(head):
        return "a text", "read it with an editor"
    return ("a sound", _about_record(path)) if _MP3.match(head) else None


def _folder(path: Path) -> tuple[str, str]:
    names = sorted(each.name for each, _ in zip(path.iterdir(), range(_MOST_NAMES), strict=False))
    return _with_names("a folder", names), "name a file in it"


def _zip_archive(path: Path) -> tuple[str, str] | None:
    names = _zip_names(path)
    if names is None:
        return None  # cut short: the reader of torch's archives says so
    if any(name.endswith("/constants.pkl") for name in names):
        return "TorchScript, which holds code (zip archive)", "save its state_dict() with torch.save, and use that"
    if any(name.endswith("/data.pkl") for name in names) or (names and names[0].endswith(".npy")):
        return None
    return _with_names("a zip archive", names), _UNPACK


def _zip_names(path: Path) -> list[str] | None:
    """What the directory lists, if it is there and of a sensible length. GitHub's archives have a comment behind it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LONGEST_ZIP_END))
        _, magic, end = file.read().rpartition(b"PK\5\6")
        if not magic or int.from_bytes(end[8:12], "little") > _LARGEST_DIRECTORY:
            return None
        try:
            with zipfile.ZipFile(file) as archive:
                return archive.namelist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error):
            return None


def _tar_archive(path: Path) -> tuple[str, str]:
    names = []
    try:
        with path.open("rb") as file:
            for entry, _ in zip(tar.entries(file), range(_MOST_NAMES), strict=False):
                names.append(entry.name)
    except BadWeights as error:
        return "a tar archive", f"it is broken: {error}"
    if {"pickle", "storages", "tensors"} <= {name.removeprefix("./") for name in names}:
        return "weights of torch before 0.2 (tar archive)", "save them again with a newer torch"
    return _with_names("a tar archive", names), _UNPACK


def _with_names(what: str, names: Iterable[str]) -> str:
    """`"a folder of 12 files, among them a.pth, b.pth"`: weights first."""
    every = list(names)
    files = f"{len(every)}{' or more' * (len(every) == _MOST_NAMES)} file{'s' * (len(every) != 1)}"
    first = [name for name in every if _WEIGHTS.search(name)] or every
    among = (", among them " if len(first) < len(every) or len(first) > _SHOWN else ": ") + ", ".join(first[:_SHOWN])
    return f"{what} of {files}{among * bool(first)}" if every else f"{what} without files"


def _refuse_old_pickle(path: Path) -> None:
    """Raise if a file is a pickle of protocol 0 or 1, which has no magic number, and names what plain values do not."""
    if not 0 < path.stat().st_size <= _LARGEST_OLD_PICKLE:
        return
    data = memoryview(path.read_bytes())
    try:
        # Texts begin with opcodes, too: first whether it is a whole pickle, with stand-ins for all that it names.
        pickled = Unpickler(data, lambda module, name: Class(f"{module}.{name}"))
        pickled.load()
        if pickled.position == len(data):
            Unpickler(data, closed_list({})).load()
    except UnsafeWeights:
        raise
    except BadWeights:
        return


def _is_text(head: bytes) -> bool:
    if _TEXT_BYTES.search(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # incremental: the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _about_record(path: Path) -> str:
    """What to use for a picture or a film."""
    from ml4a.media import video

    try:
        made_by_us = video.read_record_text(path) is not None
    except Ml4aError:
        made_by_us = False
    if made_by_us:
        return "ml4a made it; `ml4a inspect` tells how"
    return "it carries no record of how it was made, which `ml4a inspect` would tell"
