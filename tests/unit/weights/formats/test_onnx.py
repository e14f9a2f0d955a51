from __future__ import annotations

import mmap

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ml4a._core.errors import BadWeights
from ml4a.weights.formats import Tensor
from ml4a.weights.formats.onnx import Node

IMAGE = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", None])
RESULT = helper.make_tensor_value_info("result", TensorProto.FLOAT, [1, 2])


@pytest.fixture
def write(tmp_path):
    """Write a model of these nodes and initialisers."""

    def write(nodes=(), initializers=(), opsets=(("", 17),), inputs=(IMAGE,)):
        graph = helper.make_graph(list(nodes), "graph", list(inputs), [RESULT], list(initializers))
        opset_imports = [helper.make_opsetid(*opset) for opset in opsets]
        model = helper.make_model(graph, opset_imports=opset_imports, ir_version=8, producer_name="tests")
        onnx.save(model, tmp_path / "m.onnx")
        return tmp_path / "m.onnx"

    return write


def test_a_graph_is_read_as_plain_values(write, read):
    nodes = [
        helper.make_node("Conv", ["image", "w", ""], ["a"], "conv", strides=[2, 2], auto_pad="VALID", alpha=0.5),
        helper.make_node("FusedGelu", ["a"], ["result"], domain="com.example", names=["x", "y"], scales=[1.0, 2.5]),
    ]
    weight = numpy_helper.from_array(np.ones((2, 3, 3, 3), np.float32), "w")
    archive = read(write(nodes, [weight], opsets=[("com.example", 3), ("", 17)]))
    assert archive.format == "onnx"
    assert archive.metadata == {
        "nodes": [
            Node("Conv", "conv", ("image", "w", ""), ("a",), {"strides": [2, 2], "auto_pad": "VALID", "alpha": 0.5}),
            Node("com.example.FusedGelu", "", ("a",), ("result",), {"names": ["x", "y"], "scales": [1.0, 2.5]}),
        ],
        "inputs": {"image": (1, 3, "height", None)},
        "outputs": {"result": (1, 2)},
        "opset": 17,
    }
    np.testing.assert_array_equal(archive.arrays()["w"], np.ones((2, 3, 3, 3), np.float32), strict=True)
    assert isinstance(archive.tensors["w"].data.obj, mmap.mmap)


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(
    "dtype",
    [
        *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    ],
)
def test_every_element_type_is_read_from_raw_bytes_and_from_lists(write, read, dtype, raw):
    array = (np.arange(6).reshape(2, 3) - (0 if dtype[0] in "bu" else 3)).astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    tensor = helper.make_tensor("a", kind, array.shape, array.tobytes() if raw else array.ravel(), raw=raw)
    np.testing.assert_array_equal(read(write([], [tensor])).arrays()["a"], array, strict=True)


@pytest.mark.parametrize("raw", [True, False])
def test_bfloat16_is_read(write, read, raw):
    values = b"\x80\x3f\x00\xc0" if raw else [1.0, -2.0]
    tensor = helper.make_tensor("a", TensorProto.BFLOAT16, [2], values, raw=raw)
    archive = read(write([], [tensor]))
    assert archive.tensors["a"].dtype == "bfloat16"
    np.testing.assert_array_equal(archive.arrays()["a"], [1, -2])


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ({"value": numpy_helper.from_array(np.int64([1, 2]))}, np.int64([1, 2])),
        ({"value_float": 1.5}, np.float32(1.5)),
        ({"value_floats": [1.0, 2.0]}, np.float32([1, 2])),
        ({"value_int": 3}, np.int64(3)),
        ({"value_ints": [3, 4]}, np.int64([3, 4])),
    ],
)
def test_constants_are_tensors_and_no_longer_nodes(write, read, attribute, expected):
    archive = read(write([helper.make_node("Constant", [], ["c"], **attribute)]))
    assert archive.metadata["nodes"] == []
    np.testing.assert_array_equal(archive.arrays()["c"], expected, strict=True)


def test_a_constant_text_stays_a_node(write, read):
    archive = read(write([helper.make_node("Constant", [], ["c"], value_string="text")]))
    assert archive.metadata["nodes"] == [Node("Constant", "", (), ("c",), {"value_string": "text"})]


def test_a_tensor_among_the_attributes_is_read(write, read):
    node = helper.make_node("ConstantOfShape", ["a"], ["b"], value=numpy_helper.from_array(np.float32([7])))
    (found,) = read(write([node])).metadata["nodes"]
    assert isinstance(found.attributes["value"], Tensor)
    assert found.attributes["value"].numpy() == [7]


def test_initialisers_are_not_listed_as_inputs(write, read):
    weight = numpy_helper.from_array(np.ones(2, np.float32), "w")
    declared = helper.make_tensor_value_info("w", TensorProto.FLOAT, [2])
    assert list(read(write([], [weight], inputs=[IMAGE, declared])).metadata["inputs"]) == ["image"]


def test_tensors_in_other_files_are_refused(tmp_path, write, read):
    path = write([], [numpy_helper.from_array(np.ones(3000, np.float32), "w")])
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (tmp_path / "w.bin").stat().st_size == 12000
    with pytest.raises(BadWeights, match="tensor 'w': it lies in another file"):
        read(path)


def sub_graph():
    branch = helper.make_graph([], "branch", [], [RESULT])
    return helper.make_node("If", ["image"], ["b"], "choice", then_branch=branch, else_branch=branch)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"nodes": [sub_graph()]}, "node 'choice': its attribute '(then|else)_branch' is a nested graph"),
        (
            {"initializers": [helper.make_tensor("w", TensorProto.STRING, [1], [b"a"])]},
            "number 8 of ONNX",
        ),
        ({"initializers": [numpy_helper.from_array(np.ones(2), "w")] * 2}, "two tensors named 'w'"),
        (
            {"initializers": [TensorProto(name="w", data_type=1, dims=[3], raw_data=b"123")]},
            "takes 12 bytes",
        ),
        ({"initializers": [TensorProto(name="w", data_type=1, dims=[-3], raw_data=b"")]}, "shape is impossible"),
        ({"initializers": [TensorProto(name="w", data_type=7, dims=[2**40, 2**40])]}, "shape is impossible"),
        ({"opsets": [("ai.onnx.ml", 2)]}, "does not say which operations it uses"),
    ],
)
def test_what_is_not_supported_is_named(write, read, content, message):
    with pytest.raises(BadWeights, match=message):
        read(write(**content))


def test_sparse_tensors_are_refused(write, read):
    path = write()
    model = onnx.load(path)
    values, indices = numpy_helper.from_array(np.ones(1)), numpy_helper.from_array(np.zeros(1, np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3]))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadWeights, match="sparse tensors"):
        read(path)


def test_a_message_that_is_no_model_is_refused(tmp_path, read):
    (tmp_path / "m").write_bytes(onnx.ModelProto(ir_version=8, producer_name="nobody").SerializeToString())
    with pytest.raises(BadWeights, match="it has no graph"):
        read(tmp_path / "m")
