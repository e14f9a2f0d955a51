"""Any picture's style in one pass: a network that sums a style up, and a network that repaints in it.

Ghiasi, Lee, Kudlur, Dumoulin and Shlens, Exploring the Structure of a Real-time, Arbitrary Neural Artistic
Stylization Network, BMVC 2017, arXiv:1705.06830. The predictor's trunk is MobileNetV2 (Sandler et al., CVPR 2018,
arXiv:1801.04381), its batch norms folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.instance_norm import conditional_instance_norm_

from .state_dict import StateDict, count, load, shape
from .styled import Expansion, StyledConv, StyledResidual


class Widths(NamedTuple):
    """Channels of one of MobileNetV2's blocks."""

    expanded: int
    out: int


MOBILENET_V2 = (
    Widths(32, 16),
    *(Widths(96, 24), Widths(144, 24)),
    *(Widths(144, 32), Widths(192, 32), Widths(192, 32)),
    *(Widths(192, 64), Widths(384, 64), Widths(384, 64), Widths(384, 64)),
    *(Widths(384, 96), Widths(576, 96), Widths(576, 96)),
    *(Widths(576, 160), Widths(960, 160), Widths(960, 160)),
    Widths(960, 320),
)
_HALVING = (1, 3, 6, 13)
"""Blocks that halve the size."""


class StylePredictor(nn.Module):
    """Sums the style of a picture up in a short vector.

    Args:
        stem: Channels of the first convolution.
        blocks: Channels of MobileNetV2's blocks.
        features: Channels of the last convolution.
        style: Length of the vector.
    """

    def __init__(
        self, stem: int = 32, blocks: Sequence[Widths] = MOBILENET_V2, features: int = 1280, style: int = 100
    ) -> None:
        super().__init__()
        widths = [stem, *(block.out for block in blocks)]
        self.stem = nn.Conv2d(3, stem, 3, stride=2)
        self.blocks = nn.ModuleList(
            InvertedResidual(widths[number], block, stride=2 if number in _HALVING else 1)
            for number, block in enumerate(blocks)
        )
        self.head = nn.Conv2d(widths[-1], features, 1)
        self.style = nn.Linear(features, style)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Describe.

        Args:
            picture: N×3×256×256, RGB in [0, 1], float32. Other sizes work if their sides are multiples of 32,
                but the published weights were trained on this one.

        Returns:
            N×S, the style.
        """
        x = picture.contiguous(memory_format=torch.channels_last)
        x = F.relu6(self.stem(_pad_after(x)), inplace=True)
        for block in self.blocks:
            x = block(x)
        x = F.relu6(self.head(x), inplace=True)
        return self.style(x.mean((2, 3)))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand the channels, filter each by itself, project back; a way around if the size stays."""

    def __init__(self, channels: int, widths: Widths, stride: int) -> None:
        super().__init__()
        expanded, out = widths
        self.expand = nn.Conv2d(channels, expanded, 1) if expanded != channels else None
        self.depthwise = nn.Conv2d(expanded, expanded, 3, stride, padding=2 - stride, groups=expanded)
        self.project = nn.Conv2d(expanded, out, 1)
        self.halves = stride == 2
        self.adds = stride == 1 and channels == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×out×H×W, or half of that."""
        y = F.relu6(self.expand(x), inplace=True) if self.expand is not None else x
        if self.halves:
            y = _pad_after(y)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return x + y if self.adds else y


class StyleTransformer(nn.Module):
    """Repaints pictures in a style that a `StylePredictor` has summed up.

    Args:
        contract: Channels of the three layers that reduce the picture to a quarter of its size.
        residuals: How many residual blocks follow.
        expand: Channels of the two layers that double the size.
        style: Length of the style's vector.
    """

    scale = 1
    in_multiple = tile_multiple = 4
    overlap = None  # instance norm looks at the whole picture
    bytes_per_pixel = 150

    def __init__(
        self,
        contract: Sequence[int] = (8, 16, 32),
        residuals: int = 5,
        expand: Sequence[int] = (16, 8),
        style: int = 100,
    ) -> None:
        super().__init__()

        def conv(channels: int, filters: int, kernel: int = 3) -> StyledConv:
            return StyledConv(channels, filters, kernel, StyleNorm(style, filters))

        first, second, width = contract
        half, full = expand
        self.contract = nn.ModuleList(
            [
                nn.Conv2d(3, first, 9, padding=4, padding_mode="reflect"),
                nn.Conv2d(first, second, 3, stride=2, padding=1, padding_mode="reflect"),
                nn.Conv2d(second, width, 3, stride=2, padding=1, padding_mode="reflect"),
            ]
        )
        self.residual = nn.ModuleList(StyledResidual(conv(width, width), conv(width, width)) for _ in range(residuals))
        self.expand = Expansion(conv(width, half), conv(half, full), conv(full, 3, 9))

    def forward(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Repaint.

        Args:
            content: N×3×H×W, RGB in [0, 1], float32, at least 5 px a side.
            style: N×S or 1×S, from a `StylePredictor`, or a mixture of several.

        Returns:
            N×3×H×W, RGB in [0, 1]; H and W are rounded up to multiples of 4.
        """
        x = content.contiguous(memory_format=torch.channels_last)
        for layer in self.contract:
            x = F.relu_(layer(x))
        for block in self.residual:
            x = block(x, style)
        return self.expand(x, style)


class StyleNorm(nn.Module):
    """Instance norm with a scale and a shift that are computed from the style's vector."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(style, channels)
        self.shift = nn.Linear(style, channels)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Normalise N×C×H×W, in place, as `style` (N×S or 1×S) asks."""
        return conditional_instance_norm_(x, self.scale(style), self.shift(style))


def build_predictor(state: StateDict) -> StylePredictor:
    """From the keys of `style_graph`, such as `blocks.0.depthwise.weight`."""
    stem = shape(state, "stem.weight")[0]
    blocks = [
        Widths(
            expanded=shape(state, f"blocks.{block}.depthwise.weight")[0],
            out=shape(state, f"blocks.{block}.project.weight")[0],
        )
        for block in range(count(state, r"blocks\.(\d+)\."))
    ]
    style, features = shape(state, "style.weight", dimensions=2)
    with torch.device("meta"):
        network = StylePredictor(stem, blocks, features, style)
    return load(network, state)


def build_transformer(state: StateDict) -> StyleTransformer:
    """From the keys of `style_graph`, such as `residual.0.conv1.norm.scale.weight`."""
    contract = [shape(state, f"contract.{layer}.weight")[0] for layer in range(3)]
    residuals = count(state, r"residual\.(\d+)\.")
    expand = [shape(state, f"expand.{layer}.weight")[0] for layer in ("conv1", "conv2")]
    style = shape(state, "expand.conv1.norm.scale.weight", dimensions=2)[1]
    with torch.device("meta"):
        network = StyleTransformer(contract, residuals, expand, style)
    return load(network, state)


def _pad_after(x: torch.Tensor) -> torch.Tensor:
    """What TensorFlow's padding "SAME" adds before a stride of 2, if the sides are even."""
    return F.pad(x, (0, 1, 0, 1))
