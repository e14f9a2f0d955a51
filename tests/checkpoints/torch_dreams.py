"""Torch-Dreams: torchvision's state dict of Inception v3, in torch's zip; the file of 2018 is a stream.

The default weights, EfficientNet-Lite0's, are on the package index, so that a small file is of Inception v3 only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, batch_norm, normalised

STEM = ((32, 3), (32, 3), (64, 3), (80, 1), (192, 3))
"""Filters and sides."""
BLOCKS: dict[str, dict[str, tuple[int, ...]]] = {
    **{
        f"Mixed_5{letter}": {
            "branch1x1": (64,),
            "branch5x5": (48, 64),
            "branch3x3dbl": (64, 96, 96),
            "branch_pool": (pooled,),
        }
        for letter, pooled in (("b", 32), ("c", 64), ("d", 64))
    },
    "Mixed_6a": {"branch3x3": (384,), "branch3x3dbl": (64, 96, 96)},
    **{
        f"Mixed_6{letter}": {
            "branch1x1": (192,),
            "branch7x7": (inner, inner, 192),
            "branch7x7dbl": (inner, inner, inner, inner, 192),
            "branch_pool": (192,),
        }
        for letter, inner in (("b", 128), ("c", 160), ("d", 160), ("e", 192))
    },
    "Mixed_7a": {"branch3x3": (192, 320), "branch7x7x3": (192, 192, 192, 192)},
    **{
        f"Mixed_7{letter}": {
            "branch1x1": (320,),
            "branch3x3": (384, 384, 384),
            "branch3x3dbl": (448, 384, 384, 384),
            "branch_pool": (192,),
        }
        for letter in "bc"
    },
}
"""By block and branch, the filters of its convolutions."""


def inception_v3(
    stem: Sequence[int] = tuple(filters for filters, _ in STEM),
    blocks: Mapping[str, Mapping[str, Sequence[int]]] = BLOCKS,
    labels: int = 1000,
    auxiliary: tuple[int, int] = (128, 768),
) -> Shapes:
    """Every key of torchvision's file."""
    shapes: Shapes = {}
    channels = 3
    for name, filters, (_, side) in zip(("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3"), stem, STEM, strict=True):
        shapes |= _convolution(f"Conv2d_{name}", channels, filters, side, side)
        channels = filters
    for block, branches in blocks.items():
        # Where there is no convolution in the branch of pooling, it gives what it is given.
        ends = 0 if "branch_pool" in branches else channels
        for branch, widths in branches.items():
            forks = block in ("Mixed_7b", "Mixed_7c") and branch in ("branch3x3", "branch3x3dbl")
            kernels = _kernels(block, branch, len(widths))
            given = channels
            for (name, height, width), filters in zip(kernels, widths, strict=True):
                shapes |= _convolution(f"{block}.{name}", given, filters, height, width)
                given = given if name.endswith("a") and forks else filters
            ends += sum(widths[-2:]) if forks else widths[-1]
        channels = ends
        if block == "Mixed_6e":
            reduced, full = auxiliary
            shapes |= _convolution("AuxLogits.conv0", channels, reduced, 1, 1)
            shapes |= _convolution("AuxLogits.conv1", reduced, full, 5, 5)
            shapes |= {"AuxLogits.fc.weight": (labels, full), "AuxLogits.fc.bias": (labels,)}
    return shapes | {"fc.weight": (labels, channels), "fc.bias": (labels,)}


def _kernels(block: str, branch: str, count: int) -> list[tuple[str, int, int]]:
    """Names, heights and widths of a branch's convolutions."""
    if count == 1:
        side = 3 if branch == "branch3x3" else 1
        return [(branch, side, side)]
    if block in ("Mixed_7b", "Mixed_7c"):
        middle = [(f"{branch}_2", 3, 3)] if branch.endswith("dbl") else []
        last = len(middle) + 2
        return [(f"{branch}_1", 1, 1), *middle, (f"{branch}_{last}a", 1, 3), (f"{branch}_{last}b", 3, 1)]
    sides: list[tuple[int, int]] = {
        "branch5x5": [(5, 5)],
        "branch3x3": [(3, 3)],
        "branch3x3dbl": [(3, 3), (3, 3)],
        "branch7x7": [(1, 7), (7, 1)],
        "branch7x7dbl": [(7, 1), (1, 7), (7, 1), (1, 7)],
        "branch7x7x3": [(1, 7), (7, 1), (3, 3)],
    }[branch]
    return [(f"{branch}_{number}", *side) for number, side in enumerate([(1, 1), *sides], start=1)]


