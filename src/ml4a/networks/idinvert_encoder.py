"""The encoder of in-domain inversion: from a picture to the styles that a generator would paint it with.

Zhu et al., In-Domain GAN Inversion for Real Image Editing, ECCV 2020, arXiv:2004.00049. Attributes carry the names that
genforce/idinvert_pytorch gave them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from .batch_norm import BatchNorm, without_counters
from .state_dict import StateDict, count, load, shape

_GAIN = math.sqrt(2)
_SMALLEST = 4
"""The side at which a picture is flattened."""


class IDInvertEncoder(nn.Module):
    """Halves a picture until it is 4×4, and reads the styles of all layers off that.

    Args:
        widths: Channels at each size, from the picture's own on.
        w_dim: Numbers of a style.
        channels: Of the picture.
        normalised: Whether there is batch normalisation. Without it the kernels are scaled by what they have gone in,
            as StyleGAN's are.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512, 1024, 1024, 1024),
        w_dim: int = 512,
        channels: int = 3,
        normalised: bool = True,
    ) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.num_ws = 2 * len(widths)
        self.resolution = _SMALLEST << (len(widths) - 1)
        self.halvings = len(widths) - 1
        self.block0 = FirstBlock(channels, widths[0], normalised)
        for number, (given, made) in enumerate(pairwise(widths), start=1):
            self.add_module(f"block{number}", ResidualBlock(given, made, normalised))
        self.add_module(f"block{len(widths)}", LastBlock(_SMALLEST**2 * widths[-1], self.num_ws * w_dim, normalised))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Encode N×3×`resolution`×`resolution`, RGB in [-1, 1]: N×(`num_ws`·`w_dim`), one style after the other."""
        x = self.block0(picture.contiguous(memory_format=torch.channels_last))
        for number in range(1, 1 + self.halvings):
            x = self.get_submodule(f"block{number}")(F.avg_pool2d(x, 2))
        return self.get_submodule(f"block{1 + self.halvings}")(x.flatten(1))

    def encode(self, picture: torch.Tensor) -> torch.Tensor:
        """As `forward`, but N×`num_ws`×`w_dim`."""
        return self(picture).unflatten(1, (self.num_ws, self.w_dim))


class Norm(nn.Module):
    """Batch normalisation, one level further down in the keys than usual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = BatchNorm(channels)


class Bias(nn.Module):
    """A bias with a module of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class FirstBlock(nn.Module):
    """A convolution at the picture's size."""

    def __init__(self, given: int, made: int, normalised: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, 3, padding=1, bias=False)
        self.bn = Norm(made) if normalised else None

    def fold(self) -> None:
        """Multiply into the convolution what follows it."""
        _fold(self.conv, self.bn)
        self.bn = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H×W."""
        return F.leaky_relu_(self.conv(x), 0.2)


class ResidualBlock(nn.Module):
    """Two convolutions and a way around them, on which there is a convolution if the channels become more."""

    def __init__(self, given: int, made: int, normalised: bool) -> None:
        super().__init__()
        between = min(given, made)
        self.conv: nn.Conv2d | None = None
        self.bn: Norm | None = None
        if given != made:
            self.conv = nn.Conv2d(given, made, 1, bias=False)
            self.bn = Norm(made) if normalised else None
        self.conv1 = nn.Conv2d(given, between, 3, padding=1, bias=False)
        self.wscale1 = Bias(between)
        self.bn1 = Norm(between) if normalised else None
        self.conv2 = nn.Conv2d(between, made, 3, padding=1, bias=False)
        self.wscale2 = Bias(made)
        self.bn2 = Norm(made) if normalised else None

    def fold(self) -> None:
        """Multiply into each convolution what follows it."""
        if self.conv is not None:
            _fold(self.conv, self.bn)
        _fold(self.conv1, self.bn1, self.wscale1.bias)
        _fold(self.conv2, self.bn2, self.wscale2.bias)
        self.bn = self.bn1 = self.bn2 = None
        del self.wscale1, self.wscale2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H×W."""
        around = x if self.conv is None else F.leaky_relu_(self.conv(x), 0.2)
        x = F.leaky_relu_(self.conv1(x), 0.2)
        return F.leaky_relu_(self.conv2(x), 0.2) + around


class LastBlock(nn.Module):
    """All styles from everything."""

    def __init__(self, given: int, made: int, normalised: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(given, made, bias=False)
        self.bn = Norm(made) if normalised else None

    def fold(self) -> None:
        """Multiply into the matrix what follows it."""
        _fold(self.fc, self.bn, gain=1)
        self.bn = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C to N×F."""
        return self.fc(x)


def build(state: StateDict) -> IDInvertEncoder:
    """From the original's keys, such as `block1.bn2.bn.running_mean`."""
    last = count(state, r"block(\d+)\.") - 1
    kernels = ["block0.conv", *(f"block{number}.conv2" for number in range(1, last))]
    widths = [shape(state, f"{name}.weight")[0] for name in kernels]
    made = shape(state, f"block{max(0, last)}.fc.weight", 2)[0]
    if made % (2 * len(widths)):
        raise BadWeights(f"these weights make {made} numbers, which are not {2 * len(widths)} styles of one length")
    channels = shape(state, "block0.conv.weight")[1]
    normalised = any(key.endswith("running_var") for key in state)
    with torch.device("meta"):
        network = IDInvertEncoder(widths, made // (2 * len(widths)), channels, normalised)
    load(network, without_counters(state), layout=torch.channels_last)
    for part in list(network.modules()):
        if isinstance(part, FirstBlock | ResidualBlock | LastBlock):
            part.fold()
    return network


def _fold(
    layer: nn.Conv2d | nn.Linear, norm: Norm | None, bias: torch.Tensor | None = None, gain: float | None = None
) -> None:
    """Give a layer its scale, its bias and its normalisation.

    Args:
        layer: Without a bias.
        norm: Its normalisation.
        bias: What is added before that.
        gain: What the weights are multiplied by, over the root of how many numbers go in; by default nothing with a
            normalisation, and √2 without.
    """
    weight = layer.weight
    shift = weight.new_zeros(len(weight)) if bias is None else bias
    if gain is not None or norm is None:
        weight.mul_((_GAIN if gain is None else gain) / math.sqrt(weight[0].numel()))
    if norm is not None:
        scale, offset = norm.bn.as_product()
        weight.mul_(scale.view(-1, *[1] * (weight.ndim - 1)))
        shift = shift * scale + offset
    layer.bias = nn.Parameter(shift.clone(), False)
