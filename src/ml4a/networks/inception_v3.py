"""Inception v3: what is to be seen on a picture, by convolutions of several sizes side by side.

Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, Rethinking the Inception Architecture for Computer Vision, CVPR 2016,
arXiv:1512.00567. Attributes and layers carry torchvision's names.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadValue

from .batch_norm import BatchNorm, folded, without_counters
from .features import FeatureNetwork
from .state_dict import StateDict, load, shape

Layers: TypeAlias = Generator[tuple[str, torch.Tensor], None, torch.Tensor]
"""Each layer's name and what it gives; returns the last."""

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_EPSILON = 1e-3


class Conv(NamedTuple):
    """A convolution of a branch. If it keeps the size it is padded; if it halves it, it is not."""

    name: str
    height: int
    width: int
    stride: int = 1
    forked: bool = False
    """Whether it works on the same as the one before it, not on its result; both results are the branch's."""


AVERAGE = "average"
"""The mean of 3×3."""
MAXIMUM = "maximum"
"""The maximum of 3×3, which halves the size."""

Branches: TypeAlias = tuple[tuple[Conv | str, ...], ...]
"""Each works on what the block is given; what they make of it, one behind the other, is the block's result."""

_POOLED = (AVERAGE, Conv("branch_pool", 1, 1))
_FINE: Branches = (
    (Conv("branch1x1", 1, 1),),
    (Conv("branch5x5_1", 1, 1), Conv("branch5x5_2", 5, 5)),
    (Conv("branch3x3dbl_1", 1, 1), Conv("branch3x3dbl_2", 3, 3), Conv("branch3x3dbl_3", 3, 3)),
    _POOLED,
)
_FINE_HALVED: Branches = (
    (Conv("branch3x3", 3, 3, 2),),
    (Conv("branch3x3dbl_1", 1, 1), Conv("branch3x3dbl_2", 3, 3), Conv("branch3x3dbl_3", 3, 3, 2)),
    (MAXIMUM,),
)
_MIDDLE: Branches = (
    (Conv("branch1x1", 1, 1),),
    (Conv("branch7x7_1", 1, 1), Conv("branch7x7_2", 1, 7), Conv("branch7x7_3", 7, 1)),
    (
        Conv("branch7x7dbl_1", 1, 1),
        *(Conv("branch7x7dbl_2", 7, 1), Conv("branch7x7dbl_3", 1, 7)),
        *(Conv("branch7x7dbl_4", 7, 1), Conv("branch7x7dbl_5", 1, 7)),
    ),
    _POOLED,
)
_MIDDLE_HALVED: Branches = (
    (Conv("branch3x3_1", 1, 1), Conv("branch3x3_2", 3, 3, 2)),
    (
        *(Conv("branch7x7x3_1", 1, 1), Conv("branch7x7x3_2", 1, 7), Conv("branch7x7x3_3", 7, 1)),
        Conv("branch7x7x3_4", 3, 3, 2),
    ),
    (MAXIMUM,),
)
_COARSE: Branches = (
    (Conv("branch1x1", 1, 1),),
    (Conv("branch3x3_1", 1, 1), Conv("branch3x3_2a", 1, 3), Conv("branch3x3_2b", 3, 1, forked=True)),
    (
        *(Conv("branch3x3dbl_1", 1, 1), Conv("branch3x3dbl_2", 3, 3)),
        *(Conv("branch3x3dbl_3a", 1, 3), Conv("branch3x3dbl_3b", 3, 1, forked=True)),
    ),
    _POOLED,
)

