"""Data sets as trainers read them: folders, StyleGAN's zip, WebDataset's shards."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tarfile
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from PIL import Image

from ml4a._core.errors import BadValue, OutputExists
from ml4a.dataset import packing

CONTAINERS = {"folder": "set", "zip": "set.zip", "webdataset": "shards"}


def png(seed: int = 0, size: tuple[int, int] = (16, 16), mode: str = "RGB") -> bytes:
    channels = len(mode) if mode != "L" else 1
    array = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), np.uint8)
    buffer = io.BytesIO()
    Image.frombytes(mode, size, array.tobytes()).save(buffer, "PNG")
    return buffer.getvalue()


def writer(container: str, folder: Path, *, shard_size: int = 1000, overwrite: bool = False) -> packing.Writer:
    return packing.writer(container, folder / CONTAINERS[container], shard_size=shard_size, overwrite=overwrite)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def lines(data: bytes) -> list[dict[str, str]]:
    return [json.loads(line) for line in data.decode().splitlines()]


def samples(paths: Iterable[Path], pictures: str) -> list[dict[str, Any]]:
    """What webdataset's own reader makes of shards, which it would leave open."""
    with contextlib.ExitStack() as stack:
        shards = [{"url": str(path), "stream": stack.enter_context(path.open("rb"))} for path in sorted(paths)]
        decoded = webdataset.decode(pictures)
        return list(decoded(webdataset.tariterators.group_by_keys(webdataset.tariterators.tar_file_expander(shards))))


def test_a_folder_has_pictures_classes_and_captions(tmp_path):
    with writer("folder", tmp_path) as pack:
        pack.add("f00000_é", {"png": png(0)}, label=1, caption="A “cat”.")
        pack.add("f00001_b", {"jpg": b"jpeg"}, label=0)
    found = tree(tmp_path / "set")
    assert found.keys() == {"f00000_é.png", "f00000_é.txt", "f00001_b.jpg", "dataset.json", "metadata.jsonl"}
    assert found["f00000_é.png"] == png(0)
    assert found["f00000_é.txt"].decode() == "A “cat”.\n"
    assert json.loads(found["dataset.json"]) == {"labels": [["f00000_é.png", 1], ["f00001_b.jpg", 0]]}
    assert lines(found["metadata.jsonl"]) == [{"file_name": "f00000_é.png", "text": "A “cat”."}]


def test_pairs_and_parts_are_where_pix2pix_looks_for_them(tmp_path):
    pair = {"A.png": b"edges", "B.png": b"photo"}
    with writer("folder", tmp_path) as pack:
        pack.add("f0", pair, part="train", caption="Zero.", label=4)
        pack.add("f1", pair, part="test")
        pack.add("f2", {"png": b"alone"}, part="test")
        pack.add("f3", pair)
    found = tree(tmp_path / "set")
    assert found.keys() == {
        "train/train_A/f0.png", "train/train_B/f0.png", "train/train_A/f0.txt", "train/train_B/f0.txt",
        "train/metadata.jsonl", "train/dataset.json",
        "test/test_A/f1.png", "test/test_B/f1.png", "test/f2.png",
        "train_A/f3.png", "train_B/f3.png",
    }  # fmt: skip
    assert (found["train/train_A/f0.png"], found["train/train_B/f0.png"]) == (b"edges", b"photo")
    row = {"A_file_name": "train_A/f0.png", "B_file_name": "train_B/f0.png", "text": "Zero."}
    assert lines(found["train/metadata.jsonl"]) == [row]
    assert json.loads(found["train/dataset.json"])["labels"] == [["train_A/f0.png", 4], ["train_B/f0.png", 4]]


