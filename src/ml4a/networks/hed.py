"""HED: the edges of a picture at five scales, and their fusion.

Xie and Tu, Holistically-Nested Edge Detection, ICCV 2015, arXiv:1504.06375.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadValue

from .state_dict import StateDict, load, shape
from .vgg import DEPTHS, MEAN, VGG16, WIDTHS

_LAYERS = tuple(f"relu{block}_{depth}" for block, depth in enumerate(DEPTHS, start=1))
_TENSORPACK_MEAN = (104.0, 116.0, 122.0)
_TENSORPACK_TRAINING = r"global_step|learning_rate|beta\d_power|EMA/.*|.*/(Adam|Adam_1|Momentum)"


class HED(nn.Module):
    """Finds edges: the last layer of each block of VGG-16 draws a map of them, and the five maps are weighed up.

    Args:
        widths: Channels of the five blocks.
        mean: As in `VGG16`.
        white: As in `VGG16`.
        ceil: As in `VGG16`.
        repeated: Whether the maps are enlarged by doubling again and again, or in one step.
        fuse_bias: Whether the fusion has a bias.
    """

    scale = 1
    tile_multiple = 16
    overlap = 96
    """A value of the deepest map stands for 16 px and sees 90 more to each side."""
    side_scales = tuple(Fraction(1, 2**level) for level in range(5))
    """Sizes of what `sides` returns."""

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        *,
        mean: tuple[float, float, float] = MEAN,
        white: float = 1.0,
        ceil: bool = True,
        repeated: bool = False,
        fuse_bias: bool = True,
    ) -> None:
        super().__init__()
        self.trunk = VGG16(widths, mean=mean, white=white, ceil=ceil)
        self.score = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths)
        self.combine = nn.Conv2d(len(widths), 1, 1, bias=fuse_bias)
        self.white = white
        """What the picture has for white."""
        self.repeated = repeated
        self.in_multiple = 16 if repeated else 1
        self.in_minimum = 1 if ceil else 16
        """The shortest side that leaves the deepest map a pixel."""
        kept = sum(width / 4**level for level, width in enumerate(widths))  # for `sides`, until the last is there
        self.bytes_per_pixel = 4 * (widths[0] + kept)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """How likely each pixel lies on an edge.

        Args:
            picture: N×3×H×W, BGR, between 0 and `white`; H and W at least `in_minimum` and multiples of `in_multiple`.

        Returns:
            N×1×H×W, in [0, 1].
        """
        height, width = picture.shape[-2:]
        return self.fuse(self.sides(picture), (height, width))

    def sides(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The five maps, fine to coarse: logits, N×1×h×w, halved from one to the next.

        `fuse` stretches them to the picture's size as a whole, so it is these that can be computed in tiles.
        """
        features = self.trunk(picture, _LAYERS)
        return tuple(score(features[layer].to(picture.dtype)) for layer, score in zip(_LAYERS, self.score, strict=True))

    def fuse(self, sides: Sequence[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        """One probability from the five maps.

        Args:
            sides: What `sides` returns, on any device.
            size: The picture's height and width.

        Returns:
            N×1×H×W, in [0, 1].

        Raises:
            BadValue: this variant doubles, and the size is not a multiple of 16.
        """
        enlarge = _double_to if self.repeated else _stretch_to
        maps = [enlarge(side.to(self.combine.weight.device), size) for side in sides]
        return self.combine(torch.cat(maps, dim=1)).sigmoid_()

    def reduce_precision(self, dtype: torch.dtype) -> Self:
        """Compute the trunk but for its first convolution in `dtype`."""
        self.trunk.reduce_precision(dtype)
        return self


def build_pytorch(state: StateDict) -> HED:
    """From pytorch-hed's keys, such as `netVggOne.0.weight` or `moduleVggOne.0.weight`: pooling rounds down."""
    start = "module" if any(key.startswith("module") for key in state) else "net"
    words = ("One", "Two", "Thr", "Fou", "Fiv")

    def key_in_file(key: str) -> str:
        layer, _, kind = key.rpartition(".")
        if conv := re.search(r"conv(\d)_(\d)", layer):
            block, number = int(conv[1]), int(conv[2])
            # ReLUs stand between the convolutions, and a pooling before all blocks but the first.
            return f"{start}Vgg{words[block - 1]}.{2 * (number - 1) + (block > 1)}.{kind}"
        if score := re.search(r"score\.(\d)", layer):
            return f"{start}Score{words[int(score[1])]}.{kind}"
        return f"{start}Combine.0.{kind}"

    return _build(state, key_in_file, ceil=False)


def build_keras(state: StateDict) -> HED:
    """From the paths in a Keras file, such as `block1/layers/conv2d/vars/0`: pooling rounds up."""

    def key_in_file(key: str) -> str:
        layer, _, kind = key.rpartition(".")
        variable = "vars/0" if kind == "weight" else "vars/1"
        if conv := re.search(r"conv(\d)_(\d)", layer):
            number = int(conv[2]) - 1
            return f"block{conv[1]}/layers/conv2d{f'_{number}' if number else ''}/{variable}"
        if score := re.search(r"score\.(\d)", layer):
            return f"dsn{int(score[1]) + 1}/{variable}"
        return f"fuse/{variable}"

    return _build(_channels_first(state), key_in_file)


def build_tensorpack(state: StateDict) -> HED:
    """From tensorpack's variables, such as `conv1_1/W`: values to 255, another mean, maps enlarged by doubling."""
    state = {key.removesuffix(":0"): tensor for key, tensor in state.items()}
    state = {key: tensor for key, tensor in state.items() if not re.fullmatch(_TENSORPACK_TRAINING, key)}

    def key_in_file(key: str) -> str:
        layer, _, kind = key.rpartition(".")
        variable = "W" if kind == "weight" else "b"
        if conv := re.search(r"conv\d_\d", layer):
            return f"{conv[0]}/{variable}"
        if score := re.search(r"score\.(\d)", layer):
            return f"branch{int(score[1]) + 1}/convfc/{variable}"
        return f"convfcweight/{variable}"

    return _build(
        _channels_first(state), key_in_file, mean=_TENSORPACK_MEAN, white=255.0, repeated=True, fuse_bias=False
    )


def _build(state: StateDict, key_in_file: Callable[[str], str], **options: Any) -> HED:
    widths = [shape(state, key_in_file(f"trunk.convs.conv{block}_1.weight"))[0] for block in range(1, 6)]
    with torch.device("meta"):
        network = HED(widths, **options)
    return load(network, state, key_in_file, torch.channels_last)


def _channels_first(state: StateDict) -> StateDict:
    """TensorFlow's kernels, H×W×I×O, as PyTorch's, O×I×H×W."""
    return {
        key: tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor for key, tensor in state.items()
    }


def _stretch_to(side: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(side, size=size, mode="bilinear", align_corners=False)


def _double_to(side: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    while side.shape[-2:] < size:
        side = F.interpolate(side, scale_factor=2, mode="bilinear", align_corners=False)
    if tuple(side.shape[-2:]) != size:
        raise BadValue(f"this HED takes pictures whose sides are multiples of 16, not {size[1]}×{size[0]}")
    return side
