"""PatchGAN: what of a picture looks made up, by which networks are trained.

Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017, arXiv:1611.07004. Attributes
carry the names of CompVis/taming-transformers.
"""

from __future__ import annotations

import torch
from torch import nn

from .batch_norm import BatchNorm, without_counters
from .state_dict import StateDict, count, load, shape

_PREFIX = "loss.discriminator."
"""In a checkpoint of the whole training."""


class NLayerDiscriminator(nn.Module):
    """Judges patches that overlap, each by itself.

    Args:
        channels: Of the picture.
        width: Filters of the first layer; they double up to eight times as many.
        layers: Halvings.
        actnorm: Normalised by what the first batch of training was like, rather than by means of all batches.
    """

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 3, actnorm: bool = False) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        given = width
        for layer in range(1, layers + 1):
            made = width * min(2**layer, 8)
            conv = nn.Conv2d(given, made, 4, stride=2 if layer < layers else 1, padding=1, bias=actnorm)
            parts += [conv, ActNorm(made) if actnorm else BatchNorm(made), nn.LeakyReLU(0.2, inplace=True)]
            given = made
        self.main = nn.Sequential(*parts, nn.Conv2d(given, 1, 4, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W, RGB in [-1, 1], to N×1×h×w: above 0 what looks like a photograph."""
        return self.main(x)


class ActNorm(nn.Module):
    """Shifts and then scales each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same."""
        return self.scale * (x + self.loc)


def build(state: StateDict) -> NLayerDiscriminator:
    """From the original's keys, such as `main.3.running_var` or `main.3.loc`."""
    state = {key.removeprefix(_PREFIX): tensor for key, tensor in without_counters(state).items()}
    state = {key: tensor for key, tensor in state.items() if not key.endswith(".initialized")}
    width, channels = shape(state, "main.0.weight")[:2]
    layers = (count(state, r"main\.(\d+)\.weight") - 3) // 3
    with torch.device("meta"):
        network = NLayerDiscriminator(channels, width, max(1, layers), "main.3.loc" in state)
    return load(network, state)
