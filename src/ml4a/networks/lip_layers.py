"""What Wav2Lip and SyncNet are made of: normalised convolutions, and the encoder that listens to a moment of speech."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import nn

from ml4a._core.errors import BadWeights

from .batch_norm import BatchNorm
from .state_dict import StateDict, count, shape

Sides: TypeAlias = int | tuple[int, int]

BANDS, STEPS = 80, 16
"""Of the mel spectrogram that goes with a picture: 0.2 seconds at 80 steps a second."""

_AUDIO_STRIDES: tuple[Sides, ...] = (1, (3, 1), 3, (3, 2))
"""By which 80 bands and 16 steps become 3 and 3."""


class Conv(nn.Module):
    """A convolution, normalised and rectified; if `residual`, what goes in is added before it is rectified.

    The keys are the original's: `conv_block.0` is the convolution, `conv_block.1` its normalisation.
    """

    def __init__(
        self, channels: int, filters: int, side: int = 3, stride: Sides = 1, padding: int = 1, residual: bool = False
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(nn.Conv2d(channels, filters, side, stride, padding), BatchNorm(filters))
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×h×w."""
        result = self.conv_block(x)
        if self.residual:
            result += x
        return result.relu_()


class Transposed(nn.Module):
    """A transposed convolution, normalised and rectified: it doubles the sides, or makes 3×3 of 1×1."""

    def __init__(self, channels: int, filters: int, *, doubling: bool = True) -> None:
        super().__init__()
        stride, padding = (2, 1) if doubling else (1, 0)
        larger = nn.ConvTranspose2d(channels, filters, 3, stride, padding, output_padding=padding)
        self.conv_block = nn.Sequential(larger, BatchNorm(filters))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×2H×2W, or of 1×1 to N×F×3×3."""
        return self.conv_block(x).relu_()


def residuals(width: int, number: int) -> list[Conv]:
    """So many convolutions that change nothing in size."""
    return [Conv(width, width, residual=True) for _ in range(number)]


def audio_encoder(widths: Sequence[int], repeats: Sequence[int]) -> nn.Sequential:
    """From N×1×80×16, a mel spectrogram, to N×F×1×1.

    Args:
        widths: Channels of the four stages and of what is made of them.
        repeats: Residual convolutions in each of the four stages.
    """
    layers: list[nn.Module] = []
    for (given, width), stride, number in zip(
        itertools.pairwise((1, *widths[:-1])), _AUDIO_STRIDES, repeats, strict=True
    ):
        layers += [Conv(given, width, stride=stride), *residuals(width, number)]
    return nn.Sequential(*layers, Conv(widths[-2], widths[-1], padding=0), Conv(widths[-1], widths[-1], 1, padding=0))


def audio_sizes(state: StateDict) -> tuple[list[int], list[int]]:
    """`widths` and `repeats` of the `audio_encoder` that these weights have.

    Raises:
        BadWeights: it has not four stages.
    """
    return stages(state, "audio_encoder", len(_AUDIO_STRIDES), behind=2)


def stages(state: StateDict, name: str, number: int, behind: int) -> tuple[list[int], list[int]]:
    """The widths of the stages in a row of convolutions and of what follows, and how often each stage's is repeated.

    A stage begins where the number of channels changes; what keeps it is residual.

    Args:
        state: The weights.
        name: Of the row.
        number: How many stages are due.
        behind: How many convolutions follow the last stage; the width of the first of them is the last one given.

    Raises:
        BadWeights: there are more stages, or fewer.
    """
    layers = count(state, rf"{name}\.(\d+)\.")
    shapes = [shape(state, f"{name}.{layer}.conv_block.0.weight") for layer in range(layers)]
    widths: list[int] = []
    repeats: list[int] = []
    for filters, channels, *_ in shapes[: max(0, layers - behind)]:
        if filters != channels or not widths:
            widths.append(filters)
            repeats.append(0)
        else:
            repeats[-1] += 1
    if len(widths) != number:
        raise BadWeights(f"{name!r} of these weights has {len(widths)} stages, where {number} are due")
    return [*widths, shapes[-behind][0]], repeats
