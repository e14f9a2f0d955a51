"""White-box Cartoonization: a photograph as a cartoon, by a small U-Net and a guided filter.

Wang and Yu, Learning to Cartoonize Using White-box Cartoon Representations, CVPR 2020.
"""

from __future__ import annotations

import re

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.blocks import conv_in_blocks
from ml4a.ops.guided_filter import guided_filter, guided_lines
from ml4a.ops.legacy_bilinear import doubled

from .state_dict import StateDict, count, load, shape

EPSILON = 5e-3
"""Of the guided filter, where the original makes pictures; in training it was 1e-2."""
_SLOPE = 0.2
_LARGE = 7
"""Side of the first and of the last kernels."""


class CartoonGenerator(nn.Module):
    """Repaints a photograph in flat areas between clear edges.

    Args:
        width: Channels at full size; a half of the size has twice, a quarter four times as many.
        blocks: Residual blocks at a quarter of the size.
    """

    scale = 1
    in_multiple = 4
    """Two halvings, each of which is undone exactly."""
    tile_multiple = 4

    def __init__(self, width: int = 32, blocks: int = 4) -> None:
        super().__init__()
        half, quarter = 2 * width, 4 * width
        self.conv = _conv(3, width, _LARGE)
        self.conv_1 = _halving_conv(width)
        self.conv_2 = _conv(width, half)
        self.conv_3 = _halving_conv(half)
        self.conv_4 = _conv(half, quarter)
        self.blocks = nn.Sequential(*(Block(quarter) for _ in range(blocks)))
        self.conv_5 = _conv(quarter, half)
        self.conv_6 = _conv(half, half)
        self.conv_7 = _conv(half, width)
        self.conv_8 = _conv(width, width)
        self.conv_9 = LastConv(width, 3, _LARGE)
        self.overlap = 32 + 8 * blocks
        """As far as a pixel sees, the guided filter included: 64 with the official weights."""
        self.bytes_per_pixel = 4 * 3 * width

    def forward(self, photo: torch.Tensor, eps: float = EPSILON) -> torch.Tensor:
        """Repaint a photograph.

        Args:
            photo: N×3×H×W, BGR, in [-1, 1]; H and W multiples of 4.
            eps: As in `ops.guided_filter`, which smooths what the network painted along the photograph's edges.

        Returns:
            N×3×H×W, about in [-1, 1].
        """
        return guided_filter(photo, self.painted(photo), radius=1, eps=eps)

    def lines(self, photo: torch.Tensor, eps: float = EPSILON) -> tuple[torch.Tensor, torch.Tensor]:
        """What `forward` multiplies the photograph by, and what it adds.

        Both may be enlarged and used with a larger photograph, whose edges they keep.

        Args:
            photo: As in `forward`.
            eps: As in `forward`.

        Returns:
            Slope and offset, each N×3×H×W.
        """
        return guided_lines(photo, self.painted(photo), radius=1, eps=eps)

    def painted(self, photo: torch.Tensor) -> torch.Tensor:
        """The network's own result, before the guided filter; N×3×H×W to the same."""
        full = _leaky(self.conv(photo))
        half = _leaky(self.conv_2(_leaky(self.conv_1(_before_halving(full)))))
        quarter = _leaky(self.conv_4(_leaky(self.conv_3(_before_halving(half)))))
        quarter = _leaky(self.conv_5(self.blocks(quarter)))
        half = _leaky(self.conv_7(_leaky(self.conv_6(half.add_(doubled(quarter))))))
        full = _leaky(self.conv_8(full.add_(doubled(half))))
        return self.conv_9(full)


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels)
        self.conv2 = _conv(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same."""
        return self.conv2(_leaky(self.conv1(x))).add_(x)


class LastConv(nn.Module):
    """A convolution to a picture, computed in blocks: half the time of nn.Conv2d, whose keys it has."""

    def __init__(self, channels: int, filters: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(filters, channels, side, side))
        self.bias = nn.Parameter(torch.empty(filters))
        self.margin = side // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H×W; H and W even."""
        return conv_in_blocks(F.pad(x, (self.margin,) * 4), self.weight).add_(self.bias[:, None, None])


def build(state: StateDict) -> CartoonGenerator:
    """From the checkpoint's names, such as `generator/Conv_1/weights`, with kernels H×W×I×O or O×I×H×W."""
    first = shape(state, "generator/Conv/weights")
    if first[:2] == (_LARGE, _LARGE):  # else they are its filters and its three channels
        state = {key: tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor for key, tensor in state.items()}
        first = shape(state, "generator/Conv/weights")
    with torch.device("meta"):
        network = CartoonGenerator(first[0], count(state, r"generator/block_(\d+)/"))
    return load(network, state, _key_in_file, torch.channels_last)


def _key_in_file(key: str) -> str:
    layer, _, kind = key.rpartition(".")
    layer = re.sub(r"blocks\.(\d+)\.", r"block_\1/", layer).replace("conv_", "Conv_")
    layer = "Conv" if layer == "conv" else layer
    return f"generator/{layer}/{'weights' if kind == 'weight' else 'biases'}"


def _conv(channels: int, filters: int, side: int = 3) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, side, padding=side // 2)


def _halving_conv(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride=2)


def _before_halving(x: torch.Tensor) -> torch.Tensor:
    """Zeros at the right and at the bottom, where TensorFlow pads an even size before a stride of 2."""
    return F.pad(x, (0, 1, 0, 1))


def _leaky(x: torch.Tensor) -> torch.Tensor:
    return F.leaky_relu_(x, _SLOPE)
