"""BiSeNet: which part of a face each pixel is.

Yu et al., BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation, ECCV 2018, in zllrunning's
variant without a spatial path. Attributes carry its key names.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from .basnet import BasicBlock
from .batch_norm import BatchNorm, folded, without_counters
from .state_dict import StateDict, count, load, shape

_LEVELS = (1, 2, 3, 4)


class BiSeNet(nn.Module):
    """Fine features of a ResNet, and coarse ones weighed by what the whole picture is about, joined to one decision.

    In training, heads decide by coarser features too (`conv_out16`, `conv_out32`); they are filled and not run.

    Args:
        widths: Channels of the trunk's stages.
        blocks: Residual blocks in each of them.
        context: Channels of what is gathered from the coarse stages.
        fused: Channels of fine and coarse features together.
        squeezed: Channels in which their weights are decided.
        heads: Channels within the three heads.
        labels: How many.
    """

    scale = 1
    in_multiple = 1
    overlap = None
    """It averages the whole picture."""
    tile_multiple = 8

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),
        context: int = 128,
        fused: int = 256,
        squeezed: int = 64,
        heads: Sequence[int] = (256, 64, 64),
        labels: int = 19,
    ) -> None:
        super().__init__()
        self.labels = labels
        self.cp = ContextPath(widths, blocks, context)
        self.ffm = FeatureFusion(widths[1] + context, fused, squeezed)
        self.conv_out = Head(fused, heads[0], labels)
        self.conv_out16 = Head(context, heads[1], labels)
        self.conv_out32 = Head(context, heads[2], labels)
        self.bytes_per_pixel = 4 * (0.7 * widths[0] + labels)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Decide.

        Args:
            picture: N×3×H×W, RGB, normalised by ImageNet's mean and deviation; of any size, trained on faces in about
                512×512.

        Returns:
            N×labels×H×W logits.
        """
        logits = self.conv_out(self.ffm(*self.cp(picture)))
        return F.interpolate(logits, picture.shape[-2:], mode="bilinear", align_corners=True)


class ContextPath(nn.Module):
    """The trunk, and what its coarse stages say of the picture as a whole."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], context: int) -> None:
        super().__init__()
        self.resnet = ResNet(widths, blocks)
        self.arm16 = AttentionRefinement(widths[2], context)
        self.arm32 = AttentionRefinement(widths[3], context)
        self.conv_head32 = ConvBNReLU(context, context, 3)
        self.conv_head16 = ConvBNReLU(context, context, 3)
        self.conv_avg = ConvBNReLU(widths[3], context, 1)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """N×3×H×W to fine and coarse features, both at an eighth of the size."""
        fine, middle, coarse = self.resnet(picture)
        gathered = self.arm32(coarse).add_(self.conv_avg(_average(coarse)))
        gathered = self.conv_head32(F.interpolate(gathered, middle.shape[-2:]))
        gathered = gathered.add_(self.arm16(middle))
        return fine, self.conv_head16(F.interpolate(gathered, fine.shape[-2:]))


class ResNet(nn.Module):
    """The trunk: ResNet-18 without its classifier."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, padding=3, bias=False)
        self.bn1 = BatchNorm(widths[0])
        channels = widths[0]
        for level, width, number in zip(_LEVELS, widths, blocks, strict=True):
            first = BasicBlock(channels, width, 1 if level == 1 else 2)
            self.add_module(
                f"layer{level}", nn.Sequential(first, *(BasicBlock(width, width) for _ in range(number - 1)))
            )
            channels = width

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The last three stages: at an eighth, a 16th and a 32nd of the size."""
        x = F.max_pool2d(F.relu_(self.bn1(self.conv1(picture))), 3, 2, 1)
        seen = []
        for level in _LEVELS:
            x = self.get_submodule(f"layer{level}")(x)
            seen.append(x)
        return seen[1], seen[2], seen[3]


class ConvBNReLU(nn.Module):
    """A convolution, normalised, without what is below zero."""

    def __init__(self, channels: int, filters: int, side: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, side, padding=side // 2, bias=False)
        self.bn = BatchNorm(filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H×W."""
        return F.relu_(self.bn(self.conv(x)))


class AttentionRefinement(nn.Module):
    """Weighs channels by the picture's average."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(channels, filters, 3)
        self.conv_atten = nn.Conv2d(filters, filters, 1, bias=False)
        self.bn_atten = BatchNorm(filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H×W."""
        found = self.conv(x)
        return found.mul_(self.bn_atten(self.conv_atten(_average(found))).sigmoid_())


class FeatureFusion(nn.Module):
    """Joins fine and coarse features, and strengthens channels by the picture's average."""

    def __init__(self, channels: int, filters: int, squeezed: int) -> None:
        super().__init__()
        self.convblk = ConvBNReLU(channels, filters, 1)
        self.conv1 = nn.Conv2d(filters, squeezed, 1, bias=False)
        self.conv2 = nn.Conv2d(squeezed, filters, 1, bias=False)

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """N×C×H×W and N×D×H×W to N×F×H×W."""
        found = self.convblk(torch.cat((fine, coarse), dim=1))
        weights = self.conv2(F.relu_(self.conv1(_average(found)))).sigmoid_()
        return found.mul_(weights.add_(1))


class Head(nn.Module):
    """Logits from features."""

    def __init__(self, channels: int, filters: int, labels: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(channels, filters, 3)
        self.conv_out = nn.Conv2d(filters, labels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×labels×H×W."""
        return self.conv_out(self.conv(x))


def build(state: StateDict) -> BiSeNet:
    """From the author's keys, such as `cp.resnet.layer1.0.conv1.weight`."""
    stages = [f"cp.resnet.layer{level}" for level in _LEVELS]
    with torch.device("meta"):
        network = BiSeNet(
            widths=[shape(state, f"{stage}.0.conv1.weight")[0] for stage in stages],
            blocks=[count(state, stage.replace(".", r"\.") + r"\.(\d+)\.") for stage in stages],
            context=shape(state, "cp.conv_avg.conv.weight")[0],
            fused=shape(state, "ffm.convblk.conv.weight")[0],
            squeezed=shape(state, "ffm.conv1.weight")[0],
            heads=[shape(state, f"conv_out{size}.conv.conv.weight")[0] for size in ("", "16", "32")],
            labels=shape(state, "conv_out.conv_out.weight")[0],
        )
    return folded(load(network, without_counters(state), layout=torch.channels_last))


def _average(x: torch.Tensor) -> torch.Tensor:
    """N×C×H×W to N×C×1×1."""
    return x.mean((2, 3), keepdim=True)
