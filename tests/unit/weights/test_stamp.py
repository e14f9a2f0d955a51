from __future__ import annotations

import os

import pytest

from ml4a.weights import stamp

SIZE = 5 << 20


@pytest.fixture
def path(tmp_path):
    (tmp_path / "w.bin").write_bytes(bytes(SIZE))
    stamp.write(tmp_path / "w.bin")
    return tmp_path / "w.bin"


def overwrite(path, position, *, same_time):
    about = path.stat()
    with path.open("rb+") as file:
        file.seek(position)
        file.write(b"x")
    if same_time:
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_a_file_agrees_until_it_is_changed(path):
    assert stamp.agrees(path)
    overwrite(path, 1 << 21, same_time=False)
    assert not stamp.agrees(path)


@pytest.mark.parametrize("position", [0, SIZE // 2, SIZE - 1])
def test_a_change_that_keeps_size_and_time_is_seen_where_it_is_looked(path, position):
    overwrite(path, position, same_time=True)
    assert not stamp.agrees(path)


def test_a_change_elsewhere_that_keeps_size_and_time_is_not_seen(path):
    """That is what hashing the whole file is for."""
    overwrite(path, int(SIZE * 0.3), same_time=True)
    assert stamp.agrees(path)


def test_a_file_cut_short_a_missing_stamp_and_a_broken_one_agree_with_nothing(path):
    os.truncate(path, SIZE - 1)
    assert not stamp.agrees(path)
    stamp.write(path)
    stamp.path_of(path).write_bytes(b"\xff junk")
    assert not stamp.agrees(path)
    stamp.path_of(path).unlink()
    assert not stamp.agrees(path)
    assert stamp.sha256_of(path) == ""


def test_the_hash_of_the_whole_is_kept_if_it_is_given(path):
    assert stamp.sha256_of(path) == ""
    stamp.write(path, "ab" * 32)
    assert stamp.agrees(path)
    assert stamp.sha256_of(path) == "ab" * 32


def test_where_nothing_can_be_written_there_is_no_stamp(tmp_path):
    stamp.write(tmp_path / "missing" / "w.bin")
    assert not stamp.agrees(tmp_path / "missing" / "w.bin")
