"""From the graphs in which the fast-style networks are published to state dicts.

The files are ONNX graphs converted from TensorFlow: tensors are named after whatever they passed through, and layers
share constants, so that only the Conv nodes say which weight and bias belong together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ml4a._core.errors import BadWeights

_MULTISTYLE = re.compile(r"((contract|expand)\.\d+|res\.\d+\.\d+)\.(w|norm\.(gamma|beta))")


class Node(Protocol):
    """A step of a graph."""

    @property
    def op(self) -> str:
        """The operation."""
        ...

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the tensors that go in."""
        ...


def state_dict_from_graph(nodes: Iterable[Node], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state dict of the style predictor, the style transformer or the multi-style network.

    Args:
        nodes: The graph's steps, without quantisation.
        arrays: Its constants by name, float32.

    Returns:
        By the keys that `networks.from_state_dict("fast_style", …)` knows.

    Raises:
        BadWeights: a convolution that none of these networks has, or one whose weight is missing.
    """
    multistyle = {name: array for name, array in arrays.items() if _MULTISTYLE.fullmatch(name)}
    if multistyle:
        return multistyle
    state = {}
    for node in nodes:
        if node.op == "Conv":
            _, *names = node.inputs
            constants = [arrays[name] for name in names if name in arrays]
            if len(constants) < 2:
                raise BadWeights(f"the convolution of {', '.join(names)} lacks its weight or its bias")
            state.update(_parameters(_layer(names[0]), *constants))
    return state


def _parameters(layer: str, weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    if re.fullmatch(r"(residual\.\d+|expand)\.conv\d", layer):
        return {f"{layer}.weight": weight}  # its bias is lost in the norm that follows
    if layer == "style" or layer.endswith((".scale", ".shift")):
        weight = weight[:, :, 0, 0]  # a 1×1 convolution of a vector is a matrix
    return {f"{layer}.weight": weight, f"{layer}.bias": bias}


def _layer(weight: str) -> str:
    """Our name of the layer with this weight in the graph."""
    match weight.removeprefix("style_params/").split("/"):
        case ["MobilenetV2", "Conv", _]:
            return "stem"
        case ["MobilenetV2", "Conv_1", _]:
            return "head"
        case ["MobilenetV2", block, ("expand" | "depthwise" | "project") as conv, _]:
            return f"blocks.{block.removeprefix('expanded_conv').removeprefix('_') or 0}.{conv}"
        case ["mobilenet_conv", "Conv", _]:
            return "style"
        case ["transformer", "contract", conv, _]:
            return f"contract.{_index(conv)}"
        case ["transformer", "residual", block, conv, *rest]:
            return f"residual.{_index(block)}.{conv}{_norm(rest)}"
        case ["transformer", "expand", conv, "conv", *rest]:
            return f"expand.{conv}{_norm(rest)}"
    raise BadWeights(f"{weight!r} is in none of the fast-style networks")


def _index(name: str) -> int:
    """`conv1` → 0."""
    return int(name[-1]) - 1


def _norm(steps: list[str]) -> str:
    match steps:
        case ["StyleNorm", "Conv", _]:
            return ".norm.shift"
        case ["StyleNorm", "Conv_1", _]:
            return ".norm.scale"
    return ""
