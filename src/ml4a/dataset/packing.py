"""Data sets as trainers read them: a folder of pictures, StyleGAN's zip, or WebDataset's shards.

    with packing.writer("webdataset", Path("shards"), shard_size=1000, overwrite=False) as pack:
        pack.add("f00000_cat", {"png": data}, part="train", label=3, caption="A cat.")

The bytes that are written depend on what was added, and in which order, and on nothing else.
"""

from __future__ import annotations

import abc
import contextlib
import io
import json
import re
import struct
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ml4a._core import files as whole_files
from ml4a._core.errors import BadValue, OutputExists
from ml4a.media.sources import shown

from . import labels

if TYPE_CHECKING:
    from typing import Self

CONTAINERS = ("folder", "zip", "webdataset")
SHARD_BYTES = 1 << 30
"""A shard is not begun with more than this in it, however few samples these are."""

_PARTS = ("", "train", "test")
_WHOLE = "train"
"""What a data set without a test part is called where it must be called something."""
_SIDED = re.compile(r"[A-Z]\.[a-z]+")
_SHARD = re.compile(r"(train|test)-(\d{6})\.tar")
_VISIBLE = re.compile(r"[^.].*")
_LONGEST_NAME = 200
"""Bytes of a name, so that a suffix still fits."""
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_PNG_HEAD = struct.Struct(">8s8xIIBB")
_PNG_KINDS = {0: "grey", 2: "RGB", 3: "with a palette", 4: "grey with alpha", 6: "RGB with alpha"}


