"""InceptionV1, or GoogLeNet: edges, textures, patterns, parts of things and things; the network of DeepDream.

Szegedy et al., Going Deeper with Convolutions, CVPR 2015, arXiv:1409.4842, as TensorFlow's file "inception5h" has it.
The layers have that graph's names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadValue, BadWeights

from .features import FeatureNetwork
from .response_norm import response_norm
from .state_dict import StateDict, load, shape

Layers: TypeAlias = Generator[tuple[str, torch.Tensor], None, torch.Tensor]
"""Layers one after the other, as `walk` gives them; the last is returned."""

STEM = (64, 64, 192)
"""Channels of the convolutions before the blocks."""
BLOCKS = {
    "mixed3a": (64, 96, 128, 16, 32, 32),
    "mixed3b": (128, 128, 192, 32, 96, 64),
    "mixed4a": (192, 96, 204, 16, 48, 64),
    "mixed4b": (160, 112, 224, 24, 64, 64),
    "mixed4c": (128, 128, 256, 24, 64, 64),
    "mixed4d": (112, 144, 288, 32, 64, 64),
    "mixed4e": (256, 160, 320, 32, 128, 128),
    "mixed5a": (256, 160, 320, 48, 128, 128),
    "mixed5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of each block's convolutions, in the order of `BRANCHES`. The 204 is 208 in the paper."""
BRANCHES = (("1x1",), ("3x3_bottleneck", "3x3"), ("5x5_bottleneck", "5x5"), ("pool_reduce",))
"""The four ways through a block."""
POOLS = {"mixed4a": "maxpool4", "mixed5a": "maxpool10"}
"""What halves the size, by the block behind it."""
HEADS = {"mixed4a": 0, "mixed4d": 1}
"""The classifiers that only training used, by the block that they look at."""
CLASSES = 1008
MEAN = 117.0
"""Of all colours in training, where white is 255."""

_MATRICES = ("nn", "softmax")
"""Beginnings of layers that are matrices in the files: those look at a map's pixels in a row."""
_LAST_POOL, _HEAD_POOL, _HIDDEN = 7, 5, 4
"""Sides of what the last pool, the heads' pools and the heads' hidden layers look at."""
_TO_HEAD, _TO_HIDDEN, _TO_END = 65, 209, 193
"""The shortest sides of pictures that reach the pools and the hidden layers of the heads, and the last pool."""


