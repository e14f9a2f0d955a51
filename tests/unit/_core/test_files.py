from __future__ import annotations

import os
import resource
import signal

import pytest

from ml4a._core.errors import CannotWrite, OutputExists
from ml4a._core.files import atomic


def test_a_finished_file_appears_whole(tmp_path):
    with atomic(tmp_path / "new" / "out.png") as temporary:
        temporary.write_bytes(b"art")
        assert temporary.suffix == ".png"
    assert (tmp_path / "new" / "out.png").read_bytes() == b"art"
    assert os.listdir(tmp_path / "new") == ["out.png"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_a_failure_the_folder_is_as_it_was(tmp_path, error):
    (tmp_path / "out.png").write_bytes(b"old")
    with pytest.raises(error), atomic(tmp_path / "out.png", overwrite=True) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert os.listdir(tmp_path) == ["out.png"]
    assert (tmp_path / "out.png").read_bytes() == b"old"


def test_an_existing_output_is_refused_before_any_work(tmp_path):
    (tmp_path / "out.png").write_bytes(b"old")
    with pytest.raises(OutputExists, match=r"out\.png exists; choose another name or allow overwriting"):
        with atomic(tmp_path / "out.png"):
            raise AssertionError("the work began")


def test_an_output_that_appears_meanwhile_is_kept(tmp_path):
    with pytest.raises(OutputExists, match="appeared meanwhile"), atomic(tmp_path / "out.png") as temporary:
        temporary.write_bytes(b"ours")
        (tmp_path / "out.png").write_bytes(b"theirs")
    assert (tmp_path / "out.png").read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["out.png"]


def test_a_folder_is_no_output(tmp_path):
    with pytest.raises(OutputExists, match="is a folder"), atomic(tmp_path, overwrite=True):
        pass


def test_a_name_that_is_too_long_is_refused_before_any_work(tmp_path):
    with pytest.raises(CannotWrite, match="the name is too long"), atomic(tmp_path / ("x" * 300), overwrite=True):
        raise AssertionError("the work began")


def test_a_file_too_large_for_the_system_is_named_and_removed(tmp_path):
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(CannotWrite, match="larger than this system allows"), atomic(tmp_path / "out") as temporary:
            temporary.write_bytes(b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []
