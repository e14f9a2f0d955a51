from __future__ import annotations

import hashlib
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ml4a._core.errors import BadWeights, CannotWrite
from ml4a.weights import cache
from ml4a.weights.schema import File

DATA = random.Random(7).randbytes(5 << 20)


def file_of(data: bytes = DATA, name: str = "net.bin") -> File:
    return File(name, "torch", ("https://example.org/x",), len(data), hashlib.sha256(data).hexdigest())


@pytest.fixture
def file(home: Path) -> File:
    """A file in the cache."""
    return publish(file_of())


def publish(file: File, data: bytes = DATA) -> File:
    with cache.scratch() as folder:
        (folder / "new").write_bytes(data)
        cache.publish(folder / "new", file)
    return file


def rewrite_keeping_its_time(path: Path, data: bytes) -> None:
    about = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_a_published_file_lies_under_its_hash_and_is_found(file: File):
    path = cache.root() / file.sha256 / "net.bin"
    assert cache.find(file) == path
    assert path.read_bytes() == DATA


def test_what_was_never_published_is_not_found(home: Path):
    assert cache.find(file_of()) is None
    assert not home.exists()


@pytest.mark.parametrize("wrong", [DATA[:-1], DATA + b"x", DATA[:-1] + bytes([DATA[-1] ^ 1]), b""])
def test_a_wrong_file_is_refused_and_removed(wrong: bytes, home: Path):
    with pytest.raises(BadWeights, match=r"net\.bin has .* should have"):
        publish(file_of(), wrong)
    assert [path for path in cache.root().rglob("*") if path.is_file()] == []


def test_a_wrong_hash_is_told_with_both_hashes(home: Path):
    other = DATA[::-1]
    with pytest.raises(BadWeights) as caught:
        publish(file_of(), other)
    assert hashlib.sha256(other).hexdigest()[:12] in str(caught.value)
    assert file_of().sha256[:12] in str(caught.value)


@pytest.mark.parametrize("at", [0, len(DATA) // 2, len(DATA) - 1])
def test_damage_at_the_start_middle_or_end_is_noticed_whatever_the_clock_says(
    at: int, file: File, caplog: pytest.LogCaptureFixture
):
    path = cache.path_of(file)
    rewrite_keeping_its_time(path, DATA[:at] + bytes([DATA[at] ^ 255]) + DATA[at + 1 :])
    with caplog.at_level(logging.WARNING, "ml4a"):
        assert cache.find(file) is None
    assert "net.bin has SHA-256" in caplog.text
    assert not path.exists()


def test_damage_elsewhere_is_noticed_by_the_time_of_change(file: File):
    path = cache.path_of(file)
    at = len(DATA) // 4
    path.write_bytes(DATA[:at] + bytes([DATA[at] ^ 255]) + DATA[at + 1 :])
    assert cache.find(file) is None


def test_a_file_that_was_only_touched_is_still_good(file: File):
    path = cache.path_of(file)
    os.utime(path, (1, 1))
    assert cache.find(file) == path


def test_an_undamaged_file_is_not_read_as_a_whole(file: File):
    """Proven by damage that only a full hash could notice."""
    at = len(DATA) // 4
    rewrite_keeping_its_time(cache.path_of(file), DATA[:at] + bytes([DATA[at] ^ 255]) + DATA[at + 1 :])
    assert cache.find(file) is not None


@pytest.mark.parametrize("stamp", [b"", b"1 2 3\n", b"\xff" * 5000])
def test_a_broken_stamp_means_a_full_check(stamp: bytes, file: File):
    (note,) = cache.path_of(file).parent.glob(".*.stamp")
    note.write_bytes(stamp)
    assert cache.find(file) is not None


def test_a_file_put_there_by_hand_is_verified_and_used(home: Path):
    path = cache.path_of(file_of())
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    assert cache.find(file_of()) == path


def test_a_wrong_file_put_there_by_hand_is_not_used_and_not_deleted(home: Path):
    path = cache.path_of(file_of())
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA[:100])
    assert cache.find(file_of()) is None
    assert path.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_in_a_files_place_is_not_opened(make: Callable[[Path], None], file: File):
    path = cache.path_of(file)
    path.unlink()
    make(path)
    assert cache.find(file) is None


def test_a_link_planted_at_the_destination_is_replaced_and_not_written_through(home: Path, tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    path = cache.path_of(file_of())
    path.parent.mkdir(parents=True)
    path.symlink_to(precious)
    publish(file_of())
    assert precious.read_text() == "keep me"
    assert not path.is_symlink()
    assert cache.find(file_of()) == path


def test_one_hash_under_two_names_is_two_files(file: File):
    other = publish(file_of(name="same.bin"))
    assert cache.find(file) != cache.find(other)
    cache.path_of(other).unlink()
    assert cache.find(file) is not None


def test_names_of_two_hundred_bytes_work(home: Path):
    assert cache.find(publish(file_of(name="é" * 100))) is not None


def test_scratch_is_gone_afterwards_and_sweeps_what_was_abandoned_weeks_ago(home: Path):
    cache.root().mkdir(parents=True)
    old, young = cache.root() / ".old.tmp", cache.root() / ".young.tmp"
    for folder in (old, young):
        folder.mkdir()
        (folder / "wheel").write_bytes(b"x")
    os.utime(old, (time.time() - 30 * 86400,) * 2)
    with cache.scratch() as folder:
        (folder / "new").write_bytes(b"x")
    assert list(cache.root().iterdir()) == [young]


def test_a_download_that_cannot_fit_is_refused_before_it_begins(home: Path):
    with pytest.raises(CannotWrite, match=r"too full: 1000000000\.0 MB are needed.*ML4A_HOME"):
        cache.require_space(10**15)


def test_a_cache_that_cannot_be_written_is_read_and_writing_says_so(monkeypatch: pytest.MonkeyPatch):
    """As another user than root, to whom no permission is denied."""
    file = file_of()
    code = f"""
import os
from ml4a._core.errors import CannotWrite
from ml4a.weights import cache
from ml4a.weights.schema import File
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
file = File({file.name!r}, "torch", ("https://example.org/x",), {file.size}, {file.sha256!r})
assert cache.find(file) is not None
try:
    with cache.scratch():
        pass
except CannotWrite as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as home:  # and not below the tests' own folder, which is closed to others
        monkeypatch.setenv("ML4A_HOME", home)
        publish(file)
        for note in cache.root().rglob(".*.stamp"):
            note.unlink()  # so that it would have to be written
        folders = [Path(home), *(path for path in Path(home).rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for folder in folders:
            folder.chmod(0o755)
        assert list(cache.root().rglob(".*.stamp")) == []
    assert "permission denied" in result.stdout
    assert "ML4A_HOME" in result.stdout