def _convolution(name: str, channels: int, filters: int, height: int, width: int) -> Shapes:
    return {f"{name}.conv.weight": (filters, channels, height, width)} | batch_norm(f"{name}.bn", filters)


def efficientnet_lite(
    stem: int = 32,
    blocks: Sequence[tuple[int, int, int]] = (
        (32, 16, 3),
        *((96, 24, 3), (144, 24, 3)),
        *((144, 40, 5), (240, 40, 5)),
        *((240, 80, 3), (480, 80, 3), (480, 80, 3)),
        *((480, 112, 5), (672, 112, 5), (672, 112, 5)),
        *((672, 192, 5), (1152, 192, 5), (1152, 192, 5), (1152, 192, 5)),
        (1152, 320, 3),
    ),
    head: int = 1280,
    labels: int = 1000,
) -> Shapes:
    """Every key of the port's file, which begins with the stem and ends with the head."""
    shapes = normalised("_conv_stem", "_bn0", 3, stem)
    channels = stem
    for number, (expanded, out, side) in enumerate(blocks):
        block = f"_blocks.{number}"
        if expanded != channels:
            shapes |= normalised(f"{block}._expand_conv", f"{block}._bn0", channels, expanded, 1)
        shapes |= normalised(f"{block}._depthwise_conv", f"{block}._bn1", 1, expanded, side)
        shapes |= normalised(f"{block}._project_conv", f"{block}._bn2", expanded, out, 1)
        channels = out
    shapes |= normalised("_conv_head", "_bn1", channels, head, 1)
    return shapes | {"_fc.weight": (labels, head), "_fc.bias": (labels,)}


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """In the container that the official file of this name has; the older has no counters of batches."""
    if "0cc3c7bd" in path.name:
        return containers.save_torch(path, containers.tensors(state))
    kept = {key: array for key, array in state.items() if not key.endswith("num_batches_tracked")}
    return containers.save_stream(path, containers.tensors(kept))


def _narrow(widths: Sequence[int]) -> list[int]:
    """Of different numbers, different ones."""
    return [max(2, width // 32 + 1) for width in widths]


_SMALL_BLOCKS = {
    block: {branch: _narrow(widths) for branch, widths in branches.items()} for block, branches in BLOCKS.items()
}
SMALL_INCEPTION = inception_v3((4, 3, 5, 6, 7), _SMALL_BLOCKS, 11, (3, 4))
_LITE = {"stem": 4, "blocks": [(4, 3, 3), (18, 5, 5), (20, 5, 3), (21, 6, 3), (19, 7, 3)], "head": 9, "labels": 11}
SMALL_LITE = efficientnet_lite(**_LITE)  # type: ignore[arg-type]

OFFICIAL = {"inception_v3": {"network": inception_v3()}, "inception_v3_2018": {"network": inception_v3()}}
SMALL = {"inception_v3": {"network": SMALL_INCEPTION}}
NETWORKS = {"inception_v3:build": SMALL_INCEPTION, "efficientnet_lite:build": SMALL_LITE}
HYPER_PARAMETERS = {
    "InceptionV3": {
        "stem": [4, 3, 5, 6, 7],
        "blocks": {block: [*chain(*branches.values())] for block, branches in _SMALL_BLOCKS.items()},
        "labels": 11,
        "auxiliary": [3, 4],
    },
    "EfficientNetLite": _LITE | {"blocks": [list(block) for block in _LITE["blocks"]]},  # type: ignore[attr-defined]
}
