"""Readers of weights against files that were changed at random: each is read or refused, quickly, and nothing happens.

`ML4A_TEST_FUZZ=N` tries N times as many files as `make test-all` does.
"""

from __future__ import annotations

import os
import struct
import time
import zipfile
from pathlib import Path

import pytest
import tf_files
import weights_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_watch import watching

from ml4a._core.errors import BadWeights
from ml4a.weights import formats

pytestmark = pytest.mark.slow

EXAMPLES = 300 * int(os.environ.get("ML4A_TEST_FUZZ", "1"))
SLOWEST = 1.0
"""Seconds of this process's own time."""
BOUNDARIES = [
    b"\0",
    b"\1",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff\xff\x7f",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\x80" * 9 + b"\1",
]
OPCODES = [
    bytes([code]) for code in b"()]}.012NacdgijoprstuRQPbe\x80\x81\x85\x86\x87\x88\x8a\x8c\x8e\x90\x91\x92\x93\x94"
]

Edit = tuple[str, int, int, bytes]
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "repeat", "cut"]),
        st.integers(0, 1 << 16),
        st.integers(1, 64),
        st.sampled_from(BOUNDARIES) | st.sampled_from(OPCODES) | st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=8,
)


def changed(data: bytes, edits: list[Edit], *, same_length: bool = False) -> bytes:
    """`data` with the edits made one after the other."""
    for kind, position, length, new in edits:
        at = position % (len(data) or 1)
        if kind == "replace" or same_length:
            data = (data[:at] + new + data[at + len(new) :])[: len(data)]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + length :]
        elif kind == "repeat":
            data = data[:at] + data[at : at + length] * 3 + data[at + length :]
        else:
            data = data[: max(1, at)]
    return data


def check(source: formats.Source, format: str | None = None) -> None:
    """Read `source`; only `BadWeights` may come of it, in time, and nothing else may happen."""
    with watching() as seen:
        started = time.process_time()
        try:
            archive = formats.read(source, format)
            archive.not_finite()
        except BadWeights as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
        assert time.process_time() - started < SLOWEST
    assert not seen, seen


SINGLE = sorted(name for name in weights_files.SAVE if name not in ("ncnn", "tf_checkpoint"))
budget = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", SINGLE)
def test_a_changed_file_is_read_or_refused(tmp_path, name):
    path = weights_files.SAVE[name](tmp_path)
    assert isinstance(path, Path)
    data = path.read_bytes()

    @budget
    @given(EDITS)
    def fuzz(edits: list[Edit]) -> None:
        path.write_bytes(changed(data, edits))
        check(path)

    fuzz()


@pytest.mark.parametrize("name", ["ncnn", "tf_checkpoint"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_pair_of_which_one_is_changed_is_read_or_refused(tmp_path, name, which):
    pair = weights_files.SAVE[name](tmp_path)
    assert isinstance(pair, tuple)
    path = Path(pair[which])
    data = path.read_bytes()

    @budget
    @given(EDITS)
    def fuzz(edits: list[Edit]) -> None:
        path.write_bytes(changed(data, edits))
        check(pair)

    fuzz()


def test_an_index_whose_checksums_are_right_again_is_read_or_refused(tmp_path):
    """Else no change would come past the checksums."""
    index, data = weights_files.SAVE["tf_checkpoint"](tmp_path)
    whole = Path(index).read_bytes()
    blocks = _blocks(whole)

    @budget
    @given(EDITS)
    def fuzz(edits: list[Edit]) -> None:
        changed_index = bytearray(changed(whole[: blocks[-1][1]], edits, same_length=True)) + whole[blocks[-1][1] :]
        for start, end in blocks:
            changed_index[end : end + 5] = b"\0" + struct.pack(
                "<I", tf_files.masked_crc(bytes(changed_index[start:end]) + b"\0")
            )
        Path(index).write_bytes(bytes(changed_index))
        check((index, data))

    fuzz()


def _blocks(table: bytes) -> list[tuple[int, int]]:
    """Where each block begins and ends: its checksum is right there."""
    blocks, start = [], 0
    for end in range(4, len(table) - 48):
        if struct.unpack_from("<I", table, end + 1)[0] == tf_files.masked_crc(table[start : end + 1]):
            blocks.append((start, end))
            start = end + 5
    return blocks


@pytest.mark.parametrize("name", ["torch", "npz"])
def test_a_changed_member_whose_checksum_is_right_again_is_read_or_refused(tmp_path, name):
    """Else no change would come past the archive's checksums."""
    path = weights_files.SAVE[name](tmp_path)
    assert isinstance(path, Path)
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    inner = [member for member in members if member.endswith((".pkl", ".npy", "byteorder"))]

    @budget
    @given(EDITS, st.sampled_from(inner))
    def fuzz(edits: list[Edit], member: str) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, changed(content, edits) if name == member else content)
        check(path)

    fuzz()
