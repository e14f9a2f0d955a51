"""ONNX: a network's graph and weights in one Protocol Buffers message (onnx/onnx, onnx.proto).

Read as data: nothing is run, simplified or converted. Field numbers are those of `onnx.proto`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._core.errors import BadWeights
from .archive import DTYPES, Archive, Tensor
from .graph import Node, messages
from .mapped import naming, reading
from .protobuf import Message
from .quantization import dequantize

__all__ = ["Node", "dequantize", "read"]

_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
}
_EXTERNAL = 1


def read(path: str | os.PathLike[str]) -> Archive:
    """Read an ONNX file.

    The tensors are the graph's initialisers and the values of its Constant nodes, by name. `metadata` holds

    * `"nodes"`: the list of `Node`s, in the file's (topological) order, without the Constant nodes,
    * `"inputs"` and `"outputs"`: name → shape; an element is a number, a symbol's name, or None if unknown,
    * `"opset"`: the version of ONNX's own operations.

    Raises:
        BadWeights: it is cut short or broken, keeps tensors in other files, or has nested graphs or sparse tensors.
    """
    with reading(path) as data:
        model = Message(data)
        graph = model.message(7)
        if graph is None:
            raise BadWeights("it has no graph; this is no ONNX file, or one cut short, download it again")
        if 15 in graph:
            raise BadWeights("it has sparse tensors, which are not supported")
        tensors: dict[str, Tensor] = {}
        for message in messages(graph, 5):
            _add(tensors, message.text(8), _tensor(message))
        nodes: list[Node] = []
        for node in map(_node, messages(graph, 1)):
            constant = _constant(node)
            if constant is None:
                nodes.append(node)
            else:
                _add(tensors, node.outputs[0], constant)
        metadata = {
            "nodes": nodes,
            "inputs": {name: shape for name, shape in _shapes(graph, 11).items() if name not in tensors},
            "outputs": _shapes(graph, 12),
            "opset": _opset(model),
        }
        return Archive("onnx", metadata, tensors)


def _add(tensors: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if name in tensors:
        raise BadWeights(f"it holds two tensors named {name!r}")
    tensors[name] = tensor


def _opset(model: Message) -> int:
    versions = {opset.text(1): opset.integer(2) for opset in model.messages(8)}
    for domain in ("", "ai.onnx"):
        if domain in versions:
            return versions[domain]
    raise BadWeights("it does not say which operations it uses; the file is cut short, download it again")


def _shapes(graph: Message, number: int) -> dict[str, tuple[int | str | None, ...]]:
    return {value.text(1): _shape(value) for value in graph.messages(number)}


def _shape(value: Message) -> tuple[int | str | None, ...]:
    kind = value.message(2)
    tensor = kind.message(1) if kind else None
    shape = tensor.message(2) if tensor else None
    dimensions = shape.messages(1) if shape else []
    return tuple(size.integer(1) if 1 in size else size.text(2) or None for size in dimensions)


def _node(message: Message) -> Node:
    op, domain = message.text(4), message.text(7)
    with naming(f"node {message.text(3) or op!r}"):
        return Node(
            op=op if domain in ("", "ai.onnx") else f"{domain}.{op}",
            name=message.text(3),
            inputs=tuple(message.texts(1)),
            outputs=tuple(message.texts(2)),
            attributes={attribute.text(1): _attribute(attribute) for attribute in message.messages(5)},
        )


_ATTRIBUTES: dict[int, Callable[[Message], Any]] = {
    1: lambda message: float(message.numbers(2, "<f4")[-1]) if 2 in message else 0.0,
    2: lambda message: message.integer(3),
    3: lambda message: message.text(4),
    4: lambda message: _tensor(message.message(5) or Message(memoryview(b""))),
    6: lambda message: message.numbers(7, "<f4").tolist(),
    7: lambda message: message.integers(8),
    8: lambda message: message.texts(9),
}
"""How an attribute's value is read, by `AttributeProto.AttributeType`."""


def _attribute(message: Message) -> Any:
    reader = _ATTRIBUTES.get(message.integer(20))
    if reader is None:
        raise BadWeights(f"its attribute {message.text(1)!r} is a nested graph or something else that is not supported")
    return reader(message)


def _constant(node: Node) -> Tensor | None:
    """The value of a Constant node; None for other nodes, and for texts, which are not tensors."""
    if node.op != "Constant" or len(node.outputs) != 1:
        return None
    for attribute, dtype in (("value_float", "f4"), ("value_floats", "f4"), ("value_int", "i8"), ("value_ints", "i8")):
        if attribute in node.attributes:
            return Tensor.from_numpy(np.array(node.attributes[attribute], dtype))
    value = node.attributes.get("value")
    return value if isinstance(value, Tensor) else None


def _tensor(message: Message) -> Tensor:
    with naming(f"tensor {message.text(8)!r}"):
        if message.integer(14) == _EXTERNAL or 13 in message:
            raise BadWeights("it lies in another file; save the model with its tensors inside")
        kind = message.integer(2)
        dtype = _DTYPES.get(kind)
        if dtype is None:
            raise BadWeights(f"its element type, number {kind} of ONNX, is not supported")
        data = message.buffer(9) if 9 in message else _elements(message, dtype)
        return Tensor(dtype, tuple(message.integers(1)), data)


def _elements(message: Message, dtype: str) -> bytes:
    """The elements of a tensor that has no raw bytes, from the list that ONNX keeps its type in."""
    form = DTYPES[dtype]
    if dtype in ("float32", "complex64"):
        return message.numbers(4, "<f4").tobytes()
    if dtype in ("float64", "complex128"):
        return message.numbers(10, "<f8").tobytes()
    values = message.integers({"int64": 7, "uint32": 11, "uint64": 11}.get(dtype, 5))
    # float16 and bfloat16 are kept as the integers of their bits.
    bits = np.array(values, np.int64).astype(f"<u{form.itemsize}")
    return bits.tobytes()
