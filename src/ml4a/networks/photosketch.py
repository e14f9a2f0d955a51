"""Photo-Sketching: the contours of a photograph, as a person would draw them.

Li et al., Photo-Sketching: Inferring Contour Drawings from Images, WACV 2019, arXiv:1901.00542. The network is the
generator of residual blocks of pix2pix (Isola et al., CVPR 2017). Attributes carry the original's key names.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.instance_norm import conditional_instance_norm_

from .batch_norm import BatchNorm, without_counters
from .state_dict import StateDict, count, load, shape

_FIRST_BLOCK = 10
"""The number of the first residual block."""


class PhotoSketch(nn.Module):
    """Draws: a picture is reduced to a quarter, changed by residual blocks, and enlarged again into lines.

    Args:
        width: Channels at full size; they double with each halving.
        blocks: How many residual blocks there are.
    """

    scale = 1
    in_multiple = 4
    overlap = None
    """Each layer is normalised over the whole picture."""
    tile_multiple = 4

    def __init__(self, width: int = 64, blocks: int = 9) -> None:
        super().__init__()
        half, quarter = 2 * width, 4 * width
        # The numbers left out are ReLUs and paddings of the original's, which have no weights.
        layers: dict[int, nn.Module] = {
            1: _conv(3, width, 7),
            2: _Norm(width),
            4: nn.Conv2d(width, half, 3, stride=2, padding=1, bias=False),
            5: _Norm(half),
            7: nn.Conv2d(half, quarter, 3, stride=2, padding=1, bias=False),
            8: _Norm(quarter),
            **{number: _Block(quarter) for number in range(_FIRST_BLOCK, _FIRST_BLOCK + blocks)},
        }
        end = _FIRST_BLOCK + blocks
        layers[end] = nn.ConvTranspose2d(quarter, half, 3, stride=2, padding=1, output_padding=1, bias=False)
        layers[end + 1] = _Norm(half)
        layers[end + 3] = nn.ConvTranspose2d(half, width, 3, stride=2, padding=1, output_padding=1, bias=False)
        layers[end + 4] = _Norm(width)
        layers[end + 7] = _conv(width, 1, 7, bias=True)
        self.model = nn.Sequential()
        for number, layer in layers.items():
            self.model.add_module(str(number), layer)
        self.bytes_per_pixel = 4 * 3 * width

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Draw.

        Args:
            picture: N×3×H×W, RGB in [-1, 1]; H and W multiples of 4 and at least 8.

        Returns:
            N×1×H×W in [-1, 1]: -1 is ink, 1 is paper.
        """
        return self.model(picture).tanh_()


class _Norm(BatchNorm):
    """Batch normalisation by the statistics of the picture itself, and the ReLU behind it.

    The original draws one picture at a time in training mode: what was learnt of the means and variances of other
    pictures lies in its files and is not used.
    """

    def __init__(self, channels: int, *, relu: bool = True) -> None:
        super().__init__(channels)
        self._relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same, in place."""
        x = conditional_instance_norm_(x, self.weight[None], self.bias[None])
        return F.relu_(x) if self._relu else x


class _Block(nn.Module):
    """Two convolutions and a way around them, without a ReLU behind the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential()
        # As for `model`; one of the numbers left out is a dropout that dropped nothing.
        layers = {
            1: _conv(channels, channels, 3),
            2: _Norm(channels),
            6: _conv(channels, channels, 3),
            7: _Norm(channels, relu=False),
        }
        for number, layer in layers.items():
            self.conv_block.add_module(str(number), layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same."""
        return self.conv_block(x).add_(x)


def build(state: StateDict) -> PhotoSketch:
    """From the original's keys, such as `model.10.conv_block.1.weight`."""
    width = shape(state, "model.1.weight")[0]
    blocks = max(0, count(state, r"model\.(\d+)\.conv_block\.") - _FIRST_BLOCK)
    with torch.device("meta"):
        network = PhotoSketch(width, blocks)
    return load(network, without_counters(state), layout=torch.channels_last)


def _conv(channels: int, filters: int, side: int, *, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, side, padding=side // 2, padding_mode="reflect", bias=bias)
