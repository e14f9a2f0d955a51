"""A quantised graph, turned back into the float graph it approximates.

Quantisers (Jacob et al., CVPR 2018, arXiv:1712.05877) leave float operations in place and put two kinds of steps
around them: constants are stored as integers before a DequantizeLinear, real = (integer - zero point) × scale; and
activations pass through QuantizeLinear and DequantizeLinear, which together only round them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..._core.errors import BadWeights
from .archive import Archive, Tensor
from .graph import Node
from .mapped import naming

_LAYOUT = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
"""Operations that move values and change none: they may stand between QuantizeLinear and DequantizeLinear."""

_LARGEST_GROWTH = 64
"""Times the file's own tensors: one of them may feed many nodes, but float32 is only four times int8."""


def dequantize(archive: Archive) -> Archive:
    """The float graph of a quantised ONNX file.

    Every constant before a DequantizeLinear becomes a float32 tensor, named as that node's output. Quantisation of
    activations is taken out: what came out of a removed node is called what went into it, also in
    `metadata["outputs"]`. Integers, scales and zero points that nothing uses any more are gone. A graph without
    quantisation stays as it is.

    Args:
        archive: from `onnx.read`.

    Raises:
        BadWeights: an operation computes with integers, an activation is dequantised otherwise than it was quantised,
            or scales and zero points do not fit their tensor.
    """
    graph = _FloatGraph(archive.tensors)
    for node in archive.metadata["nodes"]:
        with naming(f"node {node.name or node.op!r}"):
            graph.add(node)
    outputs = {graph.float_name(name): shape for name, shape in archive.metadata["outputs"].items()}
    metadata = {**archive.metadata, "nodes": graph.nodes, "outputs": outputs}
    return replace(archive, metadata=metadata, tensors=graph.tensors_for(outputs))


@dataclass(frozen=True)
class _Levels:
    """Which real numbers integers stand for: the same for all elements, or for each index along an axis."""

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    def equals(self, other: _Levels) -> bool:
        return np.array_equal(self.scale, other.scale) and np.array_equal(self.zero_point, other.zero_point)

    def real(self, integers: np.ndarray) -> np.ndarray:
        """float32, of the integers' shape."""
        # In int64, because the difference of two int32 may not fit into one.
        difference = integers.astype(np.int64) - self._aligned(self.zero_point, integers.shape)
        return difference.astype(np.float32) * self._aligned(self.scale, integers.shape)

    def _aligned(self, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """`values`, shaped so that they broadcast along the axis of an array of `shape`."""
        if values.size == 1:
            return values.reshape(())
        if not -len(shape) <= self.axis < len(shape) or values.shape != (shape[self.axis],):
            raise BadWeights(f"scales or zero points of shape {values.shape} do not fit a tensor of shape {shape}")
        aligned = [1] * len(shape)
        aligned[self.axis] = values.size
        return values.reshape(aligned)


class _FloatGraph:
    """The float graph, built node by node from the quantised one."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.nodes: list[Node] = []
        self._tensors = tensors
        self._floats: dict[str, Tensor] = {}
        self._names: dict[str, str] = {}
        self._quantised: dict[str, _Levels] = {}
        """Activations between QuantizeLinear and DequantizeLinear."""
        self._consumed: set[str] = set()
        """What the removed nodes used."""
        self._left = _LARGEST_GROWTH * sum(len(tensor.data) for tensor in tensors.values())

    def float_name(self, name: str) -> str:
        """What a value of the quantised graph is called in this one."""
        return self._names.get(name, name)

    def tensors_for(self, outputs: dict[str, object]) -> dict[str, Tensor]:
        """The given tensors and the dequantised ones, without those that only removed nodes used."""
        used = {name for node in self.nodes for name in node.inputs} | outputs.keys()
        everything = {**self._tensors, **self._floats}
        return {name: everything[name] for name in everything if name in used or name not in self._consumed}

    def add(self, node: Node) -> None:
        """Take over a node of the quantised graph, or what is left of it."""
        if node.op == "QuantizeLinear":
            levels, value, output = self._parts(node)
            self._quantised[output] = levels
            self._names[output] = self.float_name(value)
        elif node.op == "DequantizeLinear":
            self._dequantize(*self._parts(node))
        else:
            self._pass_on(node)
            self.nodes.append(replace(node, inputs=tuple(map(self.float_name, node.inputs))))

    def _parts(self, node: Node) -> tuple[_Levels, str, str]:
        """Levels, input and output of a (de)quantising node."""
        if len(node.inputs) not in (2, 3) or len(node.outputs) != 1:
            raise BadWeights("it has not one value, one scale, at most one zero point and one output")
        self._consumed.update(node.inputs)
        value, *constants = node.inputs
        if any(name and name not in self._tensors for name in constants):
            raise BadWeights("its scale or its zero point is not a constant")
        scale, *zero_point = (self._tensors[name].numpy() for name in constants if name)
        if scale.dtype != np.float32:
            raise BadWeights(f"its scale is {scale.dtype}, which is not supported")
        levels = _Levels(scale, zero_point[0] if zero_point else np.zeros((), np.int8), node.attributes.get("axis", 1))
        return levels, value, node.outputs[0]

    def _dequantize(self, levels: _Levels, value: str, output: str) -> None:
        if value in self._quantised:
            if not levels.equals(self._quantised[value]):
                raise BadWeights("it has another scale or zero point than the value was quantised with")
            self._names[output] = self.float_name(value)
        elif value in self._tensors:
            integers = self._tensors[value].numpy()
            self._left -= 4 * integers.size
            if self._left < 0:
                raise BadWeights("its constants unfold to far more than the file holds; the file is hostile")
            self._floats[output] = Tensor.from_numpy(levels.real(integers))
        else:
            raise BadWeights("it dequantises what is neither a constant nor quantised")

    def _pass_on(self, node: Node) -> None:
        """What only moves quantised values gives quantised values; nothing else may touch them."""
        quantised = [name for name in node.inputs if name in self._quantised]
        if not quantised:
            return
        levels = self._quantised[quantised[0]]
        if node.op not in _LAYOUT or quantised != [node.inputs[0]] or levels.scale.size != 1:
            raise BadWeights(f"{node.op} computes with integers; only float operations are supported")
        self._quantised.update(dict.fromkeys(node.outputs, levels))
