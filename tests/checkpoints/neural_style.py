"""VGG-19, VGG-16 and Network in Network as converted from Caffe: streams of torch before 1.6.

VGG's classifier is numbered with the dropouts in front of its layers. The default weights are on the package index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, convolution

from . import style_transfer as vgg

WIDTHS = (96, 96, 96, 256, 256, 256, 384, 384, 384, 1024, 1024, 1000)
SMALL_WIDTHS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)


def network_in_network(widths: Sequence[int] = WIDTHS) -> Shapes:
    """By the channels of its twelve convolutions."""
    found: Shapes = {}
    channels = 3
    sides = {0: 11, 7: 5, 14: 3, 22: 3}
    for number, width in zip((0, 2, 4, 7, 9, 11, 14, 16, 18, 22, 24, 26), widths, strict=True):
        found |= convolution(f"features.{number}", channels, width, sides.get(number, 1))
        channels = width
    return found


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As torch 0.3 wrote them."""
    return containers.save_stream(path, containers.tensors(state))


OFFICIAL = {
    "vgg19": {"network": vgg.features() | vgg.classifier(1, 4, 6)},
    "vgg16": {"network": vgg.features(vgg.VGG16) | vgg.classifier(1, 4, 6)},
    "nin": {"network": network_in_network()},
}
SMALL: dict[str, dict[str, Shapes]] = {}
NETWORKS = {"vgg:build_caffe": vgg.features(vgg.SMALL_BLOCKS), "nin:build": network_in_network(SMALL_WIDTHS)}
HYPER_PARAMETERS = {
    "CaffeVGG": {"blocks": [list(block) for block in vgg.SMALL_BLOCKS]},
    "NIN": {"widths": list(SMALL_WIDTHS)},
}
