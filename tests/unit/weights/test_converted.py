from __future__ import annotations

import hashlib
import logging
import mmap
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import containers
import numpy as np
import pytest
import safetensors.numpy
import tf_files
import torch
import weights_files

from ml4a._core.errors import BadWeights, CannotWrite, UnsafeWeights
from ml4a.weights import cache, converted, formats, stamp
from ml4a.weights.schema import File

pytestmark = pytest.mark.usefixtures("home")

STATE = {"conv.weight": torch.arange(24.0).reshape(2, 3, 4), "steps": torch.tensor(7), "half": torch.ones(3).bfloat16()}


def cached(path: Path) -> Path:
    """The file as the cache keeps it."""
    file = File(path.name, sources=("file:/x",), format="torch", size=path.stat().st_size, sha256=cache.sha256_of(path))
    target = cache.publish(path, file)
    assert stamp.agrees(target)
    return target


@pytest.fixture
def weights(tmp_path):
    value = {"params": STATE, "epoch": (1, {"rate": 0.5}), "momentum": {"a": {0: torch.ones(2)}}}
    return cached(containers.save_torch(tmp_path / "net.pth", value))


def assert_same(found: formats.Archive, expected: formats.Archive) -> None:
    assert found.format == expected.format
    assert list(found.tensors) == list(expected.tensors)
    for name, tensor in expected.tensors.items():
        assert (found.tensors[name].dtype, found.tensors[name].shape) == (tensor.dtype, tensor.shape)
        assert bytes(found.tensors[name].data) == bytes(tensor.data)


def test_the_first_reading_leaves_a_copy_and_the_next_one_reads_only_that(weights, monkeypatch):
    first = converted.read(weights)
    assert converted.copies() == [converted.folder() / f"{weights.parent.name}.safetensors"]
    monkeypatch.setattr(formats, "read", None)
    second = converted.read(weights)
    assert_same(second, first)
    assert second.metadata["epoch"] == (1, {"rate": 0.5})
    assert second.metadata["momentum"]["a"][0].numpy().tolist() == [1, 1]


@pytest.mark.parametrize("name", weights_files.SAVE)
def test_what_a_copy_holds_is_what_the_reader_reads(tmp_path, name):
    source = weights_files.SAVE[name](tmp_path)
    paths = [cached(Path(part)) for part in (source if isinstance(source, tuple) else (source,))]
    source = tuple(paths) if isinstance(source, tuple) else paths[0]
    expected = formats.read(source)
    for _ in range(2):
        found = converted.read(source, expected.format)
        assert_same(found, expected)
        assert repr(found.metadata) == repr(expected.metadata)
    assert len(converted.copies()) == (expected.format != "safetensors")


def test_a_copy_is_mapped_and_its_tensors_are_aligned(weights):
    archive = converted.read(weights)
    for tensor in archive.tensors.values():
        assert isinstance(tensor.data.obj, mmap.mmap)
        assert np.frombuffer(tensor.data, formats.archive.DTYPES[tensor.dtype]).flags.aligned


def test_a_copy_is_a_safetensors_file_that_others_can_read(tmp_path):
    path = cached(containers.save_torch(tmp_path / "w", {"a": torch.arange(3.0), "b": torch.ones(2, 2).half()}))
    converted.read(path)
    (copy,) = converted.copies()
    arrays = safetensors.numpy.load_file(copy)
    np.testing.assert_array_equal(arrays["a"], np.float32([0, 1, 2]), strict=True)
    assert arrays["b"].dtype == np.float16


def test_a_file_outside_of_the_cache_is_read_and_not_copied(tmp_path):
    path = containers.save_torch(tmp_path / "mine.pth", STATE)
    assert list(converted.read(path).tensors) == list(STATE)
    assert converted.copies() == []


def test_safetensors_need_no_copy(tmp_path):
    safetensors.numpy.save_file({"a": np.ones(3)}, tmp_path / "w.safetensors")
    path = cached(tmp_path / "w.safetensors")
    assert converted.read(path, "safetensors").format == "safetensors"
    assert converted.copies() == []


def test_another_format_than_the_one_asked_for_is_refused_with_and_without_a_copy(weights):
    for _ in range(2):
        with pytest.raises(BadWeights, match="in the format torch, not onnx"):
            converted.read(weights, "onnx")
        converted.read(weights, "torch")


def test_hostile_weights_leave_no_copy(tmp_path):
    path = cached(containers.save_torch(tmp_path / "w", {"a": torch.ones(1), "b": Command()}))
    with pytest.raises(UnsafeWeights):
        converted.read(path)
    assert not converted.folder().exists()


class Command:
    def __reduce__(self):
        return print, ("executed",)


# -- Copies that cannot be used ----------------------------------------------------------------------------------------


def cut(copy):
    os.truncate(copy, copy.stat().st_size - 8)


def overwrite(copy):
    copy.write_bytes(bytes(copy.stat().st_size))


def unstamp(copy):
    stamp.path_of(copy).unlink()


def stamp_junk(copy):
    copy.write_bytes(b"junk")
    stamp.write(copy)


def of_another_file(copy):
    containers_header = copy.read_bytes().replace(copy.stem.encode(), b"0" * 64)
    copy.write_bytes(containers_header)
    stamp.write(copy)


def of_an_older_reader(copy):
    copy.write_bytes(copy.read_bytes().replace(b'"version": "1"', b'"version": "0"'))
    stamp.write(copy)


