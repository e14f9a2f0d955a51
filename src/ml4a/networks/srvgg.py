"""SRVGGNetCompact: Real-ESRGAN's small network, a row of plain convolutions, for film and drawings.

Wang et al., Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data, ICCV Workshops 2021,
arXiv:2107.10833. Attributes carry Real-ESRGAN's key names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from . import precision
from .state_dict import StateDict, count, keys_in_order, load, shape


class SRVGGNetCompact(nn.Module):
    """Enlarges pictures: convolutions at the input's size make what is added to the input's enlarged pixels.

    Args:
        channels: Of the input and output picture.
        features: Width of the convolutions.
        convolutions: How many there are between the first and the last.
        scale: How many times larger the result is.
    """

    in_multiple = 1
    tile_multiple = 1

    def __init__(self, channels: int = 3, features: int = 64, convolutions: int = 16, scale: int = 4) -> None:
        super().__init__()
        first = _conv(channels, features)
        middle = [_conv(features, features) for _ in range(convolutions)]
        last = _conv(features, channels * scale**2)
        layers = [layer for conv in (first, *middle) for layer in (conv, nn.PReLU(features))]
        self.body = nn.Sequential(*layers, last)
        self.dtype = torch.float32
        self.channels = channels
        self.scale = scale
        self.overlap = convolutions + 2
        self.bytes_per_pixel = 4 * (features + max(features, 2 * channels * scale**2))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Enlarge.

        Args:
            picture: N×C×H×W, RGB in [0, 1], float32.

        Returns:
            N×C×(scale·H)×(scale·W), not clamped.
        """
        first, *middle, last = self.body
        x = first(picture).to(self.dtype)
        for layer in middle:
            x = layer(x)
        x = F.pixel_shuffle(last(x.to(picture.dtype)), self.scale)
        return x.add_(F.interpolate(picture, scale_factor=self.scale, mode="nearest"))

    def reduce_precision(self, dtype: torch.dtype) -> Self:
        """Compute all but the first and the last convolution in `dtype`."""
        precision.reduce(self.body[1:-1], dtype)
        self.dtype = dtype
        return self


def build(state: StateDict) -> SRVGGNetCompact:
    """From the official keys, such as `body.0.weight`."""
    layers = count(state, r"body\.(\d+)\.")
    return _build(state, (layers - 3) // 2, str)


def build_ncnn(state: StateDict) -> SRVGGNetCompact:
    """From ncnn's tensors, which are in the same order under other names."""
    convolutions = sum(tensor.ndim == 4 for tensor in state.values()) - 2
    with torch.device("meta"):
        network = SRVGGNetCompact(convolutions=convolutions)
    return _build(state, convolutions, keys_in_order(network, state))


def _build(state: StateDict, convolutions: int, key_in_file: Callable[[str], str]) -> SRVGGNetCompact:
    features, channels = shape(state, key_in_file("body.0.weight"))[:2]
    filters = shape(state, key_in_file(f"body.{2 * convolutions + 2}.weight"))[0]
    scale = max(math.isqrt(filters // channels), 1)
    with torch.device("meta"):
        network = SRVGGNetCompact(channels, features, convolutions, scale)
    return load(network, state, key_in_file, torch.channels_last)


def _conv(channels: int, filters: int) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, padding=1)
