"""Network in Network: a small network that sees nearly as much as VGG, in a tenth of the memory.

Lin et al., Network In Network, ICLR 2014, arXiv:1312.4400; the ImageNet network of Caffe's model zoo, whose layers'
names these are, as the conversion to PyTorch has it.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator, Sequence
from typing import Literal, Self, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import UnknownName

from .features import FeatureNetwork
from .state_dict import StateDict, load, shape
from .vgg import CAFFE

WIDTHS = (96, 96, 96, 256, 256, 256, 384, 384, 384, 1024, 1024, 1000)
"""Channels of the convolutions."""

_CONVS = {
    "conv1": 0,
    "cccp1": 2,
    "cccp2": 4,
    "conv2": 7,
    "cccp3": 9,
    "cccp4": 11,
    "conv3": 14,
    "cccp5": 16,
    "cccp6": 18,
    "conv4-1024": 22,
    "cccp7-1024": 24,
    "cccp8-1024": 26,
}
"""Their names, and the numbers in the file; poolings, ReLUs and a dropout have the others."""
_RELUS = (0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12)
"""How the ReLUs behind them are numbered."""
_SIDES = {"conv1": 11, "conv2": 5, "conv3": 3, "conv4-1024": 3}
"""Of kernels; all others mix channels only."""

Pooling: TypeAlias = Literal["max", "mean"]


class NIN(FeatureNetwork):
    """Four blocks of a convolution and two that mix its channels at each place; the last has a channel a class.

    Layers are named `conv1`, `relu0`, `cccp1`, … `pool1`, … `cccp8-1024`, `relu12`.

    Args:
        widths: Channels of the twelve convolutions.
    """

    shortest = 39

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.convs = nn.ModuleDict()
        channels = 3
        for name, width in zip(_CONVS, widths, strict=True):
            side = _SIDES.get(name, 1)
            stride, padding = (4, 0) if name == "conv1" else (1, side // 2)
            self.convs[name] = nn.Conv2d(channels, width, side, stride, padding)
            channels = width
        self.pooling: Pooling = "max"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """How much of each class is seen at each place.

        Args:
            x: N×3×H×W BGR, where white is 255, less the mean, as neural style's programs give it: `CAFFE(picture)`.

        Returns:
            N×C×h×w, not negative.
        """
        for _, features in self._walk(x, ()):
            x = features
        return x

    def walk(self, picture: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """As the base says."""
        return self._walk(CAFFE(picture), wanted)

    def variant(self, pooling: Pooling) -> Self:
        """The same network, of the same tensors, with another pooling: the largest or the mean of 3×3.

        Raises:
            UnknownName: there is no pooling of this name.
        """
        if pooling not in _POOLINGS:
            raise UnknownName("pooling", pooling, _POOLINGS)
        twin = copy.copy(self)
        twin.pooling = pooling
        return twin

    def _walk(self, x: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        pool = _POOLINGS[self.pooling]
        for number, (relu, (name, conv)) in enumerate(zip(_RELUS, self.convs.items(), strict=True)):
            if number and number % 3 == 0:
                x = pool(x, 3, 2, ceil_mode=True)
                yield f"pool{number // 3}", x
            x = conv(x)
            yield name, x
            x = F.relu(x, inplace=name not in wanted)
            yield f"relu{relu}", x


_POOLINGS = {"max": F.max_pool2d, "mean": F.avg_pool2d}


def build(state: StateDict) -> NIN:
    """From the conversion's keys, such as `features.0.weight`."""
    widths = [shape(state, f"features.{number}.weight")[0] for number in _CONVS.values()]
    with torch.device("meta"):
        network = NIN(widths)

    def key_in_file(key: str) -> str:
        _, layer, kind = key.split(".")
        return f"features.{_CONVS[layer]}.{kind}"

    return load(network, state, key_in_file, torch.channels_last)
