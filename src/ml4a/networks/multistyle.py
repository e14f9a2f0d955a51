"""One small network that has learnt many styles, each a set of scales and shifts, which can be blended.

Dumoulin, Shlens and Kudlur, A Learned Representation for Artistic Style, ICLR 2017, arXiv:1610.07629.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.instance_norm import conditional_instance_norm_

from .state_dict import StateDict, count, load, shape
from .styled import Expansion, StyledConv, StyledResidual


class MultiStyle(nn.Module):
    """Repaints pictures in a blend of the styles it knows.

    Args:
        styles: How many styles it knows.
        contract: Channels of the three layers that reduce the picture to a quarter of its size.
        residuals: How many residual blocks follow.
        expand: Channels of the two layers that double the size.
    """

    scale = 1
    in_multiple = tile_multiple = 4
    overlap = None  # instance norm looks at the whole picture
    bytes_per_pixel = 320

    def __init__(
        self,
        styles: int = 26,
        contract: Sequence[int] = (32, 32, 32),
        residuals: int = 6,
        expand: Sequence[int] = (8, 4),
    ) -> None:
        super().__init__()

        def conv(channels: int, filters: int, kernel: int = 3, stride: int = 1) -> StyledConv:
            return StyledConv(channels, filters, kernel, StyleTable(styles, filters), stride)

        first, second, width = contract
        half, full = expand
        self.contract = nn.ModuleList([conv(3, first, 9), conv(first, second, stride=2), conv(second, width, stride=2)])
        self.residual = nn.ModuleList(StyledResidual(conv(width, width), conv(width, width)) for _ in range(residuals))
        self.expand = Expansion(conv(width, half), conv(half, full), conv(full, 3, 9))

    def forward(self, content: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Repaint.

        Args:
            content: N×3×H×W, RGB in [0, 1], float32, at least 5 px a side.
            weights: N×S or 1×S: how much of each style; a row adds up to 1.

        Returns:
            N×3×H×W, RGB in [0, 1]; H and W are rounded up to multiples of 4.
        """
        x = content.contiguous(memory_format=torch.channels_last)
        for layer in self.contract:
            x = F.relu_(layer(x, weights))
        for block in self.residual:
            x = block(x, weights)
        return self.expand(x, weights)


class StyleTable(nn.Module):
    """Instance norm with a scale (`gamma`) and a shift (`beta`) for each style and channel."""

    def __init__(self, styles: int, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(styles, channels))
        self.beta = nn.Parameter(torch.empty(styles, channels))

    def forward(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Normalise N×C×H×W, in place, with the blend that `weights` (N×S or 1×S) asks for."""
        return conditional_instance_norm_(x, weights @ self.gamma, weights @ self.beta)


def build(state: StateDict) -> MultiStyle:
    """From the published file's keys, such as `res.0.1.norm.gamma`."""
    styles = shape(state, "contract.0.norm.gamma", dimensions=2)[0]
    contract = [shape(state, f"contract.{layer}.w")[0] for layer in range(3)]
    residuals = count(state, r"res\.(\d+)\.")
    expand = [shape(state, f"expand.{layer}.w")[0] for layer in range(2)]
    with torch.device("meta"):
        network = MultiStyle(styles, contract, residuals, expand)
    return load(network, state, _key_in_file)


def _key_in_file(key: str) -> str:
    """`residual.0.conv1.weight` → `res.0.0.w`, `expand.conv1.norm.beta` → `expand.0.norm.beta`."""
    key = re.sub(r"\.conv(\d)", lambda found: f".{int(found[1]) - 1}", key)
    return key.replace("residual.", "res.").replace(".weight", ".w")
