"""Layers that a style steers: what the fast-style networks are built of.

They keep the sizes of Johnson et al., Perceptual Losses for Real-Time Style Transfer, ECCV 2016, arXiv:1603.08155;
padding by reflection, doubling instead of transposed convolution, and norms that take a style are from Dumoulin et al.,
ICLR 2017, arXiv:1610.07629.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.blocks import conv_in_blocks, doubling_conv


class StyledConv(nn.Module):
    """A convolution padded by reflection, then a norm that the style steers.

    Args:
        channels: Of the input.
        filters: Channels of the output.
        kernel: Side of the kernel, odd.
        norm: Called with the convolution's result, which it may overwrite, and the style.
        stride: 2 halves the size.
    """

    def __init__(self, channels: int, filters: int, kernel: int, norm: nn.Module, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(filters, channels, kernel, kernel))
        self.norm = norm
        self.stride = stride

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H×W, or half of that, rounded up."""
        return self.norm(F.conv2d(self.padded(x), self.weight, stride=self.stride), style)

    def padded(self, x: torch.Tensor) -> torch.Tensor:
        """With the margin that the kernel wants."""
        margin = self.weight.shape[-1] // 2
        return F.pad(x, (margin, margin, margin, margin), mode="reflect")


class StyledResidual(nn.Module):
    """Two styled convolutions, and a way around them."""

    def __init__(self, conv1: StyledConv, conv2: StyledConv) -> None:
        super().__init__()
        self.conv1 = conv1
        self.conv2 = conv2

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same."""
        return x + self.conv2(F.relu_(self.conv1(x, style)), style)


class Expansion(nn.Module):
    """Three styled convolutions: two that double the size first, nearest neighbour, and one that makes the picture."""

    def __init__(self, conv1: StyledConv, conv2: StyledConv, conv3: StyledConv) -> None:
        super().__init__()
        self.conv1 = conv1
        self.conv2 = conv2
        self.conv3 = conv3

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×3×4H×4W, in [0, 1]."""
        for layer in (self.conv1, self.conv2):
            x = F.relu_(layer.norm(doubling_conv(x, layer.weight), style))
        x = conv_in_blocks(self.conv3.padded(x), self.conv3.weight)
        return self.conv3.norm(x, style).sigmoid_()