def test_stylegans_zip_is_laid_out_as_its_tools_do(tmp_path):
    count, data = 1003, [png(number) for number in range(3)]
    with writer("zip", tmp_path) as pack:
        for number in range(count):
            pack.add(
                f"f{number:05d}", {"png": data[number % 3]}, label=number % 5, caption="A." if number == 7 else None
            )
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        names = archive.namelist()
        assert names[0] == "00000/img00000000.png"
        assert names[count - 1] == "00001/img00001002.png"
        assert names[count:] == ["dataset.json", "metadata.jsonl"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert archive.testzip() is None
        assert archive.read(names[4]) == png(1)
        # As its trainer reads them: a class for every picture of the sorted list.
        classes = dict(json.loads(archive.read("dataset.json"))["labels"])
        pictures = sorted(name for name in names if Path(name).suffix in Image.registered_extensions())
        assert [classes[name] for name in pictures] == [number % 5 for number in range(count)]
        assert lines(archive.read("metadata.jsonl")) == [{"file_name": "00000/img00000007.png", "text": "A."}]


def test_without_classes_the_zip_says_so(tmp_path):
    with writer("zip", tmp_path) as pack:
        pack.add("a", {"png": png()}, part="train", label=1)
        pack.add("b", {"png": png()}, part="train")
        pack.add("c", {"png": png(mode="RGB")}, part="test")
    assert tree(tmp_path).keys() == {"set-train.zip", "set-test.zip"}
    for part, count in (("train", 2), ("test", 1)):
        with zipfile.ZipFile(tmp_path / f"set-{part}.zip") as archive:
            assert json.loads(archive.read("dataset.json")) == {"labels": None}
            assert len(archive.namelist()) == count + 1


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"png": png(size=(16, 8))}, r"16x8: .*square.*--size 8,8"),
        ({"png": png(size=(24, 24))}, r"24x24: .*power of two.*--size 16,16"),
        ({"png": png(mode="RGBA")}, r"RGB with alpha, 8 bits: .*without transparency"),
        ({"png": png(size=(32, 32))}, r"is 32 px and RGB.*before are 16 px.*--size 16"),
        ({"png": png(mode="L")}, "grey.*before are 16 px and RGB"),
        ({"png": b"\x89PNG\r\n\x1a\n"}, "no PNG"),
        ({"jpg": b"jpeg"}, "no JPEGs"),
        ({"A.png": png(), "B.png": png()}, "no pairs"),
    ],
)
def test_what_stylegan_cannot_be_trained_with_is_told_of(tmp_path, files, message):
    with pytest.raises(BadValue, match=message), writer("zip", tmp_path) as pack:
        pack.add("good", {"png": png()})
        pack.add("bad", files)
    assert tree(tmp_path) == {}


def test_a_zip_ends_in_zip(tmp_path):
    with pytest.raises(BadValue, match=r"ends in \.zip"):
        packing.writer("zip", tmp_path / "set", shard_size=1, overwrite=False)


def test_webdatasets_own_reader_gives_every_sample_whole(tmp_path):
    with writer("webdataset", tmp_path, shard_size=3) as pack:
        for number in range(7):
            pack.add(f"f{number}_é.v1", {"png": png(number)}, label=number, caption=f"“{number}”")
    assert tree(tmp_path / "shards").keys() == {f"train-{number:06d}.tar" for number in range(3)}
    found = samples((tmp_path / "shards").iterdir(), "rgb8")
    assert [sample["__key__"] for sample in found] == [f"f{number}_é_v1" for number in range(7)]
    for number, sample in enumerate(found):
        np.testing.assert_array_equal(sample["png"], np.asarray(Image.open(io.BytesIO(png(number)))))
        assert (sample["cls"], sample["txt"]) == (number, f"“{number}”")


def test_pairs_are_members_of_one_sample(tmp_path):
    with writer("webdataset", tmp_path) as pack:
        pack.add("f0", {"A.png": png(0), "B.png": png(1)}, part="test")
        pack.add("f1", {"A.png": png(2), "B.png": png(3)}, part="train")
    (sample,) = samples([tmp_path / "shards" / "test-000000.tar"], "pil")
    assert sample["a.png"].tobytes() == Image.open(io.BytesIO(png(0))).tobytes()
    assert sample["b.png"].tobytes() == Image.open(io.BytesIO(png(1))).tobytes()
    assert (tmp_path / "shards" / "train-000000.tar").exists()


def test_large_samples_make_a_shard_full_sooner(tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "SHARD_BYTES", 1000)
    with writer("webdataset", tmp_path) as pack:
        for number, size in enumerate((400, 400, 400, 5000, 10)):
            pack.add(f"f{number}", {"png": bytes(size)})
    found = []
    for path in sorted((tmp_path / "shards").iterdir()):
        with tarfile.open(path) as shard:
            found.append(shard.getnames())
    assert found == [["f0.png", "f1.png"], ["f2.png"], ["f3.png"], ["f4.png"]]