class Writer(abc.ABC):
    """Takes the pictures of a data set, one item after the other. Leaving its block with an error leaves no archive.

    Args:
        target: The folder or file to write.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._open = contextlib.ExitStack()
        self._names: set[tuple[str, str]] = set()

    def add(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        part: str = "",
        label: int | None = None,
        caption: str | None = None,
    ) -> None:
        """Take one item.

        Args:
            name: What it is called, without a suffix; no two of a part are called the same.
            files: The content of its files by their suffix: `{"png": …}`, or `{"A.png": …, "B.png": …}` for a pair.
            part: "train" or "test", or "" for a data set that is not divided.
            label: The number of its class.
            caption: What it shows.

        Raises:
            BadValue: the name is none, or is taken, or the container cannot hold this.
            OutputExists: a file of that name is there.
            CannotWrite: the disk is full or read-only.
        """
        encoded = name.encode("utf-8", "surrogateescape")
        if not name or name.startswith(".") or re.search(r"[/\\\x00-\x1f\x7f]", name) or len(encoded) > _LONGEST_NAME:
            raise BadValue(f"{shown(name)!r} cannot be the name of an item in a data set")
        if (part, name) in self._names:
            raise BadValue(f"two items of the data set would be called {shown(name)}")
        self._names.add((part, name))
        self._write(_Item(name, files, label, caption), part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._open.__exit__(kind, error, trace)
            return
        with self._open:
            self._finish()

    @abc.abstractmethod
    def _write(self, item: _Item, part: str) -> None: ...

    @abc.abstractmethod
    def _finish(self) -> None: ...


def writer(container: str, target: Path, *, shard_size: int, overwrite: bool) -> Writer:
    """The writer of a container.

    Args:
        container: "folder", "zip" or "webdataset".
        target: A folder; for "zip" a file, beside which `NAME-train.zip` and `NAME-test.zip` stand for parts.
        shard_size: Samples in a shard of "webdataset", at most.
        overwrite: Whether what is there may be replaced, as when a job is gone on with. Files of other names stay.

    Raises:
        BadValue: no such container, or a shard of no samples.
        OutputExists: there is something already.
    """
    if container not in CONTAINERS:
        raise BadValue(f"a data set's container is one of {', '.join(CONTAINERS)}, not {container!r}")
    if container == "folder":
        return Folder(target, overwrite=overwrite)
    if container == "zip":
        return StyleGANZip(target, overwrite=overwrite)
    return WebDataset(target, shard_size=shard_size, overwrite=overwrite)


class Folder(Writer):
    """Files in a folder: `NAME.png`, below `train` and `test` if there are parts.

    Pairs are divided as pix2pix's trainers want them: `train_A/NAME.png` and `train_B/NAME.png` (with parts, in
    `train/train_A` and so on). Labels are in `dataset.json`, captions beside each picture as `NAME.txt` and together
    in `metadata.jsonl`, where Hugging Face's loaders and trainers find them.
    """

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        super().__init__(target)
        self._overwrite = overwrite
        self._lists: dict[str, _Lists] = {}
        _refuse_folder(target, _VISIBLE, overwrite)

    def _write(self, item: _Item, part: str) -> None:
        base = self._target / part
        placed = {suffix: self._place(item.name, suffix, part) for suffix in item.files}
        for suffix, data in item.files.items():
            self._save(base / placed[suffix], data)
            if item.caption is not None:
                self._save((base / placed[suffix]).with_suffix(".txt"), f"{item.caption}\n".encode())
        self._lists.setdefault(part, _Lists()).note(placed, item)

    @staticmethod
    def _place(name: str, suffix: str, part: str) -> str:
        if not _SIDED.fullmatch(suffix):
            return f"{name}.{suffix}"
        side, _, suffix = suffix.partition(".")
        return f"{part or _WHOLE}_{side}/{name}.{suffix}"

    def _save(self, path: Path, data: bytes) -> None:
        with whole_files.atomic(path, overwrite=self._overwrite) as temporary:
            temporary.write_bytes(data)

    def _finish(self) -> None:
        for part, lists in self._lists.items():
            for name, text in lists.texts().items():
                self._save(self._target / part / name, text.encode())


class StyleGANZip(Writer):
    """A zip as NVIDIA's `dataset_tool.py` makes it: `00000/img00000000.png` and so on, and `dataset.json`.

    The pictures are stored as they are. All are of one size, square, a power of two, 8 bits, grey or RGB without alpha.
    Captions, which StyleGAN does not read, are in `metadata.jsonl`.
    """

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        super().__init__(target)
        if target.suffix.lower() != ".zip":
            raise BadValue(f"StyleGAN's data set is a file that ends in .zip, not {shown(target)}")
        self._overwrite = overwrite
        self._archives: dict[str, _Archive] = {}
        self._form: tuple[int, str] | None = None
        for part in _PARTS:
            whole_files.refuse_existing(self._path(part), overwrite)

    def _path(self, part: str) -> Path:
        return self._target.with_stem(f"{self._target.stem}-{part}") if part else self._target

    def _write(self, item: _Item, part: str) -> None:
        if list(item.files) != ["png"]:
            raise BadValue("StyleGAN's zip holds one PNG for each item: no pairs, and no JPEGs (--format png)")
        form = _stylegan_form(item.name, item.files["png"])
        self._form = self._form or form
        if form != self._form:
            raise BadValue(
                f"{shown(item.name)} is {form[0]} px and {form[1]}, those before are {self._form[0]} px and "
                f"{self._form[1]}; StyleGAN's pictures are all alike (--size {self._form[0]})"
            )
        if part not in self._archives:
            self._archives[part] = self._begun(self._path(part))
        archive = self._archives[part]
        number = f"{archive.count:08d}"
        placed = f"{number[:5]}/img{number}.png"
        archive.put(placed, item.files["png"])
        archive.count += 1
        archive.lists.note({"png": placed}, item)

    def _begun(self, path: Path) -> _Archive:
        temporary = self._open.enter_context(whole_files.atomic(path, overwrite=self._overwrite))
        return _Archive(self._open.enter_context(zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED)))

    def _finish(self) -> None:
        for archive in self._archives.values():
            for name, text in {labels.CLASSES_FILE: labels.to_json([]), **archive.lists.texts()}.items():
                archive.put(name, text.encode())


class WebDataset(Writer):
    """Shards `train-000000.tar`, `train-000001.tar` …, and `test-000000.tar` … if there is a test part.

    A sample's members stand together: `NAME.png`, `NAME.txt` (its caption), `NAME.cls` (its class); of a pair
    `NAME.a.png` and `NAME.b.png`. What follows the first dot is a member's kind, so dots in names become `_`. All
    shards appear at the end, and those left of a larger data set that is replaced go.
    """

    def __init__(self, target: Path, *, shard_size: int, overwrite: bool) -> None:
        super().__init__(target)
        if isinstance(shard_size, bool) or not isinstance(shard_size, int) or shard_size < 1:
            raise BadValue(f"a shard has a whole number of samples from 1 up, not {shard_size!r}")
        self._shard_size = shard_size
        self._overwrite = overwrite
        self._shards: dict[str, _Shard] = {}
        self._keys: set[tuple[str, str]] = set()
        _refuse_folder(target, _SHARD, overwrite)

    def _write(self, item: _Item, part: str) -> None:
        key = item.name.replace(".", "_")
        if (part, key) in self._keys:
            raise BadValue(f"{shown(item.name)} and another item would both be called {shown(key)} in a shard")
        self._keys.add((part, key))
        members = {suffix.lower(): data for suffix, data in item.files.items()}
        if item.label is not None:
            members["cls"] = str(item.label).encode()
        if item.caption is not None:
            members["txt"] = item.caption.encode()
        size = sum(map(len, members.values()))
        shard = self._shards.get(part)
        if shard is None or shard.count >= self._shard_size or (shard.count and shard.size + size > SHARD_BYTES):
            shard = self._shards[part] = self._begun(part, shard)
        for suffix, data in members.items():
            shard.put(f"{key}.{suffix}", data)
        shard.count += 1
        shard.size += size

    def _begun(self, part: str, before: _Shard | None) -> _Shard:
        number = 0 if before is None else before.number + 1
        if before is not None:
            before.tar.close()
        path = self._target / f"{part or _WHOLE}-{number:06d}.tar"
        temporary = self._open.enter_context(whole_files.atomic(path, overwrite=self._overwrite))
        tar = self._open.enter_context(tarfile.TarFile(temporary, "w", format=tarfile.PAX_FORMAT))
        return _Shard(tar, number)

    def _finish(self) -> None:
        last = {part or _WHOLE: shard.number for part, shard in self._shards.items()}
        for path in sorted(self._target.iterdir()) if self._overwrite and self._target.is_dir() else ():
            found = _SHARD.fullmatch(path.name)
            if found is not None and int(found[2]) > last.get(found[1], -1):
                path.unlink()


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    files: Mapping[str, bytes]
    label: int | None
    caption: str | None


@dataclass(slots=True)
class _Lists:
    """What `dataset.json` and `metadata.jsonl` are going to say."""

    classes: list[tuple[str, int | None]] = field(default_factory=list)
    captions: list[dict[str, str]] = field(default_factory=list)

    def note(self, placed: Mapping[str, str], item: _Item) -> None:
        """Take down an item, whose files are where `placed` says."""
        self.classes += [(place, item.label) for place in placed.values()]
        if item.caption is not None:
            names = {f"{suffix[0]}_file_name" if _SIDED.fullmatch(suffix) else "file_name": place
                     for suffix, place in placed.items()}  # fmt: skip
            self.captions.append({**names, "text": item.caption})

    def texts(self) -> dict[str, str]:
        """The content of the lists that say something, by their names."""
        texts = {}
        if any(label is not None for _, label in self.classes):
            texts[labels.CLASSES_FILE] = labels.to_json(self.classes)
        if self.captions:
            texts["metadata.jsonl"] = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in self.captions)
        return texts


@dataclass(slots=True)
class _Archive:
    zip: zipfile.ZipFile
    count: int = 0
    lists: _Lists = field(default_factory=_Lists)

    def put(self, name: str, data: bytes) -> None:
        """Store a member that says nothing of when and where it was written."""
        member = zipfile.ZipInfo(name, _EARLIEST)
        member.create_system = 3
        member.external_attr = 0o644 << 16
        self.zip.writestr(member, data)


@dataclass(slots=True)
class _Shard:
    tar: tarfile.TarFile
    number: int
    count: int = 0
    size: int = 0

    def put(self, name: str, data: bytes) -> None:
        """Store a member that says nothing of when and by whom it was written: that is what a new TarInfo says."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self.tar.addfile(member, io.BytesIO(data))


