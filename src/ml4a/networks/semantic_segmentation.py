"""Scene parsing: a dilated ResNet that looks closely, and a pyramid of averages that looks at the whole.

Zhao et al., Pyramid Scene Parsing Network, CVPR 2017; Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017.
Attributes carry the original's key names; its two files are one state dict here, `encoder.` and `decoder.`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights
from ml4a.ops.bilinear import columns

from .batch_norm import BatchNorm, folded, without_counters
from .state_dict import StateDict, count, load, shape

_POOLED = (1, 2, 3, 6)
"""Sides of the pyramid's averages, which the weights do not tell."""
_DILATIONS = (1, 1, 2, 4)
"""Of the encoder's stages. The last two would halve the size; they look twice as far instead."""
_UNUSED = re.compile(r"\._tmp_running_(mean|var)$|\._running_iter$")
"""What the original's batch normalisation, which goes over several GPUs, keeps for itself."""


class SceneParser(nn.Module):
    """Says how likely each label is in each pixel.

    Args:
        stem: Filters of the first three convolutions.
        widths: Filters of the encoder's four stages, inside their blocks.
        blocks: In each of these stages.
        bottleneck: Whether blocks are of three convolutions, as in ResNet-50, or of two, as in ResNet-18.
        pyramid: Filters of each level of the pyramid.
        decoded: Filters of the decoder.
        labels: How many.
        supervised: Channels of the encoder's third stage, and filters of the decoder that only training uses; empty
            if there is none.
    """

    scale = 1
    in_multiple = 1
    overlap = None
    """The pyramid averages the whole picture."""
    tile_multiple = 8

    def __init__(
        self,
        stem: Sequence[int] = (64, 64, 128),
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (3, 4, 6, 3),
        bottleneck: bool = True,
        pyramid: Sequence[int] = (512, 512, 512, 512),
        decoded: int = 512,
        labels: int = 150,
        supervised: Sequence[int] = (1024, 512),
    ) -> None:
        super().__init__()
        self.labels = labels
        self.encoder = DilatedResNet(stem, widths, blocks, bottleneck)
        self.decoder = PyramidPooling(self.encoder.channels, pyramid, decoded, labels, supervised)
        # Largest are the stem at half the size and what enters and leaves the last stage's blocks at an eighth.
        self.bytes_per_pixel = 4 * max(sum(stem) / 4, 5 * self.encoder.channels / 64)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """The probability of each label in each pixel.

        Args:
            picture: N×3×H×W, RGB, normalised by ImageNet's mean and deviation; of any size.

        Returns:
            N×labels×H×W; they sum to one in each pixel.
        """
        return F.interpolate(self.logits(picture), picture.shape[-2:], mode="bilinear").softmax(1)

    def logits(self, picture: torch.Tensor) -> torch.Tensor:
        """At an eighth of the size, rounded up: resized, and then through softmax, they are the probabilities."""
        return self.decoder(self.encoder(picture))