STEM = {
    "Conv2d_1a_3x3": (3, 2, 0),
    "Conv2d_2a_3x3": (3, 1, 0),
    "Conv2d_2b_3x3": (3, 1, 1),
    "Conv2d_3b_1x1": (1, 1, 0),
    "Conv2d_4a_3x3": (3, 1, 0),
}
"""Side, stride and padding of the convolutions before the blocks."""
POOLS = {"Conv2d_2b_3x3": "maxpool1", "Conv2d_4a_3x3": "maxpool2"}
"""After which of them the size is halved."""
BLOCKS = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _FINE),
    "Mixed_6a": _FINE_HALVED,
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _MIDDLE),
    "Mixed_7a": _MIDDLE_HALVED,
    **dict.fromkeys(("Mixed_7b", "Mixed_7c"), _COARSE),
}
_UNPADDED = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_4a_3x3", "Mixed_6a", "Mixed_7a")
"""What needs 3×3 to work on."""
_AUXILIARY = "Mixed_6e"
"""The block whose result the classifier of training works on."""


class InceptionV3(FeatureNetwork):
    """Names what it sees, in ImageNet's labels.

    Its layers are torchvision's modules, such as `Mixed_6b`, `Mixed_6b.branch1x1`, and before ReLU and before batch
    normalisation `Mixed_6b.branch1x1.bn` and `Mixed_6b.branch1x1.conv`. The last is `fc`.

    Args:
        stem: Channels of the convolutions before the blocks.
        blocks: By block, channels of its convolutions.
        labels: How many.
        auxiliary: Channels of the classifier of training, which is filled and not run; None if there is none.
    """

    shortest = 75

    def __init__(
        self,
        stem: Sequence[int],
        blocks: Mapping[str, Sequence[int]],
        labels: int = 1000,
        auxiliary: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        channels = 3
        for (name, (side, stride, padding)), width in zip(STEM.items(), stem, strict=True):
            self.add_module(name, BasicConv(channels, width, (side, side), stride, (padding, padding)))
            channels = width
        for name, branches in BLOCKS.items():
            block = Mixed(branches, channels, blocks[name])
            self.add_module(name, block)
            channels = block.channels
            if name == _AUXILIARY and auxiliary is not None:
                self.AuxLogits = Auxiliary(channels, *auxiliary, labels)
        self.fc = nn.Linear(channels, labels)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Tell what it is.

        Args:
            picture: N×3×H×W, RGB, normalised by ImageNet's mean and deviation; at least 75 px a side, trained on
                299×299.

        Returns:
            N×labels logits.
        """
        mean, deviation = (picture.new_tensor(values).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
        return self.features(picture * deviation + mean, ("fc",))["fc"].flatten(1)

    def walk(self, picture: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """As in `FeatureNetwork`; torchvision's two normalisations come down to [-1, 1].

        Raises:
            BadValue: the picture is too small for a layer that is computed.
        """
        x = (2 * picture - 1).contiguous(memory_format=torch.channels_last)
        for name in (*STEM, *BLOCKS):
            part = self.get_submodule(name)
            assert isinstance(part, BasicConv | Mixed)
            if name in _UNPADDED:
                self._check_size(x, name)
            x = yield from part.walk(x, wanted, name)
            if name in POOLS:
                self._check_size(x, POOLS[name])
                x = F.max_pool2d(x, 3, 2)
                yield POOLS[name], x
        x = x.mean((2, 3))
        yield "avgpool", x[:, :, None, None]
        yield "fc", self.fc(x)[:, :, None, None]

    def _check_size(self, x: torch.Tensor, name: str) -> None:
        if min(x.shape[-2:]) < 3:
            needed = f"only pictures of {self.shortest} px or more to each side reach the last layer"
            raise BadValue(f"the picture is too small for {name}: {needed}")


class BasicConv(nn.Module):
    """A convolution, normalised, without what is below zero."""

    def __init__(
        self, channels: int, filters: int, sides: tuple[int, int], stride: int = 1, padding: tuple[int, int] = (0, 0)
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, sides, stride, padding, bias=False)
        self.bn = BatchNorm(filters, _EPSILON)
        self.shift: torch.Tensor
        self.inverse: torch.Tensor

    def remember(self) -> None:
        """Keep what undoes the normalisation, which is about to be folded into the convolution."""
        scale, shift = self.bn.as_product()
        self.register_buffer("shift", shift, persistent=False)
        # What was multiplied by 0 nobody can tell.
        self.register_buffer("inverse", torch.where(scale == 0, 0, 1 / scale), persistent=False)

    def walk(self, x: torch.Tensor, wanted: Collection[str], name: str) -> Layers:
        """The layers of the convolution that is called `name`."""
        x = self.bn(self.conv(x))
        yield f"{name}.conv", self._before_norm(x) if f"{name}.conv" in wanted else x
        yield f"{name}.bn", x
        x = F.relu(x, inplace=f"{name}.bn" not in wanted)
        yield name, x
        return x

    def _before_norm(self, x: torch.Tensor) -> torch.Tensor:
        return (x - self.shift[:, None, None]) * self.inverse[:, None, None]


class Mixed(nn.Module):
    """Branches side by side.

    Args:
        branches: What they are made of.
        channels: Of what the block is given.
        widths: Of its convolutions, in the order of the branches.
    """

    def __init__(self, branches: Branches, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.branches = branches
        self.channels = 0
        """Of what it gives."""
        filters = iter(widths)
        for branch in branches:
            given = width = channels
            for conv in _convs(branch):
                if conv.forked:
                    self.channels += width
                else:
                    given = width
                width = next(filters)
                sides = (conv.height, conv.width)
                padding = (conv.height // 2, conv.width // 2) if conv.stride == 1 else (0, 0)
                self.add_module(conv.name, BasicConv(given, width, sides, conv.stride, padding))
            self.channels += width

    def walk(self, x: torch.Tensor, wanted: Collection[str], name: str) -> Layers:
        """The layers of the block that is called `name`."""
        ends: list[torch.Tensor] = []
        for branch in self.branches:
            given = y = x
            for step in branch:
                if isinstance(step, str):
                    y = F.avg_pool2d(y, 3, 1, padding=1) if step == AVERAGE else F.max_pool2d(y, 3, 2)
                    continue
                if step.forked:
                    ends.append(y)
                else:
                    given = y
                part = self.get_submodule(step.name)
                assert isinstance(part, BasicConv)
                y = yield from part.walk(given, wanted, f"{name}.{step.name}")
            ends.append(y)
        x = torch.cat(ends, dim=1)
        yield name, x
        return x


class Auxiliary(nn.Module):
    """The classifier by which training took a short cut."""

    def __init__(self, channels: int, reduced: int, width: int, labels: int) -> None:
        super().__init__()
        self.conv0 = BasicConv(channels, reduced, (1, 1))
        self.conv1 = BasicConv(reduced, width, (5, 5))
        self.fc = nn.Linear(width, labels)


def build(state: StateDict) -> InceptionV3:
    """From torchvision's keys, such as `Mixed_5b.branch1x1.conv.weight`."""

    def width(name: str) -> int:
        return shape(state, f"{name}.conv.weight")[0]

    auxiliary = any(key.startswith("AuxLogits.") for key in state)
    with torch.device("meta"):
        network = InceptionV3(
            stem=[width(name) for name in STEM],
            blocks={
                name: [width(f"{name}.{conv.name}") for branch in branches for conv in _convs(branch)]
                for name, branches in BLOCKS.items()
            },
            labels=shape(state, "fc.weight", dimensions=2)[0],
            auxiliary=(width("AuxLogits.conv0"), width("AuxLogits.conv1")) if auxiliary else None,
        )
    network = load(network, without_counters(state), layout=torch.channels_last)
    if auxiliary:
        del network.AuxLogits  # it is whole, and of no use
    for part in network.modules():
        if isinstance(part, BasicConv):
            part.remember()
    return folded(network)


def _convs(branch: tuple[Conv | str, ...]) -> list[Conv]:
    return [step for step in branch if isinstance(step, Conv)]
