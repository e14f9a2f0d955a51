"""VGG-16: what a picture's patches look like, from edges to parts of things; the trunk of many other networks.

Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, arXiv:1409.1556.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Self

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadValue

from . import precision

DEPTHS = (2, 2, 3, 3, 3)
"""Convolutions in each block; every block after the first begins by halving the size."""
WIDTHS = (64, 128, 256, 512, 512)
MEAN = (104.00698793, 116.66876762, 122.67891434)
"""Blue, green and red of the mean training picture, where white is 255."""


class VGG16(nn.Module):
    """The convolutions of VGG-16. Its layers are named `relu1_1` … `relu5_3`, by block and convolution.

    Args:
        widths: Channels of the five blocks.
        mean: Blue, green and red that are taken off, where white is 255.
        white: What the input has for white: 1 or 255.
        ceil: Whether an odd side is halved upwards, as Caffe and Keras do, or downwards, as PyTorch does.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        *,
        mean: tuple[float, float, float] = MEAN,
        white: float = 1.0,
        ceil: bool = True,
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleDict()
        channels = 3
        for block, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True), start=1):
            for number in range(1, depth + 1):
                self.convs[f"conv{block}_{number}"] = nn.Conv2d(channels, width, 3, padding=1)
                channels = width
        self.mean = mean
        self.white = white
        self.ceil = ceil
        self.dtype = torch.float32

    def forward(self, picture: torch.Tensor, layers: Collection[str] = ("relu5_3",)) -> dict[str, torch.Tensor]:
        """What the named layers make of `picture`.

        Args:
            picture: N×3×H×W, BGR, between 0 and `white`.
            layers: Names of layers; what lies behind the last is not computed.

        Returns:
            By layer, N×C×h×w; the size is halved from block to block.

        Raises:
            BadValue: there is no layer of this name.
        """
        unknown = set(layers) - {name.replace("conv", "relu") for name in self.convs}
        if unknown:
            raise BadValue(f"VGG16 has no layer {unknown.pop()!r}; its layers are relu1_1 to relu5_3")
        found: dict[str, torch.Tensor] = {}
        x = picture * (255 / self.white) - picture.new_tensor(self.mean).view(3, 1, 1)
        for name, conv in self.convs.items():
            if name.endswith("_1") and name != "conv1_1":
                x = F.max_pool2d(x, 2, ceil_mode=self.ceil)
            x = F.relu(conv(x), inplace=True)
            if name == "conv1_1":
                x = x.to(self.dtype)
            layer = name.replace("conv", "relu")
            if layer in layers:
                found[layer] = x
            if len(found) == len(layers):
                break
        return found

    def reduce_precision(self, dtype: torch.dtype) -> Self:
        """Compute all but the first convolution in `dtype`."""
        for name, conv in self.convs.items():
            if name != "conv1_1":
                precision.reduce(conv, dtype)
        self.dtype = dtype
        return self