@pytest.mark.parametrize("container", CONTAINERS)
def test_the_bytes_do_not_depend_on_when_and_where(tmp_path, container, monkeypatch):
    hashes = set()
    for folder, moment in (("a", 1e9), ("b", 1.5e9)):
        monkeypatch.setattr(time, "time", lambda moment=moment: moment)
        old = os.umask(0o022 if folder == "a" else 0o077)
        try:
            with writer(container, tmp_path / folder) as pack:
                pack.add("a", {"png": png(0)}, label=1, caption="A")
                pack.add("b" * 150, {"png": png(1)}, label=0)
        finally:
            os.umask(old)
        hashes.add(hashlib.sha256(repr(sorted(tree(tmp_path / folder).items())).encode()).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize("container", ["zip", "webdataset"])
def test_an_archive_is_whole_or_not_there(tmp_path, container):
    with contextlib.suppress(KeyboardInterrupt), writer(container, tmp_path, shard_size=1) as pack:
        pack.add("a", {"png": png()})
        pack.add("b", {"png": png()})
        raise KeyboardInterrupt
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("container", CONTAINERS)
def test_what_is_there_is_replaced_only_if_asked_for(tmp_path, container):
    for number in range(2):
        with writer(container, tmp_path, shard_size=1, overwrite=number > 0) as pack:
            for name in "abc"[number:]:
                pack.add(name, {"png": png(number)}, caption=name)
    before = tree(tmp_path)
    with pytest.raises(OutputExists, match="overwrit"):
        writer(container, tmp_path)
    assert tree(tmp_path) == before
    # Shards that are left of a larger set would be read with the new ones; other files stay.
    assert ("shards/train-000002.tar" in before) is False
    if container == "folder":
        assert before["set/a.png"] == png(0)
        assert before["set/b.png"] == png(1)


def test_other_peoples_files_beside_the_shards_stay(tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "val-000007.tar").write_bytes(b"theirs")
    (tmp_path / "shards" / "train-000007.tar").write_bytes(b"old")
    with writer("webdataset", tmp_path, overwrite=True) as pack:
        pack.add("a", {"png": png()})
    assert tree(tmp_path / "shards").keys() == {"train-000000.tar", "val-000007.tar"}


def test_a_hidden_folder_of_a_job_is_not_in_the_way(tmp_path):
    (tmp_path / "set" / ".ml4a-job").mkdir(parents=True)
    with writer("folder", tmp_path) as pack:
        pack.add("a", {"png": png()})
    assert (tmp_path / "set" / "a.png").exists()


@pytest.mark.parametrize("container", ["folder", "webdataset"])
def test_a_file_where_the_folder_should_be_is_told_of(tmp_path, container):
    (tmp_path / CONTAINERS[container]).write_bytes(b"")
    with pytest.raises(OutputExists):
        writer(container, tmp_path)


@pytest.mark.parametrize("name", ["", "../a", "a/b", "a\\b", ".hidden", "a\0b", "a\nb", "x" * 300, "é" * 150])
@pytest.mark.parametrize("container", CONTAINERS)
def test_no_name_leads_out_of_the_data_set(tmp_path, container, name):
    with pytest.raises(BadValue, match="cannot be the name"), writer(container, tmp_path) as pack:
        pack.add(name, {"png": png()})
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("container", CONTAINERS)
def test_no_two_items_are_called_the_same(tmp_path, container):
    with pytest.raises(BadValue, match="two items"), writer(container, tmp_path) as pack:
        pack.add("a", {"png": png()}, part="train")
        pack.add("a", {"png": png()}, part="test")
        pack.add("a", {"png": png()}, part="test")


def test_names_that_are_the_same_without_their_dots_are_told_of(tmp_path):
    with pytest.raises(BadValue, match=r"both be called a_b"), writer("webdataset", tmp_path) as pack:
        pack.add("a.b", {"png": png()})
        pack.add("a_b", {"png": png()})


@pytest.mark.parametrize("size", [0, -1, True, 2.5])
def test_a_shard_has_samples(tmp_path, size):
    with pytest.raises(BadValue, match="from 1 up"):
        writer("webdataset", tmp_path, shard_size=size)


def test_other_containers_are_refused(tmp_path):
    with pytest.raises(BadValue, match="folder, zip, webdataset"):
        packing.writer("tar", tmp_path, shard_size=1, overwrite=False)


@pytest.mark.slow
def test_more_pictures_than_an_old_zip_can_have(tmp_path):
    count, data = 70_000, png(size=(1, 1))
    with writer("zip", tmp_path) as pack:
        for number in range(count):
            pack.add(f"f{number}", {"png": data}, label=number % 2)
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        assert len(archive.namelist()) == count + 1
        assert archive.namelist()[-2] == "00069/img00069999.png"
        assert archive.read("00069/img00069999.png") == data