def _refuse_folder(target: Path, taken: re.Pattern[str], overwrite: bool) -> None:
    """Raise if `target` is no folder, or has files whose names are `taken` and that may not be replaced."""
    if not whole_files.is_folder(target):
        whole_files.refuse_existing(target, overwrite=False)
        return
    if overwrite:
        return
    found = next((path for path in sorted(target.iterdir()) if taken.fullmatch(path.name)), None)
    if found is not None:
        raise OutputExists(
            f"{shown(target)} has {shown(found.name)} in it; choose another folder or allow overwriting (--overwrite)"
        )


def _stylegan_form(name: str, data: bytes) -> tuple[int, str]:
    """The side and kind of a picture that StyleGAN can be trained with.

    Raises:
        BadValue: it cannot.
    """
    if len(data) < _PNG_HEAD.size or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise BadValue(f"{shown(name)} is no PNG, as StyleGAN's zip takes them")
    _, width, height, bits, color = _PNG_HEAD.unpack_from(data)
    kind = f"{_PNG_KINDS.get(color, 'broken')}, {bits} bits"
    if width != height or width & (width - 1):
        nearest = 1 << max(0, min(width, height).bit_length() - 1)
        raise BadValue(
            f"{shown(name)} is {width}x{height}: StyleGAN's pictures are square and their side is a power of two "
            f"(--size {nearest},{nearest})"
        )
    if color not in (0, 2) or bits != 8:
        raise BadValue(f"{shown(name)} is {kind}: StyleGAN's pictures are grey or RGB, 8 bits, without transparency")
    return width, kind