class InceptionV1(FeatureNetwork):
    """Names what is in a picture, out of 1008 things, and on the way there sees what can be made visible.

    Args:
        stem: Channels of the three convolutions before the blocks.
        blocks: Channels of the convolutions of the nine blocks.
        classes: How many things it knows.
        heads: For each side classifier the channels of its first convolution, and of its hidden layer, if there is one.
    """

    def __init__(
        self,
        stem: Sequence[int] = STEM,
        blocks: Sequence[Sequence[int]] = tuple(BLOCKS.values()),
        classes: int = CLASSES,
        heads: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__()
        first, second, third = stem
        self._shortest = {"avgpool0": _TO_END, "softmax2": _TO_END}
        """By what a layer's name begins with; the layers that are not here see any picture."""
        self.convs = nn.ModuleDict()
        self.convs["conv2d0"] = nn.Conv2d(3, first, 7, stride=2)
        self.convs["conv2d1"] = nn.Conv2d(first, second, 1)
        self.convs["conv2d2"] = nn.Conv2d(second, third, 3, padding=1)
        channels = third
        for block, (one, before_three, three, before_five, five, pooled) in zip(BLOCKS, blocks, strict=True):
            self.convs[f"{block}_1x1"] = nn.Conv2d(channels, one, 1)
            self.convs[f"{block}_3x3_bottleneck"] = nn.Conv2d(channels, before_three, 1)
            self.convs[f"{block}_3x3"] = nn.Conv2d(before_three, three, 3, padding=1)
            self.convs[f"{block}_5x5_bottleneck"] = nn.Conv2d(channels, before_five, 1)
            self.convs[f"{block}_5x5"] = nn.Conv2d(before_five, five, 5, padding=2)
            self.convs[f"{block}_pool_reduce"] = nn.Conv2d(channels, pooled, 1)
            channels = one + three + five + pooled
            if block in HEADS and HEADS[block] < len(heads):
                self._add_head(HEADS[block], channels, classes, *heads[HEADS[block]])
        self.convs["softmax2"] = nn.Conv2d(channels, classes, 1)
        self.shortest = max(self._shortest.values())

    def _add_head(self, number: int, channels: int, classes: int, bottleneck: int, hidden: int = 0) -> None:
        self.convs[f"head{number}_bottleneck"] = nn.Conv2d(channels, bottleneck, 1)
        self._shortest[f"head{number}"] = _TO_HEAD
        if hidden:
            self.convs[f"nn{number}"] = nn.Conv2d(bottleneck, hidden, _HIDDEN)
            self.convs[f"softmax{number}"] = nn.Conv2d(hidden, classes, 1)
            self._shortest |= {f"nn{number}": _TO_HIDDEN, f"softmax{number}": _TO_HIDDEN}

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """How much the picture looks like each of the things.

        Args:
            picture: N×3×H×W, RGB from 0 to 255; H and W at least 193.

        Returns:
            N×1008 logits for sides of up to 224 px. A larger picture is looked at through several windows, which are
            rows of their own.
        """
        last = "softmax2_pre_activation"
        logits = next(x for name, x in self._walk(picture - MEAN, (last,)) if name == last)
        return logits.permute(0, 2, 3, 1).flatten(0, 2)

    def walk(self, picture: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """See `FeatureNetwork.walk`.

        Raises:
            BadValue: the picture is too small for a layer that is wanted.
        """
        return self._walk(picture * 255 - MEAN, wanted)

    def _walk(self, x: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        side = min(x.shape[-2:])
        for layer in wanted:
            needed = self._shortest.get(layer.partition("_")[0], 1)
            if side < needed:
                raise BadValue(f"{layer} sees pictures of at least {needed} px to each side; this one has {side} px")
        x = yield from self._conv("conv2d0", _before_halving(x), wanted)
        x = _halved(x)
        yield "maxpool0", x
        x = response_norm(x)
        yield "localresponsenorm0", x
        x = yield from self._conv("conv2d1", x, wanted)
        x = yield from self._conv("conv2d2", x, wanted)
        x = response_norm(x)
        yield "localresponsenorm1", x
        x = _halved(x)
        yield "maxpool1", x
        for block in BLOCKS:
            if block in POOLS:
                x = _halved(x)
                yield POOLS[block], x
            x = yield from self._block(block, x, wanted)
            if block in HEADS:
                yield from self._head(HEADS[block], x, wanted)
        if min(x.shape[-2:]) >= _LAST_POOL:
            x = F.avg_pool2d(x, _LAST_POOL, stride=1)
            yield "avgpool0", x
            yield from self._classify(2, x)

    def _conv(self, name: str, x: torch.Tensor, wanted: Collection[str]) -> Layers:
        x = self.convs[name](x)
        before = f"{name}_pre_relu"
        yield before, x
        x = F.relu(x, inplace=before not in wanted)
        yield name, x
        return x

    def _block(self, block: str, x: torch.Tensor, wanted: Collection[str]) -> Layers:
        made = []
        for branch in BRANCHES:
            y = x
            if branch == ("pool_reduce",):
                y = F.max_pool2d(x, 3, stride=1, padding=1)
                yield f"{block}_pool", y
            for conv in branch:
                y = yield from self._conv(f"{block}_{conv}", y, wanted)
            made.append(y)
        x = torch.cat(made, dim=1)
        yield block, x
        return x

    def _head(self, number: int, x: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """A side classifier, if something of it is wanted, or all is."""
        parts = tuple(f"{part}{number}" for part in ("head", "nn", "softmax"))
        bottleneck, hidden = f"head{number}_bottleneck", f"nn{number}"
        asked = not wanted or any(layer.startswith(parts) for layer in wanted)
        if bottleneck not in self.convs or not asked or min(x.shape[-2:]) < _HEAD_POOL:
            return
        x = F.avg_pool2d(x, _HEAD_POOL, stride=3)
        yield f"head{number}_pool", x
        x = yield from self._conv(bottleneck, x, wanted)
        if hidden in self.convs and min(x.shape[-2:]) >= _HIDDEN:
            x = yield from self._conv(hidden, x, wanted)
            yield from self._classify(number, x)

    def _classify(self, number: int, x: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        x = self.convs[f"softmax{number}"](x)
        yield f"softmax{number}_pre_activation", x
        yield f"softmax{number}", x.softmax(dim=1)


def build(state: StateDict) -> InceptionV1:
    """From the keys of the published conversion to PyTorch, such as `mixed3a_1x1_pre_relu_conv.weight`."""

    def key_in_file(key: str) -> str:
        _, layer, kind = key.split(".")
        step = "pre_activation" if layer.startswith("softmax") else "pre_relu"
        return f"{layer}_{step}_{'matmul' if layer.startswith(_MATRICES) else 'conv'}.{kind}"

    return _build(state, key_in_file)


def build_graph(state: StateDict) -> InceptionV1:
    """From the constants of TensorFlow's graph: `mixed3a_1x1_w` and so on, not those like `mixed3a/concat_dim`."""
    weights = {key: _filters_first(tensor) for key, tensor in state.items() if "/" not in key}

    def key_in_file(key: str) -> str:
        _, layer, kind = key.split(".")
        return f"{layer}_{kind[0]}"

    return _build(weights, key_in_file)


def _build(state: StateDict, key_in_file: Callable[[str], str]) -> InceptionV1:
    state = {key: _as_kernel(key, tensor) if tensor.ndim == 2 else tensor for key, tensor in state.items()}

    def has(layer: str) -> bool:
        return key_in_file(f"convs.{layer}.weight") in state

    def width(layer: str) -> int:
        return shape(state, key_in_file(f"convs.{layer}.weight"))[0]

    stem = [width(f"conv2d{number}") for number in range(len(STEM))]
    blocks = [[width(f"{block}_{conv}") for branch in BRANCHES for conv in branch] for block in BLOCKS]
    heads: list[list[int]] = []
    for number in range(len(HEADS)):
        head = [layer for layer in (f"head{number}_bottleneck", f"nn{number}") if has(layer)]
        if head:
            heads.append([width(layer) for layer in head])
    with torch.device("meta"):
        network = InceptionV1(stem, blocks, width("softmax2"), heads)
    return load(network, state, key_in_file, torch.channels_last)


def _filters_first(tensor: torch.Tensor) -> torch.Tensor:
    """TensorFlow's kernels, H×W×I×O, and matrices, I×O, as PyTorch's."""
    return tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor.t() if tensor.ndim == 2 else tensor


def _as_kernel(key: str, matrix: torch.Tensor) -> torch.Tensor:
    """O×I to O×C×H×W: a pixel after the other, each with all its channels."""
    side = _HIDDEN if key.startswith("nn") else 1
    channels, rest = divmod(matrix.shape[1], side**2)
    if rest:
        raise BadWeights(
            f"these weights have {key!r} for {matrix.shape[1]} values, not for those of {side}×{side} pixels"
        )
    return matrix.reshape(len(matrix), side, side, channels).permute(0, 3, 1, 2)


def _before_halving(x: torch.Tensor) -> torch.Tensor:
    """Zeros around a picture that a 7×7 kernel halves, as TensorFlow has them: of an even side one fewer before it."""
    top, left = (2 + side % 2 for side in x.shape[-2:])
    return F.pad(x, (left, 3, top, 3))


def _halved(x: torch.Tensor) -> torch.Tensor:
    """The largest of 3×3, as TensorFlow halves: an even side begins with a whole window and ends with a part of one."""
    height, width = x.shape[-2:]
    return F.max_pool2d(x, 3, stride=2, padding=(height % 2, width % 2), ceil_mode=True)
