"""EfficientNet-Lite: what is to be seen on a picture, by little computing.

Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019, arXiv:1905.11946, in
Google's variant for small devices: ReLU6 in place of swish, and no squeeze-and-excitation. Attributes carry the key
names of the port to PyTorch.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from .batch_norm import BatchNorm, folded, without_counters
from .features import FeatureNetwork
from .state_dict import StateDict, count, load, shape

Layers: TypeAlias = Generator[tuple[str, torch.Tensor], None, torch.Tensor]
"""Each layer's name and what it gives; returns the last."""

_MEAN, _DEVIATION = 127 / 255, 128 / 255
"""Of all channels, as Google's program has them; the port's page names those of other networks."""
_EPSILON = 1e-3
_HALVING = (1, 2, 3, 5)
"""Stages that halve the size. The first block of a stage is the one that changes the number of channels."""


class Widths(NamedTuple):
    """Channels of a block, and the side of its depthwise convolution."""

    expanded: int
    out: int
    side: int


LITE0 = (
    Widths(32, 16, 3),
    *(Widths(96, 24, 3), Widths(144, 24, 3)),
    *(Widths(144, 40, 5), Widths(240, 40, 5)),
    *(Widths(240, 80, 3), Widths(480, 80, 3), Widths(480, 80, 3)),
    *(Widths(480, 112, 5), Widths(672, 112, 5), Widths(672, 112, 5)),
    *(Widths(672, 192, 5), Widths(1152, 192, 5), Widths(1152, 192, 5), Widths(1152, 192, 5)),
    Widths(1152, 320, 3),
)


class EfficientNetLite(FeatureNetwork):
    """Names what it sees, in ImageNet's labels.

    Its layers are `stem`, `blocks.0` … `blocks.15`, `head`, `pool` and `fc`; within a block `blocks.5.expand`,
    `blocks.5.depthwise` and `blocks.5.project`. Those of `stem`, `head`, `expand` and `depthwise` lie between 0 and 6;
    what they are before they are cut off, which has slopes everywhere, is `stem.bn`, `blocks.5.expand.bn` and so on.

    Args:
        stem: Channels of the first convolution.
        blocks: Of each block, its widths.
        head: Channels of the last convolution.
        labels: How many.
    """

    def __init__(self, stem: int = 32, blocks: Sequence[Widths] = LITE0, head: int = 1280, labels: int = 1000) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, stem, 3, stride=2)
        self._bn0 = BatchNorm(stem, _EPSILON)
        self._blocks = nn.ModuleList()
        channels, stage = stem, -1
        for number, widths in enumerate(blocks):
            first = number == 0 or widths.out != channels
            stage += first
            self._blocks.append(InvertedResidual(channels, widths, 2 if first and stage in _HALVING else 1))
            channels = widths.out
        self._conv_head = nn.Conv2d(channels, head, 1, bias=False)
        self._bn1 = BatchNorm(head, _EPSILON)
        self._fc = nn.Linear(head, labels)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Tell what it is.

        Args:
            picture: N×3×H×W, RGB, where -127/128 is black and 1 is white; trained on 224×224.

        Returns:
            N×labels logits.
        """
        return self.features(picture * _DEVIATION + _MEAN, ("fc",))["fc"].flatten(1)

    def walk(self, picture: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """As in `FeatureNetwork`."""
        x = (picture - _MEAN) / _DEVIATION
        x = x.contiguous(memory_format=torch.channels_last)
        x = yield from _cut_off(self._bn0(self._conv_stem(x)), wanted, "stem")
        for number, block in enumerate(self._blocks):
            assert isinstance(block, InvertedResidual)
            x = yield from block.walk(x, wanted, f"blocks.{number}")
        x = yield from _cut_off(self._bn1(self._conv_head(x)), wanted, "head")
        x = x.mean((2, 3))
        yield "pool", x[:, :, None, None]
        yield "fc", self._fc(x)[:, :, None, None]


class InvertedResidual(nn.Module):
    """Expand the channels, filter each by itself, project back; a way around if the size stays."""

    def __init__(self, channels: int, widths: Widths, stride: int) -> None:
        super().__init__()
        expanded, out, side = widths
        self.expands = expanded != channels
        if self.expands:
            self._expand_conv = nn.Conv2d(channels, expanded, 1, bias=False)
            self._bn0 = BatchNorm(expanded, _EPSILON)
        self._depthwise_conv = SameConv2d(expanded, expanded, side, stride, groups=expanded)
        self._bn1 = BatchNorm(expanded, _EPSILON)
        self._project_conv = nn.Conv2d(expanded, out, 1, bias=False)
        self._bn2 = BatchNorm(out, _EPSILON)
        self.adds = stride == 1 and channels == out

    def walk(self, x: torch.Tensor, wanted: Collection[str], name: str) -> Layers:
        """The layers of the block that is called `name`; returns N×out×h×w."""
        y = x
        if self.expands:
            y = yield from _cut_off(self._bn0(self._expand_conv(y)), wanted, f"{name}.expand")
        y = yield from _cut_off(self._bn1(self._depthwise_conv(y)), wanted, f"{name}.depthwise")
        y = self._bn2(self._project_conv(y))
        yield f"{name}.project", y
        if self.adds:
            y = y + x if f"{name}.project" in wanted else y.add_(x)
        yield name, y
        return y


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding "SAME": where it cannot be even, there is more below and to the right."""

    def __init__(self, channels: int, filters: int, side: int, stride: int = 1, groups: int = 1) -> None:
        padding = side // 2 if stride == 1 else 0
        super().__init__(channels, filters, side, stride, padding, groups=groups, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H'×W', where H' is H divided by the stride, rounded up."""
        if self.stride[0] == 1:
            return super().forward(input)
        height, width = (self._missing(side) for side in input.shape[-2:])
        around = (width // 2, width - width // 2, height // 2, height - height // 2)
        return super().forward(F.pad(input, around))

    def _missing(self, side: int) -> int:
        """How many pixels must be added along a side."""
        stride = self.stride[0]
        return max(0, (-(-side // stride) - 1) * stride + self.kernel_size[0] - side)


def _cut_off(x: torch.Tensor, wanted: Collection[str], name: str) -> Layers:
    """ReLU6, and what was before it."""
    yield f"{name}.bn", x
    x = F.relu6(x, inplace=f"{name}.bn" not in wanted)
    yield name, x
    return x


def build(state: StateDict) -> EfficientNetLite:
    """From the port's keys, such as `_blocks.0._depthwise_conv.weight`."""
    blocks = []
    for number in range(count(state, r"_blocks\.(\d+)\.")):
        expanded, _, side, _ = shape(state, f"_blocks.{number}._depthwise_conv.weight")
        blocks.append(Widths(expanded, shape(state, f"_blocks.{number}._project_conv.weight")[0], side))
    labels, head = shape(state, "_fc.weight", dimensions=2)
    with torch.device("meta"):
        network = EfficientNetLite(shape(state, "_conv_stem.weight")[0], blocks, head, labels)
    return folded(load(network, without_counters(state), layout=torch.channels_last))
