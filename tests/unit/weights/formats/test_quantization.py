from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from ml4a._core.errors import BadWeights
from ml4a.weights.formats import Archive, Tensor
from ml4a.weights.formats.graph import Node
from ml4a.weights.formats.onnx import dequantize, read

RANDOM = np.random.default_rng(0)
TENSORS = {
    "weight": RANDOM.integers(-128, 128, (4, 3, 3, 3)).astype(np.int8),
    "weight_scale": RANDOM.random(4).astype(np.float32),
    "weight_zero": np.int8([3, -7, 0, 100]),
    # One tensor of zeros is the bias and its own zero point, as converters write it.
    "zeros": np.zeros(4, np.int32),
    "bias_scale": RANDOM.random(4).astype(np.float32),
    "offset": RANDOM.integers(-(2**30), 2**30, (2, 3)).astype(np.int32),
    "offset_scale": RANDOM.random(3).astype(np.float32),
    "offset_zero": np.int32([0, -(2**30), 12345]),
    "scale": np.float32(0.05),
    "zero": np.int8(-10),
    "shape": np.int64([-1]),
}
NODES = [
    helper.make_node("QuantizeLinear", ["image", "scale", "zero"], ["image_q"]),
    helper.make_node("DequantizeLinear", ["image_q", "scale", "zero"], ["image_f"]),
    helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["weight_f"], axis=0),
    helper.make_node("DequantizeLinear", ["zeros", "bias_scale", "zeros"], ["bias_f"], axis=0),
    helper.make_node("DequantizeLinear", ["offset", "offset_scale", "offset_zero"], ["offset_f"]),
    helper.make_node("Conv", ["image_f", "weight_f", "bias_f"], ["conv"], "conv"),
    helper.make_node("QuantizeLinear", ["conv", "scale", "zero"], ["conv_q"]),
    helper.make_node("Reshape", ["conv_q", "shape"], ["flat_q"], "reshape"),
    helper.make_node("DequantizeLinear", ["flat_q", "scale", "zero"], ["result"]),
]
OUTPUTS = ("weight_f", "bias_f", "offset_f", "result")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A quantised model that onnxruntime runs."""
    path = tmp_path_factory.mktemp("quantised") / "m.onnx"
    graph = helper.make_graph(
        NODES,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in OUTPUTS],
        [numpy_helper.from_array(array, name) for name, array in TENSORS.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_constants_are_dequantised_exactly_as_onnxruntime_does(path):
    session = onnxruntime.InferenceSession(path)
    expected = session.run(OUTPUTS[:3], {"image": np.zeros((1, 3, 8, 8), np.float32)})
    arrays = dequantize(read(path)).arrays()
    for name, array in zip(OUTPUTS[:3], expected, strict=True):
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_the_graph_that_is_left_is_the_float_graph(path):
    metadata = dequantize(read(path)).metadata
    assert metadata["nodes"] == [
        Node("Conv", "conv", ("image", "weight_f", "bias_f"), ("conv",), {}),
        Node("Reshape", "reshape", ("conv", "shape"), ("flat_q",), {}),
    ]
    assert list(metadata["inputs"]) == ["image"]
    assert list(metadata["outputs"]) == ["weight_f", "bias_f", "offset_f", "flat_q"]


def test_only_tensors_of_the_float_graph_are_left(path):
    assert list(dequantize(read(path)).tensors) == ["shape", "weight_f", "bias_f", "offset_f"]


def archive(nodes, **tensors):
    tensors = {name: Tensor.from_numpy(array) for name, array in tensors.items()}
    return Archive("onnx", {"nodes": nodes, "inputs": {"x": ()}, "outputs": {"y": ()}, "opset": 17}, tensors)


def quantize(*names):
    return Node("QuantizeLinear", "q", names[:-1], names[-1:], {})


def dequantized(*names, **attributes):
    return Node("DequantizeLinear", "d", names[:-1], names[-1:], attributes)


def test_a_float_graph_stays_as_it_is():
    graph = archive([Node("Mul", "m", ("x", "w"), ("y",), {})], w=np.float32([2]), unused=np.float32([3]))
    assert dequantize(graph) == graph


def test_a_value_used_raw_as_well_is_kept():
    graph = archive(
        [dequantized("w", "s", "f"), Node("Cast", "c", ("w",), ("y",), {})], w=np.int8([1]), s=np.float32(2)
    )
    assert list(dequantize(graph).tensors) == ["w", "f"]


def test_without_a_zero_point_it_is_zero():
    graph = archive([dequantized("w", "s", "y")], w=np.uint8([1, 200]), s=np.float32(0.5))
    np.testing.assert_array_equal(dequantize(graph).arrays()["y"], np.float32([0.5, 100]), strict=True)


ONE, TWO, BOTH = np.float32(1), np.float32(2), np.float32([1, 2])
QUANTIZE = quantize("x", "s", "q")
INTEGERS = {"w": np.int8([1, 2])}


@pytest.mark.parametrize(
    ("nodes", "tensors", "message"),
    [
        ([QUANTIZE, dequantized("q", "t", "y")], {"s": ONE, "t": TWO}, "another scale or zero point"),
        ([QUANTIZE, Node("QLinearAdd", "a", ("q",), ("y",), {})], {"s": ONE}, "QLinearAdd computes with integers"),
        ([QUANTIZE, Node("Transpose", "t", ("q",), ("y",), {})], {"s": BOTH}, "Transpose computes with integers"),
        ([QUANTIZE, Node("Reshape", "t", ("x", "q"), ("y",), {})], {"s": ONE}, "Reshape computes with integers"),
        ([dequantized("x", "s", "y")], {"s": ONE}, "neither a constant nor quantised"),
        ([dequantized("w", "x", "y")], INTEGERS, "is not a constant"),
        ([dequantized("w", "s", "y")], INTEGERS | {"s": np.float16(1)}, "its scale is float16"),
        ([dequantized("w", "y")], INTEGERS, "one value, one scale"),
        ([dequantized("w", "s", "y", axis=0)], INTEGERS | {"s": np.float32([1, 2, 3])}, "do not fit"),
        ([dequantized("w", "s", "y")], INTEGERS | {"s": BOTH}, "do not fit"),
        ([dequantized("w", "s", "y")] * 20, {"w": np.zeros(1000, np.int8), "s": ONE}, "more than the file holds"),
    ],
)
def test_what_is_not_a_rounded_float_graph_is_refused(nodes, tensors, message):
    with pytest.raises(BadWeights, match=f"node '[qdat]': .*{message}"):
        dequantize(archive(nodes, **tensors))
