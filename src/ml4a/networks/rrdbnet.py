"""RRDBNet: pictures four times larger, with texture. The network of ESRGAN and Real-ESRGAN.

Wang et al., ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, ECCV Workshops 2018, arXiv:1809.00219.
Wang et al., Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, ICCV Workshops 2021,
arXiv:2107.10833. Attributes carry Real-ESRGAN's key names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.tiles import tiled

from . import precision
from .state_dict import StateDict, count, keys_in_order, load, shape

_SLOPE = 0.2
_RESIDUAL = 0.2
_OVERLAP = 80
"""What is farther away changes no pixel by more than a third of a grey level, though 23 blocks look 349 pixels far."""
_ENLARGED_TILE = 64
_ENLARGED_OVERLAP = 2
"""What the convolutions behind the trunk see, in pixels of the trunk."""
_BLOCKS_AFTER_EXACT_ONE = 12

_OLD_NAMES = {
    "conv_body": "trunk_conv",
    "body.": "RRDB_trunk.",
    ".rdb": ".RDB",
    "conv_up": "upconv",
    "conv_hr": "HRconv",
}


class RRDBNet(nn.Module):
    """Enlarges pictures by residual dense blocks at the input's size and nearest-neighbour doublings after them.

    Args:
        channels: Of the input and output picture.
        features: Width of the trunk.
        growth: What each convolution of a dense block adds.
        blocks: How many residual-in-residual dense blocks there are.
        doublings: How often the size is doubled.
        unshuffle: The input is first folded so many times smaller, its pixels becoming channels: 2 makes of a network
            that quadruples one that doubles.
    """

    def __init__(
        self,
        channels: int = 3,
        features: int = 64,
        growth: int = 32,
        blocks: int = 23,
        doublings: int = 2,
        unshuffle: int = 1,
    ) -> None:
        super().__init__()
        self.conv_first = _conv(channels * unshuffle**2, features)
        self.body = nn.Sequential(*(ResidualInResidual(features, growth) for _ in range(blocks)))
        self.conv_body = _conv(features, features)
        self.conv_up = nn.ModuleList(_conv(features, features) for _ in range(doublings))
        self.conv_hr = _conv(features, features)
        self.conv_last = _conv(features, channels)

        self.channels = channels
        self.scale = 2**doublings // unshuffle
        self.in_multiple = self.tile_multiple = unshuffle
        reach = 15 * blocks + 4  # one pixel for each convolution in a row
        self.overlap = unshuffle * min(reach, _OVERLAP)
        trunk = 4 * (5 * features + 8 * growth)  # three residual streams, a dense block's maps before and after joining
        self.bytes_per_pixel = trunk / unshuffle**2 + 4 * channels * self.scale**2

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Enlarge.

        Args:
            picture: N×C×H×W, RGB in [0, 1], float32; H and W multiples of `in_multiple`.

        Returns:
            N×C×(scale·H)×(scale·W), not clamped.
        """
        features = self.conv_first(F.pixel_unshuffle(picture, self.in_multiple))
        features = features + self.conv_body(self.body(features))
        # At the result's size a map of features takes much memory; in tiles it stays in the processor's cache.
        return tiled(
            self.enlarge,
            features,
            tile=_ENLARGED_TILE,
            overlap=_ENLARGED_OVERLAP,
            scales=2 ** len(self.conv_up),
            device=picture.device,
        )

    def enlarge(self, features: torch.Tensor) -> torch.Tensor:
        """The part behind the trunk: N×F×H×W → N×C×(2ᵈ·H)×(2ᵈ·W), for d doublings."""
        x = features.to(self.conv_hr.weight.dtype)
        for conv in self.conv_up:
            x = _leaky(conv(F.interpolate(x, scale_factor=2, mode="nearest")))
        x = _leaky(self.conv_hr(x))
        return self.conv_last(x.to(self.conv_last.weight.dtype))

    def reduce_precision(self, dtype: torch.dtype) -> Self:
        """Compute in `dtype`, but for the residual streams and the convolutions before, behind and after them.

        In deep networks, all later blocks make worse what the first ones get wrong, so these stay exact, too.
        """
        exact = len(self.body) // _BLOCKS_AFTER_EXACT_ONE
        for part in (self.body[exact:], self.conv_up, self.conv_hr):
            precision.reduce(part, dtype)
        return self