@pytest.mark.parametrize("damage", [cut, overwrite, unstamp, stamp_junk, of_another_file, of_an_older_reader])
def test_a_copy_that_is_not_what_it_was_is_made_again(weights, damage):
    expected = formats.read(weights)
    converted.read(weights)
    (copy,) = converted.copies()
    right = copy.read_bytes()
    damage(copy)
    assert_same(converted.read(weights), expected)
    assert copy.read_bytes() == right
    assert stamp.agrees(copy)


def test_weights_that_were_changed_since_are_not_read_from_the_copy(weights):
    converted.read(weights)
    torch.save({"other": torch.ones(1)}, weights)
    assert list(converted.read(weights).tensors) == ["other"]


def test_verify_hashes_every_byte_and_removes_what_is_damaged(weights):
    converted.read(weights)
    (copy,) = converted.copies()
    assert converted.verify() == []
    about = copy.stat()
    with copy.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")
    os.utime(copy, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert converted.verify() == [copy]
    assert list(converted.folder().iterdir()) == []


def test_forgetting_a_file_removes_the_copies_made_of_it(tmp_path, weights):
    pair = tf_files.save_checkpoint(tmp_path / "m.index", tmp_path / "m.data", {"a": np.ones(3, np.float32)})
    index, data = (cached(path) for path in pair)
    converted.read(weights)
    converted.read((index, data))
    assert len(converted.copies()) == 2
    assert len(converted.copies(data.parent.name)) == 1
    assert converted.forget(data.parent.name) > 0
    assert [path.stem for path in converted.copies()] == [weights.parent.name]
    assert converted.forget() > 0
    assert list(converted.folder().iterdir()) == []
    assert converted.forget() == 0


# -- Caches that cannot be written -------------------------------------------------------------------------------------


def test_a_full_disk_is_no_reason_not_to_read(weights, monkeypatch):
    def full(size):
        raise CannotWrite("the disk is full")

    monkeypatch.setattr(cache, "require_space", full)
    assert converted.read(weights).metadata["epoch"] == (1, {"rate": 0.5})
    assert converted.copies() == []


PROGRAM = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
from ml4a.weights import converted
print(list(converted.read(sys.argv[1]).tensors), converted.copies(), list(converted.folder().iterdir()))
"""


def test_a_disk_that_fills_up_on_the_way_leaves_nothing(weights):
    done = subprocess.run([sys.executable, "-c", PROGRAM, weights], capture_output=True, text=True, check=True)
    assert done.stdout == "['params.conv.weight', 'params.steps', 'params.half'] [] []\n"


def test_a_cache_that_cannot_be_written_is_no_reason_not_to_read(tmp_path, monkeypatch):
    """As another user than root, to whom no permission is denied."""
    program = """
import os, sys
from ml4a.weights import converted
from ml4a.weights.formats import safetensors, torch
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(list(converted.read(sys.argv[1]).tensors), converted.copies())
"""
    with tempfile.TemporaryDirectory() as home:  # and not below the tests' own folder, which is closed to others
        monkeypatch.setenv("ML4A_HOME", home)
        path = cached(containers.save_torch(tmp_path / "net.pth", STATE))
        folders = [Path(home), *(inner for inner in Path(home).rglob("*") if inner.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
        for folder in folders:
            folder.chmod(0o755)
    assert done.stdout == "['conv.weight', 'steps', 'half'] []\n", done.stderr


def test_what_safetensors_cannot_hold_is_read_without_a_copy(tmp_path):
    path = cached(containers.save_torch(tmp_path / "w", {"a": torch.ones(2, dtype=torch.complex128)}))
    for _ in range(2):
        assert converted.read(path).arrays()["a"].tolist() == [1, 1]
    assert converted.copies() == []


def test_many_readers_at_once_leave_one_copy(weights):
    expected = formats.read(weights)
    found: list[formats.Archive] = []
    threads = [threading.Thread(target=lambda: found.append(converted.read(weights))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for archive in found:
        assert_same(archive, expected)
    assert len(list(converted.folder().iterdir())) == 2


def test_what_a_killed_process_left_is_swept_away_after_a_week(weights):
    converted.folder().mkdir(parents=True)
    old, new = (converted.folder() / f".{name}.part.safetensors" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    converted.read(weights)
    assert not old.exists()
    assert new.exists()


# -- Weights that are not numbers --------------------------------------------------------------------------------------

BROKEN = {
    "good": torch.ones(3),
    "nan": torch.tensor([1, float("nan")]),
    "infinite": torch.tensor([-float("inf")]).half(),
    "bfloat16": torch.tensor([float("inf")]).bfloat16(),
    "complex": torch.tensor([complex(0, float("nan"))]),
    "integers": torch.tensor([2**31 - 1]),
}


def test_tensors_that_are_not_finite_are_named_each_time(tmp_path, caplog):
    path = cached(containers.save_torch(tmp_path / "net.pth", BROKEN))
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "ml4a"):
            assert converted.read(path).not_finite() == ["nan", "infinite", "bfloat16", "complex"]
        expected = "net.pth: 4 of its tensors have NaN or infinities in them: 'nan', 'infinite', 'bfloat16', …"
        assert caplog.messages == [expected]


def test_a_file_outside_of_the_cache_is_warned_of_too(tmp_path, caplog):
    path = containers.save_torch(tmp_path / "mine.pth", {"a": torch.tensor([float("nan")])})
    converted.read(path)
    assert caplog.messages == ["mine.pth: 1 of its tensors have NaN or infinities in them: 'a'"]


def test_sound_weights_are_not_warned_of(weights, caplog):
    converted.read(weights)
    assert caplog.messages == []


def test_the_key_of_a_copy_is_the_hash_of_its_source(weights):
    converted.read(weights)
    assert converted.copies()[0].stem == hashlib.sha256(weights.read_bytes()).hexdigest()
