"""torchvision's VGG-19, with its classifier, in torch's zip. The default weights are on the package index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, convolution

VGG16 = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
VGG19 = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)
SMALL_BLOCKS = ((4,), (5, 6, 7), (8, 9))


def features(blocks: Sequence[Sequence[int]] = VGG19) -> Shapes:
    """Of the convolutions, by their channels: a ReLU follows each, a pooling each block."""
    found: Shapes = {}
    number, channels = 0, 3
    for block in blocks:
        for width in block:
            found |= convolution(f"features.{number}", channels, width)
            number, channels = number + 2, width
        number += 1
    return found


def classifier(*numbers: int) -> Shapes:
    """Of the three layers that tell classes, which are not used."""
    found: Shapes = {}
    for number, sizes in zip(numbers, ((4096, 25088), (4096, 4096), (1000, 4096)), strict=True):
        found |= {f"classifier.{number}.weight": sizes, f"classifier.{number}.bias": sizes[:1]}
    return found


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As torchvision's is."""
    return containers.save_torch(path, containers.tensors(state))


OFFICIAL = {"vgg19": {"network": features() | classifier(0, 3, 6)}}
SMALL: dict[str, dict[str, Shapes]] = {}
NETWORKS = {"vgg:build": features(SMALL_BLOCKS)}
HYPER_PARAMETERS = {"VGG": {"blocks": [list(block) for block in SMALL_BLOCKS]}}
