from __future__ import annotations

import mmap

import numpy as np
import pytest
import tf_files
from tf_files import attribute, constant, counted, integer, node

from ml4a._core.errors import BadWeights
from ml4a.weights import formats
from ml4a.weights.formats.graph import Node

WEIGHTS = np.random.default_rng(0).random((3, 3, 8, 16), np.float32)


@pytest.fixture
def write(tmp_path):
    return lambda *nodes: tf_files.save_graph(tmp_path / "graph.pb", nodes)


def test_constants_are_tensors_and_everything_else_is_listed(write, read):
    path = write(
        node("input", "Placeholder", dtype=np.dtype("f4"), shape=(-1, 224, 224, 3)),
        constant("conv_w", WEIGHTS),
        node("conv", "Conv2D", "input", "conv_w", "^done", strides=[1, 2, 2, 1], padding="SAME", T=np.dtype("f4")),
        node("pool", "com.mine.LRN", "conv:1", alpha=0.5, radius=5, flag=True, names=["a", "b"], nothing=[]),
    )
    archive = read(path)
    assert archive.format == "tf_graph"
    assert list(archive.tensors) == ["conv_w"]
    np.testing.assert_array_equal(archive.arrays()["conv_w"], WEIGHTS, strict=True)
    assert archive.metadata["nodes"] == [
        Node("Placeholder", "input", (), ("input",), {"dtype": "float32", "shape": (-1, 224, 224, 3)}),
        Node(
            "Conv2D",
            "conv",
            ("input", "conv_w", "^done"),
            ("conv",),
            {"strides": [1, 2, 2, 1], "padding": "SAME", "T": "float32"},
        ),
        Node(
            "com.mine.LRN",
            "pool",
            ("conv:1",),
            ("pool",),
            {"alpha": 0.5, "radius": 5, "flag": True, "names": ["a", "b"], "nothing": []},
        ),
    ]


def test_large_constants_are_slices_of_the_mapped_file(write, read):
    assert isinstance(read(write(constant("w", WEIGHTS))).tensors["w"].data.obj, mmap.mmap)


def proto(dtype: int, shape: tuple[int, ...], *fields: bytes) -> bytes:
    return counted(8, integer(1, dtype) + counted(2, tf_files.shape_proto(shape)) + b"".join(fields))


HALF = np.float16([1.5, -2]).view(np.uint16)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (proto(1, (3,), counted(5, np.float32([1, 2, 3]).tobytes())), np.float32([1, 2, 3])),
        (proto(1, (), tf_files.real(5, 0.5)), np.float32(0.5)),
        (proto(1, (2, 2), tf_files.real(5, 7)), np.full((2, 2), 7, np.float32)),
        (proto(1, (4,), tf_files.real(5, 1), tf_files.real(5, 2)), np.float32([1, 2, 2, 2])),
        (proto(2, (1,), counted(6, np.float64([1e300]).tobytes())), np.float64([1e300])),
        (proto(3, (3,), integer(7, -1), integer(7, 2)), np.int32([-1, 2, 2])),
        (proto(6, (2,), integer(7, -1)), np.int8([-1, -1])),
        (proto(9, (2,), counted(10, tf_files.varint(-5) + tf_files.varint(1 << 40))), np.int64([-5, 1 << 40])),
        (proto(10, (3,), integer(11, 1), integer(11, 0)), np.array([True, False, False])),
        (proto(19, (2,), integer(13, int(HALF[0])), integer(13, int(HALF[1]))), np.float16([1.5, -2])),
        (proto(8, (1,), counted(9, np.float32([1, 2]).tobytes())), np.complex64([1 + 2j])),
        (proto(1, (0, 3)), np.zeros((0, 3), np.float32)),
        (proto(14, (1,), integer(13, 0x3FC0)), np.float32([1.5])),
    ],
)
def test_values_are_read_from_every_list_and_the_last_is_repeated(write, read, value, expected):
    array = read(write(node("c", "Const", value=value))).arrays()["c"]
    np.testing.assert_array_equal(array, expected, strict=True)


def test_a_constant_text_stays_a_node(write, read):
    value = counted(8, integer(1, 7) + counted(8, "label") + counted(8, b"\xff"))
    archive = read(write(node("c", "Const", value=value), constant("w", WEIGHTS)))
    assert archive.metadata["nodes"] == [Node("Const", "c", (), ("c",), {"value": ["label", b"\xff"]})]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([constant("a", WEIGHTS), constant("a", WEIGHTS)], "node 'a': it has no name, or that of another node"),
        ([constant("a", WEIGHTS), node("", "Const")], "it has no name"),
        ([node("a", "")], "node 'a': it has no operation"),
        ([node("a", "Const", value=proto(1, (3,), counted(4, b"12345678")))], "takes 12 bytes, but it has 8"),
        ([node("a", "Const", value=proto(1, (2,), *[tf_files.real(5, 1)] * 3))], "has 3 values"),
        ([node("a", "Const", value=proto(1, (2,)))], "has 0 values"),
        ([node("a", "Const", value=proto(1, (-1,)))], "shape is impossible"),
        ([node("a", "Const", value=proto(1, (1 << 30,), tf_files.real(5, 1)))], "unfold to far more than the file"),
        ([node("a", "Const", value=proto(1, (1 << 40, 1 << 40), tf_files.real(5, 1)))], "shape is impossible"),
        ([node("a", "Const", value=proto(20, (1,)))], "number 20 of TensorFlow"),
        ([node("a", "PartitionedCall", f=counted(10, counted(1, "f")))], "attribute 'f': it is a function"),
        ([node("a", "X", f=counted(1, counted(9, b"")))], "list of tensors or functions"),
        ([counted(1, b"a") + counted(2, b"\xff\xfe")], "not what its format says"),
    ],
)
def test_what_is_not_supported_is_named(write, read, nodes, message):
    with pytest.raises(BadWeights, match=message):
        read(write(*nodes))


def test_many_small_constants_may_not_unfold_to_much(write, read):
    one = proto(1, (1 << 20,), tf_files.real(5, 1))
    with pytest.raises(BadWeights, match="unfold to far more than the file holds"):
        read(write(*(node(f"c{number}", "Const", value=one) for number in range(100))))


def test_functions_of_its_own_are_refused(tmp_path, read):
    path = tf_files.save_graph(tmp_path / "g", [constant("a", WEIGHTS)])
    path.write_bytes(path.read_bytes() + counted(2, counted(1, counted(1, b""))))
    with pytest.raises(BadWeights, match="functions of its own"):
        read(path)


def test_a_graph_without_nodes_is_refused(tmp_path):
    (tmp_path / "g").write_bytes(counted(4, integer(1, 1087)))
    with pytest.raises(BadWeights, match="none of the formats"):
        formats.read(tmp_path / "g")


def test_shapes_of_unknown_rank_are_none(write, read):
    path = write(
        node("x", "Placeholder", shape=counted(7, integer(3, 1))), node("y", "X", empty=b"", t=attribute(True))
    )
    x, y = read(path).metadata["nodes"]
    assert x.attributes == {"shape": None}
    assert y.attributes == {"empty": None, "t": True}
