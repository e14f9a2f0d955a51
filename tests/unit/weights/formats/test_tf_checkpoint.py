from __future__ import annotations

import mmap
import struct

import numpy as np
import pytest
import tf_files

from ml4a._core.errors import BadWeights
from ml4a.weights.formats import sorted_table

RANDOM = np.random.default_rng(0)
VARIABLES = {
    **{f"generator/Conv_{n}/weights": RANDOM.random((3, 3, n + 1, 4), np.float32) for n in range(13)},
    **{f"generator/Conv_{n}/biases": RANDOM.random(4, np.float32) for n in range(13)},
    "generator/block_0/conv1/weights": RANDOM.random((1, 1, 2, 2), np.float32),
    "global_step": np.array(33999),
    "half": np.float16([1, 2]),
    "flags": np.array([True, False]),
    "nothing": np.zeros((0, 3), np.float32),
}


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "model-33999.index", tmp_path / "model-33999.data-00000-of-00001"


def test_variables_come_out_by_name(paths, read):
    archive = read(tf_files.save_checkpoint(*paths, VARIABLES))
    assert archive.format == "tf_checkpoint"
    assert list(archive.tensors) == sorted(VARIABLES)
    for name, array in archive.arrays().items():
        np.testing.assert_array_equal(array, VARIABLES[name], strict=True)
    assert archive.metadata == {"texts": []}


def test_tensors_are_slices_of_the_mapped_data(paths, read):
    tensor = read(tf_files.save_checkpoint(*paths, VARIABLES)).tensors["generator/Conv_3/weights"]
    assert isinstance(tensor.data.obj, mmap.mmap)


def test_texts_are_listed_and_left_out(paths, read):
    array = np.float32([1, 2])
    entry = tf_files.integer(1, 7) + tf_files.counted(2, b"") + tf_files.integer(4, 8) + tf_files.integer(5, 3)
    paths[0].write_bytes(
        tf_files.sorted_table({b"": tf_files.header(), b"_GRAPH": entry, b"a": tf_files.bundle_entry(array, 0)})
    )
    paths[1].write_bytes(array.tobytes() + b"abc")
    archive = read(paths)
    assert list(archive.tensors) == ["a"]
    assert archive.metadata == {"texts": ["_GRAPH"]}


def test_one_file_of_the_two_is_not_enough(paths, read):
    tf_files.save_checkpoint(*paths, VARIABLES)
    with pytest.raises(
        BadWeights, match=r"in the format tf_checkpoint are the pair \(\.index, \.data-00000-of-00001\)"
    ):
        read(paths[0])


def broken(entry: bytes = b"", data: bytes = bytes(16), header: bytes | None = None, **options) -> tuple[bytes, bytes]:
    entries = {b"": tf_files.header() if header is None else header, b"a": entry}
    return tf_files.sorted_table(entries, **options), data


FLOATS = np.zeros(4, np.float32)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (broken(tf_files.bundle_entry(FLOATS, 4)), "variable 'a': it lies outside of the data file"),
        (broken(tf_files.bundle_entry(FLOATS, 1 << 62)), "variable 'a': it lies outside of the data file"),
        (broken(tf_files.bundle_entry(FLOATS, -1)), "variable 'a': it lies outside of the data file"),
        (broken(tf_files.bundle_entry(FLOATS, 0, size=12)), "takes 16 bytes, but it has 12"),
        (broken(tf_files.bundle_entry(FLOATS, 0, shape=(1 << 40, 1 << 40))), "shape is impossible"),
        (broken(tf_files.bundle_entry(FLOATS, 0, shape=(-4,))), "shape is impossible"),
        (broken(tf_files.bundle_entry(FLOATS, 0, shard=1)), "cut into slices"),
        (broken(tf_files.bundle_entry(FLOATS, 0) + tf_files.counted(7, b"")), "cut into slices"),
        (broken(tf_files.bundle_entry(FLOATS, 0, crc=5)), "variable 'a': its checksum is wrong"),
        (broken(tf_files.bundle_entry(FLOATS, 0), bytes(15) + b"\1"), "variable 'a': its checksum is wrong"),
        (broken(tf_files.bundle_entry(FLOATS, 0), bytes(20)), "4 bytes of .* belong to no variable"),
        (broken(tf_files.integer(1, 20)), "number 20 of TensorFlow, is not supported"),
        (broken(b"\xff"), "variable 'a': it is not what its format says"),
        (broken(header=tf_files.header(shards=2)), "spread over 2 files"),
        (broken(header=tf_files.header(endianness=1)), "big-endian"),
        (broken(compression=1), "compressed with Snappy"),
        (broken(compression=9), "compressed with an unknown method"),
        ((tf_files.sorted_table({b"a": b""}), b"1"), "no header"),
        ((tf_files.sorted_table({}), b"1"), "no header"),
        ((tf_files.sorted_table({b"": tf_files.header(), b"\xff": b""}), b"1"), "not valid UTF-8"),
    ],
)
def test_what_does_not_fit_is_named(paths, read, files, message):
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    with pytest.raises(BadWeights, match=message):
        read(paths)