class ResidualInResidual(nn.Module):
    """Three dense blocks, and a way around them."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(features, growth)
        self.rdb2 = DenseBlock(features, growth)
        self.rdb3 = DenseBlock(features, growth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×F×H×W to the same."""
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=_RESIDUAL)


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees what all before it made, and a way around them.

    The way around stays in float32, whatever the convolutions compute in: it carries the picture.
    """

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = _conv(features, growth)
        self.conv2 = _conv(features + growth, growth)
        self.conv3 = _conv(features + 2 * growth, growth)
        self.conv4 = _conv(features + 3 * growth, growth)
        self.conv5 = _conv(features + 4 * growth, features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×F×H×W to the same."""
        seen = x.to(self.conv1.weight.dtype)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = torch.cat((seen, _leaky(conv(seen))), dim=1)
        return torch.add(x, self.conv5(seen), alpha=_RESIDUAL)


def build(state: StateDict) -> RRDBNet:
    """From Real-ESRGAN's keys, such as `body.0.rdb1.conv1.weight`."""
    return _build(state, count(state, r"body\.(\d+)\."), 2, _official)


def build_old(state: StateDict) -> RRDBNet:
    """From ESRGAN's keys, such as `RRDB_trunk.0.RDB1.conv1.weight`."""

    def key_in_file(key: str) -> str:
        key = _official(key)
        for name, old in _OLD_NAMES.items():
            key = key.replace(name, old)
        return key

    return _build(state, count(state, r"RRDB_trunk\.(\d+)\."), 2, key_in_file)


def build_numbered(state: StateDict) -> RRDBNet:
    """From the keys of files older still, such as `model.1.sub.0.RDB1.conv1.0.weight`."""
    blocks = count(state, r"model\.1\.sub\.(\d+)\.RDB")
    doublings = (count(state, r"model\.(\d+)\.") - 5) // 3
    numbers = {"conv_first": 0, "conv_hr": 3 * doublings + 2, "conv_last": 3 * doublings + 4}
    numbers |= {f"conv_up.{n}": 3 * (n + 1) for n in range(doublings)}

    def key_in_file(key: str) -> str:
        layer, _, kind = key.rpartition(".")
        if layer in numbers:
            return f"model.{numbers[layer]}.{kind}"
        if layer == "conv_body":
            return f"model.1.sub.{blocks}.{kind}"
        return f"model.1.sub.{layer.removeprefix('body.').replace('rdb', 'RDB')}.0.{kind}"

    return _build(state, blocks, doublings, key_in_file)


def build_ncnn(state: StateDict) -> RRDBNet:
    """From ncnn's tensors: the n-th convolution of the file is the n-th of the network."""
    convolutions = sum(tensor.ndim == 4 for tensor in state.values())
    blocks, doublings = divmod(convolutions - 4, 15)
    with torch.device("meta"):
        network = RRDBNet(blocks=blocks, doublings=doublings)
    return _build(state, blocks, doublings, keys_in_order(network, state))


def _build(state: StateDict, blocks: int, doublings: int, key_in_file: Callable[[str], str]) -> RRDBNet:
    features, given = shape(state, key_in_file("conv_first.weight"))[:2]
    growth = shape(state, key_in_file("body.0.rdb1.conv1.weight"))[0]
    channels = shape(state, key_in_file("conv_last.weight"))[0]
    unshuffle = max(math.isqrt(given // channels), 1)
    with torch.device("meta"):
        network = RRDBNet(channels, features, growth, blocks, doublings, unshuffle)
    return load(network, state, key_in_file, torch.channels_last)


def _official(key: str) -> str:
    return re.sub(r"conv_up\.(\d)", lambda match: f"conv_up{int(match[1]) + 1}", key)


def _conv(channels: int, filters: int) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, padding=1)


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu(x, _SLOPE, inplace=True)