class DilatedResNet(nn.Module):
    """A ResNet with three convolutions in its stem, whose last two stages see further instead of getting smaller.

    Args:
        stem: As of `SceneParser`, as are the others.
        widths: Of the stages.
        blocks: In each.
        bottleneck: What kind they are.
    """

    def __init__(
        self,
        stem: Sequence[int] = (64, 64, 128),
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (3, 4, 6, 3),
        bottleneck: bool = True,
    ) -> None:
        super().__init__()
        for number, (channels, filters) in enumerate(itertools.pairwise((3, *stem)), start=1):
            self.add_module(f"conv{number}", _conv(channels, filters, stride=2 if number == 1 else 1))
            self.add_module(f"bn{number}", BatchNorm(filters))
        kind = Bottleneck if bottleneck else BasicBlock
        channels, narrower = stem[-1], 1
        for level, (width, number, dilation) in enumerate(zip(widths, blocks, _DILATIONS, strict=True), start=1):
            made = width * kind.growth
            first = kind(channels, width, 2 if level == 2 else 1, (narrower, dilation), level > 1 or channels != made)
            others = (kind(made, width, 1, (dilation, dilation), False) for _ in range(number - 1))
            self.add_module(f"layer{level}", nn.Sequential(first, *others))
            channels, narrower = made, dilation
        self.channels = channels

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """N×3×H×W to N×C×(H/8)×(W/8), rounded up."""
        x = picture
        for number in (1, 2, 3):
            x = F.relu_(self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        for level in (1, 2, 3, 4):
            x = self.get_submodule(f"layer{level}")(x)
        return x


class Bottleneck(nn.Module):
    """A convolution between two that make fewer channels and more again, and a way around them."""

    growth = 4

    def __init__(self, channels: int, width: int, stride: int, dilations: tuple[int, int], projected: bool) -> None:
        super().__init__()
        self.conv1 = _conv(channels, width, 1)
        self.bn1 = BatchNorm(width)
        self.conv2 = _conv(width, width, stride=stride, dilation=dilations[0])
        self.bn2 = BatchNorm(width)
        self.conv3 = _conv(width, self.growth * width, 1)
        self.bn3 = BatchNorm(self.growth * width)
        self.downsample = _projection(channels, self.growth * width, stride) if projected else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×4F×(H/stride)×(W/stride)."""
        change = F.relu_(self.bn1(self.conv1(x)))
        change = F.relu_(self.bn2(self.conv2(change)))
        return F.relu_(self.bn3(self.conv3(change)).add_(self.downsample(x)))


class BasicBlock(nn.Module):
    """Two convolutions and a way around them. Of the first block of a stage, only the second looks further."""

    growth = 1

    def __init__(self, channels: int, width: int, stride: int, dilations: tuple[int, int], projected: bool) -> None:
        super().__init__()
        self.conv1 = _conv(channels, width, stride=stride, dilation=dilations[0])
        self.bn1 = BatchNorm(width)
        self.conv2 = _conv(width, width, dilation=dilations[1])
        self.bn2 = BatchNorm(width)
        self.downsample = _projection(channels, width, stride) if projected else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×(H/stride)×(W/stride)."""
        change = self.bn2(self.conv2(F.relu_(self.bn1(self.conv1(x)))))
        return F.relu_(change.add_(self.downsample(x)))


class PyramidPooling(nn.Module):
    """Decides by each place together with averages of its surroundings, up to the whole picture.

    Args:
        channels: Of what the encoder makes.
        pyramid: As of `SceneParser`, as are the others.
        decoded: Filters.
        labels: How many.
        supervised: Of the decoder for training: `cbr_deepsup`, `conv_last_deepsup`. It is filled and not run.
    """

    def __init__(
        self,
        channels: int = 2048,
        pyramid: Sequence[int] = (512, 512, 512, 512),
        decoded: int = 512,
        labels: int = 150,
        supervised: Sequence[int] = (1024, 512),
    ) -> None:
        super().__init__()
        self.pyramid = list(pyramid)
        self.ppm = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), _conv(channels, filters, 1), BatchNorm(filters), nn.ReLU())
            for side, filters in zip(_POOLED, pyramid, strict=False)
        )
        self.conv_last = nn.Sequential(
            _conv(channels + sum(pyramid), decoded),
            BatchNorm(decoded),
            nn.ReLU(),
            nn.Identity(),  # dropout in training
            nn.Conv2d(decoded, labels, 1),
        )
        if supervised:
            given, made = supervised
            self.cbr_deepsup = nn.Sequential(_conv(given, made), BatchNorm(made), nn.ReLU())
            self.conv_last_deepsup = nn.Conv2d(made, labels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits: N×C×H×W to N×labels×H×W."""
        averages = [level(x) for level in self.ppm]
        decoded = self.close(x)
        decoded += _enlarged_and_convolved(averages, list(self.averaged), x.shape[-2:])
        return self.conv_last[4](F.relu_(decoded))

    def split(self) -> None:
        """Take apart the first convolution, which is meant for `x` and the enlarged averages, one after the other.

        So what it makes of the averages can be computed before they are enlarged, where they have 50 places
        altogether: half of the decoder's work.
        """
        mix = cast("nn.Conv2d", self.conv_last[0])
        channels = mix.in_channels - sum(self.pyramid)
        kernel, *averaged = mix.weight.split([channels, *self.pyramid], dim=1)
        self.close = nn.Conv2d(channels, mix.out_channels, 3, padding=1, device="meta")
        self.close.weight = nn.Parameter(kernel.contiguous(memory_format=torch.channels_last), False)
        self.close.bias = mix.bias
        self.conv_last[0] = nn.Identity()
        self.averaged = nn.ParameterList(nn.Parameter(each.clone(), False) for each in averaged)


def build(state: StateDict) -> SceneParser:
    """From both files' keys, such as `encoder.layer1.0.conv1.weight` and `decoder.ppm.0.1.weight`."""
    sizes = _encoder_sizes(state, "encoder.") | _decoder_sizes(state, "decoder.")
    with torch.device("meta"):
        network = SceneParser(**sizes)
    return _filled(network, state)


def build_encoder(state: StateDict) -> DilatedResNet:
    """From the encoder's own file."""
    with torch.device("meta"):
        network = DilatedResNet(**_encoder_sizes(state, ""))
    return _filled(network, state)


def build_decoder(state: StateDict) -> PyramidPooling:
    """From the decoder's own file."""
    with torch.device("meta"):
        network = PyramidPooling(shape(state, "ppm.0.1.weight")[1], **_decoder_sizes(state, ""))
    return _filled(network, state)


def _filled(network: Any, state: StateDict) -> Any:
    kept = {key: tensor for key, tensor in without_counters(state).items() if not _UNUSED.search(key)}
    network = folded(load(network, kept, layout=torch.channels_last))
    for part in network.modules():
        if isinstance(part, PyramidPooling):
            part.split()
    return network


def _encoder_sizes(state: StateDict, prefix: str) -> dict[str, Any]:
    stages = [f"{prefix}layer{level}" for level in (1, 2, 3, 4)]
    return {
        "stem": [shape(state, f"{prefix}conv{number}.weight")[0] for number in (1, 2, 3)],
        "widths": [shape(state, f"{stage}.0.conv1.weight")[0] for stage in stages],
        "blocks": [count(state, rf"{re.escape(stage)}\.(\d+)\.") for stage in stages],
        "bottleneck": any(key.startswith(f"{prefix}layer") and ".conv3." in key for key in state),
    }


def _decoder_sizes(state: StateDict, prefix: str) -> dict[str, Any]:
    levels = count(state, rf"{re.escape(prefix)}ppm\.(\d+)\.")
    if levels > len(_POOLED):
        raise BadWeights(f"these weights have a pyramid of {levels} levels, where at most {len(_POOLED)} are known")
    decoded, labels = shape(state, f"{prefix}conv_last.0.weight")[0], shape(state, f"{prefix}conv_last.4.weight")[0]
    supervised = any(key.startswith((f"{prefix}cbr_deepsup.", f"{prefix}conv_last_deepsup.")) for key in state)
    return {
        "pyramid": [shape(state, f"{prefix}ppm.{level}.1.weight")[0] for level in range(levels)],
        "decoded": decoded,
        "labels": labels,
        "supervised": list(shape(state, f"{prefix}cbr_deepsup.0.weight")[1::-1]) if supervised else [],
    }


def _enlarged_and_convolved(
    maps: Sequence[torch.Tensor], kernels: Sequence[torch.Tensor], size: Sequence[int]
) -> torch.Tensor:
    """The sum of 3×3 convolutions over small maps that were enlarged to one size.

    Each tap of a kernel is applied to the small map. Enlarging and shifting by the tap's place are one matrix along
    each axis, and the sum over taps and maps is what multiplying by it does.

    Args:
        maps: N×C×s×s each.
        kernels: F×C×3×3 each.
        size: (height, width).

    Returns:
        N×F×H×W.
    """
    height, width = size
    down, across = [], []
    for small, kernel in zip(maps, kernels, strict=True):
        number, channels, side, _ = small.shape
        taps = kernel.permute(2, 3, 0, 1).reshape(-1, channels)
        responses = (small.permute(0, 2, 3, 1) @ taps.T).view(number, side, side, 3, 3, len(kernel))
        grid = responses.permute(0, 3, 1, 4, 2, 5).reshape(number, 3 * side, 3 * side, len(kernel))
        across.append(_shifted(side, width, grid) @ grid)
        down.append(_shifted(side, height, grid))
    rows = torch.cat(across, dim=1).flatten(2)
    return (torch.cat(down, dim=1) @ rows).view(len(rows), height, width, -1).permute(0, 3, 1, 2)


def _shifted(side: int, size: int, like: torch.Tensor) -> torch.Tensor:
    """Enlarging along an axis, shifted by one to either side with zeros coming in: size×(3·side)."""
    enlarging = F.pad(columns(side, size, like.device), (0, 0, 1, 1))
    return torch.cat([enlarging[start : start + size] for start in range(3)], dim=1)


def _projection(channels: int, filters: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_conv(channels, filters, 1, stride=stride), BatchNorm(filters))


def _conv(channels: int, filters: int, side: int = 3, *, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (side // 2)
    return nn.Conv2d(channels, filters, side, stride, padding=padding, dilation=dilation, bias=False)