def test_variables_that_overlap_are_refused(paths, read):
    """Else a small file could have its bytes checked again and again."""
    entries = {b"": tf_files.header()} | {b"v%d" % number: tf_files.bundle_entry(FLOATS, 0) for number in range(9)}
    paths[0].write_bytes(tf_files.sorted_table(entries))
    paths[1].write_bytes(FLOATS.tobytes())
    with pytest.raises(BadWeights, match="variable 'v1': variables overlap in the data file"):
        read(paths)


def test_a_data_file_that_is_empty_or_missing_is_said_by_its_name(paths, read):
    tf_files.save_checkpoint(*paths, VARIABLES)
    paths[1].write_bytes(b"")
    with pytest.raises(BadWeights, match=r"data-00000-of-00001: the file is empty"):
        read(paths)


# -- The table that the index is ---------------------------------------------------------------------------------------

ENTRIES = {f"key {number:03}".encode(): bytes([number]) * number for number in range(40)}


@pytest.mark.parametrize("per_block", [1, 3, 7, 100])
def test_keys_are_put_together_from_what_they_share(per_block):
    table = tf_files.sorted_table(ENTRIES, per_block=per_block)
    assert {key: bytes(value) for key, value in sorted_table.entries(memoryview(table))} == ENTRIES


def rebuilt(block: bytes, times: int = 1) -> bytes:
    """A table with this data block, which the index names so many times; its checksums are right."""
    block += struct.pack("<I", 0)
    handle = tf_files.varint(0) + tf_files.varint(len(block))
    index = (b"\0\1" + tf_files.varint(len(handle)) + b"k" + handle) * times + struct.pack("<I", 0)
    table, handles = bytearray(), []
    for content in (block, struct.pack("<I", 0), index):
        handles.append(tf_files.varint(len(table)) + tf_files.varint(len(content)))
        table += content + b"\0" + struct.pack("<I", tf_files.masked_crc(content + b"\0"))
    return bytes(table) + (handles[1] + handles[2]).ljust(40, b"\0") + sorted_table.MAGIC


def test_the_hand_made_table_is_read_if_nothing_is_wrong_with_it():
    assert list(sorted_table.entries(memoryview(rebuilt(b"\0\1\1ab\0\1\1cd")))) == [(b"a", b"b"), (b"c", b"d")]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (b"\1\1\1ab", "a key or a value reaches beyond its block"),
        (b"\0\1\1ab\2\1\1cd", "a key or a value reaches beyond its block"),
        (b"\0\1\x7fab", "a key or a value reaches beyond its block"),
        (b"\0\xff\xff\xff\xff\x0f\1ab", "a key or a value reaches beyond its block"),
        (b"\0\1\1ab\0\1\1ab", "keys are not in order"),
        (b"\0\1\1bb\0\1\1ab", "keys are not in order"),
        (b"\0\1", "cut short"),
        (b"\xff", "cut short"),
    ],
)
def test_a_block_that_is_none_is_refused(block, message):
    with pytest.raises(BadWeights, match=message):
        list(sorted_table.entries(memoryview(rebuilt(block))))


def test_a_table_that_is_damaged_anywhere_is_refused():
    table = bytearray(tf_files.sorted_table(ENTRIES))
    used = len(table) - 48  # behind it are the footer's zeros
    for place in range(0, used, 7):
        table[place] ^= 0x10
        with pytest.raises(BadWeights):
            list(sorted_table.entries(memoryview(bytes(table))))
        table[place] ^= 0x10


def test_a_block_may_not_lie_outside_of_the_file():
    table = tf_files.sorted_table(ENTRIES)
    far = tf_files.varint(1 << 40) + tf_files.varint(100)
    footer = far + far
    with pytest.raises(BadWeights, match=r"block at 1099511627776: it lies outside of the file"):
        list(sorted_table.entries(memoryview(table[:-48] + footer.ljust(40, b"\0") + sorted_table.MAGIC)))


def test_a_block_without_keys_may_not_be_named_again_and_again():
    with pytest.raises(BadWeights, match="blocks overlap"):
        list(sorted_table.entries(memoryview(rebuilt(b"", times=1000))))


def test_a_key_that_grows_and_grows_is_refused():
    keys = b"\0\x80\x02\0" + b"a" * 256 + b"\x80\x02\x81\x02\0" + b"b" * 257
    with pytest.raises(BadWeights, match="a key or a value reaches beyond"):
        list(sorted_table.entries(memoryview(rebuilt(keys))))
