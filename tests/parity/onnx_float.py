"""The float network that a quantised ONNX file approximates, run by onnxruntime: what ours are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper


def session(model: onnx.ModelProto | Path) -> onnxruntime.InferenceSession:
    """A session on one thread: more would spin for a while after each run, on the cores that torch needs next."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # As the file is written, in floats between roundings: fused into products of 8-bit integers, sums overflow 16 bits
    # on processors without VNNI.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


def float_model(path: Path) -> onnx.ModelProto:
    """The graph without its activations' Quantize/Dequantize pairs, its weights dequantised, at any picture size."""
    model = onnx.load(path)
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    before: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        inputs = [before.get(name, name) for name in node.input]
        if node.op_type == "DequantizeLinear" and inputs[0] in constants:
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
            constants[node.output[0]] = _real(*(constants[name] for name in inputs), axis)
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            before[node.output[0]] = inputs[0]
        else:
            node.input[:] = inputs
            nodes.append(node)
    nodes += [
        helper.make_node("Identity", [before[out.name]], [out.name]) for out in graph.output if out.name in before
    ]
    used = {name for node in nodes for name in node.input}
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used]
    inputs = [_any_size(value) for value in graph.input]
    outputs = [_any_size(value) for value in graph.output]
    stripped = helper.make_graph(nodes, graph.name, inputs, outputs, initializers)
    return helper.make_model(stripped, opset_imports=model.opset_import, ir_version=model.ir_version)


def _real(integers: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int) -> np.ndarray:
    if scale.ndim:
        along = [-1 if dimension == axis else 1 for dimension in range(integers.ndim)]
        scale, zero_point = scale.reshape(along), zero_point.reshape(along)
    return (integers.astype(np.float32) - zero_point.astype(np.float32)) * scale


def _any_size(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """The published transformer is fixed at 384×384."""
    sides = [size.dim_value for size in value.type.tensor_type.shape.dim]
    shape = [f"{value.name}:{n}" if side == 384 else side for n, side in enumerate(sides)]
    return helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, shape)
