"""LPIPS: how different two pictures look, as a network that has learnt to see judges it.

Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018, arXiv:1801.03924, in
its version 0.1 on VGG-16. It is also the distance that StyleGAN2 measures when it looks for a picture's latent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from typing import cast

import torch
from torch import nn

from . import hed
from .state_dict import StateDict, load, shape
from .vgg import DEPTHS, VGG, VGG16, WIDTHS

TAPS = tuple(f"relu{block}_{depth}" for block, depth in enumerate(DEPTHS, start=1))
"""The layers that are looked at: the last of each block."""
_LEAST = 1e-10
"""Is added to lengths, so that where nothing is seen there is no division by 0."""
_FIRST = tuple(accumulate((2 * depth + 1 for depth in DEPTHS[:-1]), initial=0))
"""The number that torchvision gives to each block's first convolution: ReLUs and poolings are counted, too."""


class LPIPS(nn.Module):
    """Compares what five layers of VGG-16 see at each place: directions, in which channels count as they do for people.

    Args:
        widths: Channels of the five blocks.
        edges: Whether the trunk is HED's, which sees as Caffe's networks do, or torchvision's.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, *, edges: bool = False) -> None:
        super().__init__()
        blocks = [[width] * depth for width, depth in zip(widths, DEPTHS, strict=True)]
        self.trunk = VGG16(widths) if edges else VGG(blocks)
        self.lin = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in widths)
        """The weights of the channels; those below 0, which training excludes, count as 0."""

    @property
    def shortest(self) -> int:
        """The shortest side of a picture that leaves the deepest layer a pixel."""
        return self.trunk.shortest

    @property
    def bytes_per_pixel(self) -> float:
        """The memory that looking and going back with gradients takes for each pixel."""
        return self.trunk.bytes_per_pixel

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """How different pictures look: 0 for equal ones, about 0.1 for a slight blur, up to about 1.

        Args:
            a: N×3×H×W, RGB from 0 to 255; sides of at least `shortest`.
            b: As many of that size.

        Returns:
            N distances.
        """
        pairs = zip(self._weighted(a), self._weighted(b), strict=True)
        return torch.stack([(x - y).square().sum(dim=1) for x, y in pairs]).sum(dim=0)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Points whose squared distances are those of the pictures, so that a target is looked at but once.

        Args:
            x: As `forward` takes it.

        Returns:
            N×D; D depends on the size.
        """
        return torch.cat(self._weighted(x), dim=1)

    def _weighted(self, x: torch.Tensor) -> list[torch.Tensor]:
        """By tap, the directions of length 1, times the roots of the weights and of each place's share: N×(C·h·w)."""
        seen = self.trunk.features(x / 255, TAPS)
        weights = (cast("nn.Conv2d", lin).weight for lin in self.lin)
        return [_scaled(seen[tap], weight) for tap, weight in zip(TAPS, weights, strict=True)]


def build(state: StateDict) -> LPIPS:
    """From torchvision's VGG-16 (`features.0.weight` …) and the layers of LPIPS (`lin0.model.1.weight` …) in one."""
    state = {key: tensor for key, tensor in state.items() if not re.fullmatch(r"classifier\.\d\.(weight|bias)", key)}
    widths = [shape(state, f"features.{first}.weight")[0] for first in _FIRST]
    with torch.device("meta"):
        network = LPIPS(widths)

    def key_in_file(key: str) -> str:
        conv = re.fullmatch(r"trunk\.convs\.conv(\d)_(\d)\.(\w+)", key)
        if conv is None:
            return _linear_key(key)
        return f"features.{_FIRST[int(conv[1]) - 1] + 2 * (int(conv[2]) - 1)}.{conv[3]}"

    return load(network, state, key_in_file, torch.channels_last)


def build_hed(state: StateDict) -> LPIPS:
    """From HED's Keras file (`block1/layers/conv2d/vars/0` …), whose VGG-16 is the trunk, and the layers of LPIPS.

    The layers were learnt for the channels of torchvision's VGG-16, and another training has others in their places.
    So each channel has the mean weight of its layer's: what is left is how much each layer counts.
    """
    linear = {key: tensor for key, tensor in state.items() if key.startswith("lin")}
    trunk = hed.build_keras({key: tensor for key, tensor in state.items() if key not in linear}).trunk
    own = {f"trunk.{key}": tensor for key, tensor in trunk.state_dict().items()}
    means = {key: tensor.mean().expand(tensor.shape).contiguous() for key, tensor in linear.items()}
    with torch.device("meta"):
        network = LPIPS([trunk.layers()[tap] for tap in TAPS], edges=True)
    return load(network, own | means, _linear_key, torch.channels_last)


def _linear_key(key: str) -> str:
    return re.sub(r"^lin\.(\d)\.weight$", r"lin\1.model.1.weight", key)


def _scaled(seen: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    length = torch.linalg.vector_norm(seen, dim=1, keepdim=True)
    scale = weights.clamp(min=0).sqrt() / (seen.shape[2] * seen.shape[3]) ** 0.5
    return (seen / (length + _LEAST) * scale).flatten(1)
