"""TensorFlow's frozen graphs (.pb): a network's operations, and its weights as constants among them.

Read as data: no operation is run or looked up. Field numbers are those of tensorflow/core/framework: graph.proto,
node_def.proto, attr_value.proto.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..._core.errors import BadWeights
from .archive import Archive, Tensor
from .graph import Node, messages
from .mapped import naming, reading
from .protobuf import Message
from .tf_tensors import TEXT, Values, dtype_name, shape


def read(path: str | os.PathLike[str]) -> Archive:
    """Read a frozen GraphDef.

    The tensors are the values of the graph's Const nodes by name, with TensorFlow's order of axes: a kernel is
    height × width × in × out. `metadata["nodes"]` is the list of all other `Node`s in the file's order. An input is
    named as in the file: `"name"`, `"name:1"` for a second output, `"^name"` if it only has to be done before. An
    attribute is a number, a text (bytes if it is not UTF-8), an element type's name, a shape, a `Tensor`, or a list.

    Raises:
        BadWeights: it is cut short or broken, or has functions of its own.
    """
    with reading(path) as data:
        graph = Message(data)
        library = graph.message(2)
        if library is not None and 1 in library:
            raise BadWeights(
                "its graph has functions of its own, which are not supported; freeze it again without them"
            )
        values = Values(len(data))
        tensors: dict[str, Tensor] = {}
        nodes: list[Node] = []
        names: set[str] = set()
        for message in messages(graph, 1):
            name = message.text(1)
            with naming(f"node {name[:80]!r}"):
                if not name or name in names:
                    raise BadWeights("it has no name, or that of another node; the file is broken")
                names.add(name)
                node = _node(message, values)
                value = node.attributes.get("value")
                if node.op == "Const" and isinstance(value, Tensor):
                    tensors[name] = value
                else:
                    nodes.append(node)
        if not names:
            raise BadWeights("it has no nodes; this is no graph of TensorFlow, or one cut short, download it again")
        return Archive("tf_graph", {"nodes": nodes}, tensors)


def _node(message: Message, values: Values) -> Node:
    attributes = {}
    for entry in message.messages(5):
        key = entry.text(1)
        with naming(f"attribute {key[:80]!r}"):
            attributes[key] = _attribute(entry.message(2), values)
    name, op = message.text(1), message.text(2)
    if not op:
        raise BadWeights("it has no operation; the file is broken")
    return Node(op=op, name=name, inputs=tuple(message.texts(3)), outputs=(name,), attributes=attributes)


def _attribute(value: Message | None, values: Values) -> Any:
    for number, reader in _READERS.items():
        if value is not None and number in value:
            return reader(value, values)
    if value is not None and (9 in value or 10 in value):
        raise BadWeights("it is a function, which is not supported")
    return None


def _list(value: Message) -> list[Any]:
    """A list of one kind: the first that is not empty."""
    found = value.message(1)
    if found is None:
        return []
    if 2 in found:
        return [_text(text) for text in found.buffers(2)]
    if 4 in found:
        return found.numbers(4, "<f4").tolist()
    if 7 in found:
        return [shape(size) for size in found.messages(7)]
    if 8 in found or 9 in found:
        raise BadWeights("it is a list of tensors or functions, which is not supported")
    return next(
        (
            [convert(number) for number in found.integers(field)]
            for field, convert in ((3, int), (5, bool), (6, _dtype))
            if field in found
        ),
        [],
    )


def _text(data: memoryview) -> str | bytes:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        return bytes(data)


def _dtype(number: int) -> str:
    """A type as an attribute names it: also those that no tensor here can have."""
    try:
        return dtype_name(number)
    except BadWeights:
        return "string" if number == TEXT else f"type {number}"


def _tensor(message: Message | None, values: Values) -> Tensor | list[str | bytes]:
    if message is None:
        raise BadWeights("it has no value")
    if message.integer(1) == TEXT:
        return [_text(text) for text in message.buffers(8)]
    return values.tensor(message)


_READERS: dict[int, Callable[[Message, Values], Any]] = {
    1: lambda value, values: _list(value),
    2: lambda value, values: _text(value.buffer(2)),
    3: lambda value, values: value.integer(3),
    4: lambda value, values: float(value.numbers(4, "<f4")[-1]),
    5: lambda value, values: bool(value.integer(5)),
    6: lambda value, values: _dtype(value.integer(6)),
    7: lambda value, values: shape(value.message(7)),
    8: lambda value, values: _tensor(value.message(8), values),
}
"""How an attribute's value is read, by the field of AttrValue that it is in."""
