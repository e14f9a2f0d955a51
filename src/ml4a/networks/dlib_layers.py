"""What dlib's networks are made of: convolutions, each with its channels scaled and shifted behind it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from .state_dict import StateDict, load

_IN_FILE = {"weight": "filters", "bias": "biases"}
"""What dlib calls the parts of a convolution."""


class Affine(nn.Module):
    """Multiplies each channel by a number and adds another: what a batch normalisation is after training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same."""
        return x * self.gamma[:, None, None] + self.beta[:, None, None]


class DlibNetwork(nn.Module):
    """Base of networks that have convolutions `con` and behind the n-th of them the n-th `affine`, or none.

    `input.average` is the mean colour of the pictures that they were trained on, from 0 to 255.
    """

    def __init__(self) -> None:
        super().__init__()
        self.con = nn.ModuleList()
        self.affine = nn.ModuleList()
        self.input = nn.Module()
        self.input.register_buffer("average", torch.zeros(3))

    def normalised(self, picture: torch.Tensor) -> torch.Tensor:
        """N×3×H×W in [0, 1] as the first convolution takes it."""
        average: torch.Tensor = self.input.average  # type: ignore[assignment]
        return (picture * 255 - average[:, None, None]) / 256

    def append(self, channels: int, filters: int, side: int, stride: int, padding: int, *, scaled: bool = True) -> None:
        """Add a convolution, and what scales its result."""
        self.con.append(nn.Conv2d(channels, filters, side, stride, padding))
        if scaled:
            self.affine.append(Affine(filters))

    def convolve(self, index: int, x: torch.Tensor) -> torch.Tensor:
        """The convolution `con.index`, scaled and shifted."""
        return self.affine[index](self.con[index](x))


Network = TypeVar("Network", bound=DlibNetwork)


def filled(network: Network, state: StateDict) -> Network:
    """Fill a network from dlib's keys, and multiply all scales into the convolutions.

    Raises:
        BadWeights: as `state_dict.load`.
    """
    network = load(network, state, _key_in_file, layout=torch.channels_last)
    for index, affine in enumerate(network.affine):
        conv = network.con[index]
        assert isinstance(conv, nn.Conv2d)
        assert isinstance(affine, Affine)
        assert conv.bias is not None
        kernel = conv.weight * affine.gamma[:, None, None, None]
        conv.weight = nn.Parameter(kernel.contiguous(memory_format=torch.channels_last), requires_grad=False)
        conv.bias = nn.Parameter(conv.bias * affine.gamma + affine.beta, requires_grad=False)
        network.affine[index] = nn.Identity()
    return network


def _key_in_file(key: str) -> str:
    layer, _, kind = key.rpartition(".")
    return f"{layer}.{_IN_FILE.get(kind, kind)}" if layer.startswith("con.") else key
