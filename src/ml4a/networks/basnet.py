"""BASNet: what a picture is about, as a soft mask.

Qin et al., BASNet: Boundary-Aware Salient Object Detection, CVPR 2019. Attributes carry the original's key names.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from .batch_norm import BatchNorm, folded, without_counters
from .state_dict import StateDict, count, load, shape


class BASNet(nn.Module):
    """Predicts a mask by an encoder and a decoder, and then what is wrong with it by a second, smaller pair.

    In training each stage of the decoder draws a mask (`outconv6` … `outconv2`, `outconvb`); here the last one counts.

    Args:
        width: Channels of the first stage; each of the next three has twice as many.
        stages: Residual blocks in each of these stages.
        refined: Channels of the second pair.
    """

    scale = 1
    in_multiple = 32
    """Five halvings, each of which is undone exactly."""
    overlap = None
    """What stands out does so in the whole picture."""
    tile_multiple = 32

    def __init__(self, width: int = 64, stages: Sequence[int] = (3, 4, 6, 3), refined: int = 64) -> None:
        super().__init__()
        w1, w2, w3, w4 = (width * 2**level for level in range(4))
        self.inconv = _conv(3, w1)
        self.inbn = BatchNorm(w1)
        self.encoder1 = _stage(w1, w1, stages[0])
        self.encoder2 = _stage(w1, w2, stages[1])
        self.encoder3 = _stage(w2, w3, stages[2])
        self.encoder4 = _stage(w3, w4, stages[3])
        for level in (5, 6):
            for number in (1, 2, 3):
                self.add_module(f"resb{level}_{number}", BasicBlock(w4, w4))
        self._add_three("bg", w4, w4, w4, dilations=(2, 2, 2))
        self._add_three("6d", 2 * w4, w4, w4, dilations=(1, 2, 2))
        self._add_three("5d", 2 * w4, w4, w4)
        self._add_three("4d", 2 * w4, w4, w3)
        self._add_three("3d", 2 * w3, w3, w2)
        self._add_three("2d", 2 * w2, w2, w1)
        self._add_three("1d", 2 * w1, w1, w1)
        for name, channels in zip("b654321", (w4, w4, w4, w3, w2, w1, w1), strict=True):
            self.add_module(f"outconv{name}", _conv(channels, 1))
        self.refunet = Refinement(refined)
        self.bytes_per_pixel = 4 * (10 * width + 2 * refined)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Find what stands out.

        Args:
            picture: N×3×H×W, RGB, normalised by ImageNet's mean and deviation; H and W multiples of 32.

        Returns:
            N×1×H×W in [0, 1].
        """
        rough = self.rough(picture)
        return (rough + self.refunet(rough)).sigmoid_()

    def rough(self, picture: torch.Tensor) -> torch.Tensor:
        """The mask before it is refined: logits, N×1×H×W."""
        x = F.relu_(self.inbn(self.inconv(picture)))
        seen = []
        for level in (1, 2, 3, 4):
            x = self.get_submodule(f"encoder{level}")(x)
            seen.append(x)
        for level in (5, 6):
            x = _halved(x)
            for number in (1, 2, 3):
                x = self.get_submodule(f"resb{level}_{number}")(x)
            seen.append(x)
        x = self._three("bg", x)
        for level in (6, 5, 4, 3, 2, 1):
            x = x if level == 6 else _doubled(x)
            x = self._three(f"{level}d", torch.cat((x, seen.pop()), dim=1))
        return self.get_submodule("outconv1")(x)

    def _add_three(
        self, name: str, given: int, between: int, made: int, dilations: tuple[int, int, int] = (1, 1, 1)
    ) -> None:
        sizes = ((given, between), (between, between), (between, made))
        for part, (channels, filters), dilation in zip("1m2", sizes, dilations, strict=True):
            self.add_module(f"conv{name}_{part}", _conv(channels, filters, dilation=dilation))
            self.add_module(f"bn{name}_{part}", BatchNorm(filters))

    def _three(self, name: str, x: torch.Tensor) -> torch.Tensor:
        for part in "1m2":
            x = self.get_submodule(f"conv{name}_{part}")(x)
            x = F.relu_(self.get_submodule(f"bn{name}_{part}")(x))
        return x


class BasicBlock(nn.Module):
    """Two convolutions and a way around them, as in ResNet-34."""

    def __init__(self, channels: int, filters: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv(channels, filters, stride=stride, bias=False)
        self.bn1 = BatchNorm(filters)
        self.conv2 = _conv(filters, filters, bias=False)
        self.bn2 = BatchNorm(filters)
        self.downsample = nn.Sequential()
        if stride > 1 or channels != filters:
            self.downsample.append(nn.Conv2d(channels, filters, 1, stride, bias=False)).append(BatchNorm(filters))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×(H/stride)×(W/stride)."""
        change = self.bn2(self.conv2(F.relu_(self.bn1(self.conv1(x)))))
        return F.relu_(change.add_(self.downsample(x)))


class Refinement(nn.Module):
    """What to add to a mask's logits: an encoder and a decoder of one convolution a level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = _conv(1, channels)
        for level in (1, 2, 3, 4, 5):
            self.add_module(f"conv{level}", _conv(channels, channels))
            self.add_module(f"bn{level}", BatchNorm(channels))
        for level in (4, 3, 2, 1):
            self.add_module(f"conv_d{level}", _conv(2 * channels, channels))
            self.add_module(f"bn_d{level}", BatchNorm(channels))
        self.conv_d0 = _conv(channels, 1)

    def forward(self, mask: torch.Tensor) -> torch.Tensor:
        """N×1×H×W to the same."""
        x = self.conv0(mask)
        seen = []
        for level in (1, 2, 3, 4, 5):
            x = x if level == 1 else _halved(x)
            x = self._layer(str(level), x)
            seen.append(x)
        seen.pop()
        for level in (4, 3, 2, 1):
            x = self._layer(f"_d{level}", torch.cat((_doubled(x), seen.pop()), dim=1))
        return self.conv_d0(x)

    def _layer(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.relu_(self.get_submodule(f"bn{name}")(self.get_submodule(f"conv{name}")(x)))


def build(state: StateDict) -> BASNet:
    """From the original's keys, such as `encoder1.0.conv1.weight`."""
    width = shape(state, "inconv.weight")[0]
    stages = [count(state, rf"encoder{level}\.(\d+)\.") for level in (1, 2, 3, 4)]
    with torch.device("meta"):
        network = BASNet(width, stages, shape(state, "refunet.conv0.weight")[0])
    return folded(load(network, without_counters(state), layout=torch.channels_last))


def _conv(channels: int, filters: int, *, stride: int = 1, dilation: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, stride, padding=dilation, dilation=dilation, bias=bias)


def _stage(channels: int, filters: int, blocks: int) -> nn.Sequential:
    stride = 1 if channels == filters else 2
    first = BasicBlock(channels, filters, stride)
    return nn.Sequential(first, *(BasicBlock(filters, filters) for _ in range(blocks - 1)))


def _halved(x: torch.Tensor) -> torch.Tensor:
    return F.max_pool2d(x, 2, ceil_mode=True)


def _doubled(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear")
