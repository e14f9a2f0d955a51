"""InceptionV1: TensorFlow's frozen graph, with the names of the things it knows, and its conversion to PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
import tf_files
from layers import Shapes, convolution

BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
WIDTHS = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 204, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 48, 128, 128),
    (384, 192, 384, 48, 128, 128),
)
HEADS = ((128, 1024), (128, 1024))


def shapes(
    stem: Sequence[int] = (64, 64, 192),
    blocks: Sequence[Sequence[int]] = WIDTHS,
    classes: int = 1008,
    heads: Sequence[Sequence[int]] = (),
) -> Shapes:
    """Every key of the conversion; it has no heads, but would have called them this."""
    first, second, third = stem
    found = _conv("conv2d0", 3, first, 7) | _conv("conv2d1", first, second, 1) | _conv("conv2d2", second, third, 3)
    channels = third
    for block, (one, before_three, three, before_five, five, pooled) in zip(BLOCKS, blocks, strict=True):
        name = f"mixed{block}"
        found |= _conv(f"{name}_1x1", channels, one, 1)
        found |= _conv(f"{name}_3x3_bottleneck", channels, before_three, 1)
        found |= _conv(f"{name}_5x5_bottleneck", channels, before_five, 1)
        found |= _conv(f"{name}_pool_reduce", channels, pooled, 1)
        found |= _conv(f"{name}_3x3", before_three, three, 3)
        found |= _conv(f"{name}_5x5", before_five, five, 5)
        channels = one + three + five + pooled
        for number, (bottleneck, hidden) in enumerate(heads):
            if block == ("4a", "4d")[number]:
                found |= _conv(f"head{number}_bottleneck", channels, bottleneck, 1)
                found |= _matrix(f"nn{number}_pre_relu", 16 * bottleneck, hidden)
                found |= _matrix(f"softmax{number}_pre_activation", hidden, classes)
    return found | _matrix("softmax2_pre_activation", channels, classes)


def as_graph(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same as the graph's constants: kernels H×W×I×O, matrices I×O."""
    constants = {}
    for key, array in state.items():
        layer, _, kind = key.partition("_pre_")
        axes = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[array.ndim]
        constants[f"{layer}_{kind.rpartition('.')[2][0]}"] = np.ascontiguousarray(array.transpose(axes))
    return constants


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """The graph, a bare state dict, or a thing a line."""
    if role == "labels":
        path.write_text("".join(f"thing {number}\n" for number in range(len(state["things"]))), encoding="utf-8")
        return path
    if path.suffix == ".pb":
        return tf_files.save_graph(path, _nodes(as_graph(state)))
    return containers.save_torch(path, containers.tensors(state))


def _nodes(constants: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """The constants and, of the operations, the kinds that there are."""
    yield tf_files.node("input", "Placeholder", dtype=np.dtype("float32"))
    for name, array in constants.items():
        yield tf_files.constant(name, array)
    yield tf_files.node("conv2d0_pre_relu/conv", "Conv2D", "input", "conv2d0_w", padding="SAME", strides=[1, 2, 2, 1])
    yield tf_files.node("conv2d0_pre_relu", "BiasAdd", "conv2d0_pre_relu/conv", "conv2d0_b")
    for block in BLOCKS:
        yield tf_files.constant(f"mixed{block}/concat_dim", np.array(3, np.int32))
    for layer in ("avgpool0", "head0_bottleneck", "nn0"):
        yield tf_files.constant(f"{layer}/reshape/shape", np.array([-1, 1024], np.int32))


def _conv(name: str, channels: int, filters: int, side: int) -> Shapes:
    return convolution(f"{name}_pre_relu_conv", channels, filters, side)


def _matrix(name: str, channels: int, filters: int) -> Shapes:
    return {f"{name}_matmul.weight": (filters, channels), f"{name}_matmul.bias": (filters,)}


_SMALL = {
    "stem": [4, 3, 6],
    "blocks": [[3 + number % 2, 3, 4, 2, 3, 2 + number % 3] for number in range(9)],
    "classes": 7,
}
_SMALL_HEADS = [[3, 8], [5, 6]]
_SMALL_STATE = shapes(**_SMALL, heads=_SMALL_HEADS)
_SMALL_GRAPH = as_graph({key: np.zeros(shape) for key, shape in _SMALL_STATE.items()})

OFFICIAL = {
    "inception5h": {"network": shapes(heads=HEADS), "labels": {"things": (1008,)}},
    "inception5h_torch": {"network": shapes()},
}
SMALL = {"inception5h": {"network": _SMALL_STATE, "labels": {"things": (7,)}}}
NETWORKS = {
    "inception_v1:build": shapes(**_SMALL),
    "inception_v1:build_graph": {key: array.shape for key, array in _SMALL_GRAPH.items()},
}
HYPER_PARAMETERS = {"InceptionV1": _SMALL}
