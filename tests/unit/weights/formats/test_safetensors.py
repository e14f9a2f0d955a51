from __future__ import annotations

import json
import mmap

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from ml4a._core.errors import BadWeights


def write(path, header, body=b"", size=None):
    """A safetensors file with any header: a table, or the header's bytes."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(data) if size is None else size).to_bytes(8, "little") + data + body)
    return path


def entry(begin, end, dtype="U8", shape=None):
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def test_what_the_library_writes_is_read(tmp_path, read):
    arrays = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.array(3, np.int64),
        "c": np.zeros((0, 2), np.float16),
    }
    safetensors.numpy.save_file(arrays, tmp_path / "w", metadata={"made by": "tests"})
    archive = read(tmp_path / "w")
    assert archive.format == "safetensors"
    assert archive.metadata == {"made by": "tests"}
    assert archive.arrays().keys() == arrays.keys()
    for name, array in archive.arrays().items():
        np.testing.assert_array_equal(array, arrays[name], strict=True)


def test_bfloat16_is_read(tmp_path, read):
    safetensors.torch.save_file({"a": torch.tensor([1.5, -2], dtype=torch.bfloat16)}, tmp_path / "w")
    archive = read(tmp_path / "w")
    assert archive.tensors["a"].dtype == "bfloat16"
    np.testing.assert_array_equal(archive.arrays()["a"], [1.5, -2])


def test_tensors_lie_in_the_mapped_file(tmp_path, read):
    safetensors.numpy.save_file({"a": np.ones(1000, np.float32)}, tmp_path / "w")
    assert isinstance(read(tmp_path / "w").tensors["a"].data.obj, mmap.mmap)


def test_tensors_outlive_the_file(tmp_path, read):
    safetensors.numpy.save_file({"a": np.ones(1000, np.float32)}, tmp_path / "w")
    array = read(tmp_path / "w").arrays()["a"]
    (tmp_path / "w").unlink()
    assert array.sum() == 1000


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        ({"a": entry(0, 2), "b": entry(1, 3)}, b"123", "'b' does not begin where the one before it ends"),
        ({"a": entry(0, 1), "b": entry(2, 3)}, b"123", "'b' does not begin where the one before it ends"),
        ({"a": entry(0, 2)}, b"123", "1 bytes belong to no tensor"),
        ({"a": entry(1, 3)}, b"123", "'a' does not begin"),
        ({"a": entry(0, 9)}, b"123", "tensor 'a': its bytes lie outside of the file"),
        ({"a": entry(2, 0, shape=[0])}, b"123", "tensor 'a': its bytes lie outside"),
        ({"a": entry(0, 3, shape=[4])}, b"123", "tensor 'a': uint8 of shape"),
        ({"a": entry(0, 3, dtype="F8_E4M3")}, b"123", "'F8_E4M3' is not supported"),
        ({"a": entry(0, 3, shape=[-3])}, b"123", "not whole numbers"),
        ({"a": entry(0, 1, shape=[True])}, b"1", "not whole numbers"),
        ({"a": entry(0, 1) | {"code": "x"}}, b"1", "not dtype, shape and data_offsets"),
        ({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1, 1]}}, b"1", "not a beginning and an end"),
        ({"a": 5}, b"", "not dtype, shape and data_offsets"),
        ({"__metadata__": {"a": 5}}, b"", "not a table of texts"),
        (b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "a": 1}', b"1", "something twice"),
        (b'{"a": {"dtype": "U8", "dtype": "I8"}}', b"1", "something twice"),
        (b'{"\xff": 1}', b"", "not valid UTF-8 JSON"),
        (b'{"a": NaN}', b"", "not valid UTF-8 JSON"),
        (b"{" + b'"a":{' * 100_000, b"", "not valid UTF-8 JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", b"", "not valid UTF-8 JSON"),
        (b"{", b"", "not valid UTF-8 JSON"),
    ],
)
def test_a_header_that_breaks_a_rule_is_refused(tmp_path, read, header, body, message):
    with pytest.raises(BadWeights, match=message):
        read(write(tmp_path / "w", header, body))


@pytest.mark.parametrize("size", [2**63, 2**64 - 1, 17 << 20])
def test_a_giant_header_is_refused_before_anything_is_allocated(tmp_path, read, size):
    with pytest.raises(BadWeights, match=f"claims {size} bytes"):
        read(write(tmp_path / "w", {}, size=size))


def test_a_header_longer_than_the_file_is_said_to_be_cut_short(tmp_path, read):
    with pytest.raises(BadWeights, match="cut short in its header"):
        read(write(tmp_path / "w", {}, size=1000))


@pytest.mark.parametrize("length", [0x0280, 0x0480, 0x4B50])
def test_a_header_as_long_as_a_pickle_or_an_archive_begins_is_read(tmp_path, read, length):
    header = {"__metadata__": {"a": ""}, "x": entry(0, 4)}
    header["__metadata__"]["a"] = "x" * (length - len(json.dumps(header)))
    assert read(write(tmp_path / "w", header, bytes(4))).arrays()["x"].shape == (4,)
