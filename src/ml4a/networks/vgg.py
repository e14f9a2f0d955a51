"""VGG: what a picture's patches look like, from edges to parts of things; the trunk of many other networks.

Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, arXiv:1409.1556.
Other poolings: Gatys et al., Image Style Transfer Using Convolutional Neural Networks, CVPR 2016, arXiv:1508.06576.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, TypeVar, cast

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadValue, BadWeights, UnknownName
from ml4a.ops.winograd import WinogradConv2d

from . import precision
from .features import FeatureNetwork
from .state_dict import StateDict, load, shape

DEPTHS = (2, 2, 3, 3, 3)
"""Convolutions in each block of VGG-16; every block after the first begins by halving the size."""
WIDTHS = (64, 128, 256, 512, 512)
MEAN = (104.00698793, 116.66876762, 122.67891434)
"""Blue, green and red of the mean training picture, where white is 255, as HED's authors give it."""
VGG19 = tuple((width,) * depth for width, depth in zip(WIDTHS, (2, 2, 4, 4, 4), strict=True))
"""Channels of each convolution, by block."""
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")
"""Those that style transfer looks at: the content's relu4_2, and the styles'."""

PERCEIVED = "relu4_3"
"""The layer of a perceptual loss."""

Edges: TypeAlias = Literal["zeros", "replicate"]
Pooling: TypeAlias = Literal["max", "average", "mean", "l2", "blurred"]

_START = "features."
"""Of torchvision's keys."""

_Triple: TypeAlias = tuple[float, float, float]
_Network = TypeVar("_Network", bound="VGG")


@dataclass(frozen=True, slots=True)
class Convention:
    """How a network was given its pictures in training: times `white`, less `mean`, over `deviation`."""

    mean: _Triple
    """Of each channel, in the network's order."""
    deviation: _Triple = (1, 1, 1)
    white: float = 255
    bgr: bool = True
    """Whether blue comes first."""

    def __call__(self, picture: torch.Tensor) -> torch.Tensor:
        """N×3×H×W RGB in [0, 1] to what the first convolution takes."""
        x = picture.flip(1) if self.bgr else picture
        x = x * self.white - x.new_tensor(self.mean).view(3, 1, 1)
        return x if self.deviation == (1, 1, 1) else x / x.new_tensor(self.deviation).view(3, 1, 1)


TORCHVISION = Convention((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), white=1, bgr=False)
CAFFE = Convention((103.939, 116.779, 123.68))


class VGG(FeatureNetwork):
    """The convolutions of VGG. Its layers are named `conv1_1`, `relu1_1` … `pool1`, `conv2_1` …, by block and number.

    Args:
        blocks: Channels of each convolution, by block.
        edges: What the first convolution sees beyond the picture's edge; all others see zeros.
        ceil: Whether an odd side is halved upwards, as Caffe and Keras do, or downwards, as PyTorch does.
    """

    convention: Convention = TORCHVISION

    def __init__(self, blocks: Sequence[Sequence[int]] = VGG19, *, edges: Edges = "zeros", ceil: bool = False) -> None:
        super().__init__()
        self.convs = nn.ModuleDict()
        self._layers: dict[str, int] = {}
        channels = 3
        for block, widths in enumerate(blocks, start=1):
            if block > 1:
                self._layers[f"pool{block - 1}"] = channels
            for number, width in enumerate(widths, start=1):
                name, mode = f"{block}_{number}", "zeros" if self.convs else edges
                self.convs[f"conv{name}"] = nn.Conv2d(channels, width, 3, padding=1, padding_mode=mode)
                self._layers |= {f"conv{name}": width, f"relu{name}": width}
                channels = width
        self.ceil = ceil
        self.pooling: Pooling = "max"
        self.shortest = _shortest(self)

    def forward(self, picture: torch.Tensor, layers: Collection[str] = LAYERS) -> dict[str, torch.Tensor]:
        """What the named layers make of `picture`.

        Args:
            picture: N×3×H×W RGB in [0, 1].
            layers: Names of layers; what lies behind the last is not computed.

        Returns:
            By layer, N×C×h×w; the size is halved from block to block.

        Raises:
            UnknownName: there is no layer of this name; the message has the nearest.
        """
        return self.see(self.convention(picture), layers)

    def walk(self, picture: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """As the base says; the last convolution's ReLU is the last layer."""
        return self._walk(self.convention(picture), wanted)

    def see(self, x: torch.Tensor, layers: Collection[str]) -> dict[str, torch.Tensor]:
        """As `forward`, of what the first convolution takes: see `convention`."""
        known = self.layers()
        if unknown := set(layers) - known.keys():
            raise UnknownName("layer", unknown.pop(), known)
        last = max(map(list(known).index, layers), default=-1)
        steps = zip(range(last + 1), self._walk(x, layers), strict=False)
        return {name: features for _, (name, features) in steps if name in layers}

    def layers(self) -> dict[str, int]:
        """The names of all layers, in the order of computation, and how many channels each has."""
        return dict(self._layers)

    def name_of_index(self, index: int) -> str:
        """The layer that torchvision counts as `features[index]`: 22 is VGG-19's `relu4_2`.

        Raises:
            BadValue: there is none; the last pooling, which belongs to the classifier, is left out, too.
        """
        names = list(self.layers())
        if not 0 <= index < len(names):
            raise BadValue(f"this VGG's layers are numbered from 0 to {len(names) - 1}, so that there is no {index}")
        return names[index]

    def variant(self, pooling: Pooling | None = None, edges: Edges | None = None) -> Self:
        """The same network, of the same tensors, with another pooling or other edges; what is not named stays.

        Args:
            pooling: `"max"`; `"average"` and `"l2"`, the mean and the root of the sum of squares, times what makes up
                for the loss of magnitude; `"mean"`; `"blurred"`, the largest of the means of all 2×2 pixels.
            edges: As in the constructor.

        Raises:
            UnknownName: there is no pooling of this name.
        """
        twin = copy.deepcopy(self, {id(conv): conv for conv in self.convs.values()})
        if pooling is not None:
            if pooling not in POOLINGS:
                raise UnknownName("pooling", pooling, POOLINGS)
            twin.pooling = pooling
            twin.shortest = _shortest(twin)
        if edges is not None:
            first = twin.convs["conv1_1"] = copy.copy(cast("nn.Conv2d", self.convs["conv1_1"]))
            first.padding_mode = edges
        return twin

    def _walk(self, x: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        pool, rectified = POOLINGS[self.pooling], False
        for name in self._layers:
            if name.startswith("conv"):
                conv = cast("nn.Conv2d", self.convs[name])
                x = x.to(conv.weight.dtype)  # another than the layer's before, where precision is reduced
                rectified = isinstance(conv, WinogradConv2d) and name not in wanted
                x = cast("WinogradConv2d", conv).rectified(x) if rectified else conv(x)
            elif name.startswith("relu"):
                x = x if rectified else F.relu(x, inplace=name.replace("relu", "conv") not in wanted)
            else:
                x = pool(x, self.ceil)
            yield name, x


class CaffeVGG(VGG):
    """VGG as its authors trained it, in Caffe: neural style's."""

    convention = CAFFE

    def forward(self, picture: torch.Tensor, layers: Collection[str] = LAYERS) -> dict[str, torch.Tensor]:
        """As `VGG.forward`, of N×3×H×W BGR less the mean, as neural style's programs give it: `CAFFE(RGB)`."""
        return self.see(picture, layers)


class PerceptualVGG(CaffeVGG):
    """VGG-16 as Keras has it, which measures how alike two pictures look: the loss of in-domain inversion."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]  # it looks at one layer only
        self, picture: torch.Tensor
    ) -> torch.Tensor:
        """What `relu4_3` makes of N×3×H×W RGB in [-1, 1]: N×512×⌊H/8⌋×⌊W/8⌋."""
        return self.features((picture + 1) / 2, (PERCEIVED,))[PERCEIVED]


class VGG16(VGG):
    """The trunk of HED: VGG-16, trained further to find edges.

    Args:
        widths: Channels of the five blocks.
        mean: Blue, green and red that are taken off, where white is 255.
        white: What `forward`'s input has for white: 1 or 255.
        ceil: As in `VGG`.
    """

    def __init__(
        self, widths: Sequence[int] = WIDTHS, *, mean: _Triple = MEAN, white: float = 1.0, ceil: bool = True
    ) -> None:
        super().__init__([[width] * depth for width, depth in zip(widths, DEPTHS, strict=True)], ceil=ceil)
        self.convention = Convention(mean)
        self.white = white

    def forward(self, picture: torch.Tensor, layers: Collection[str] = ("relu5_3",)) -> dict[str, torch.Tensor]:
        """As `VGG.forward`, of N×3×H×W BGR between 0 and `white`."""
        mean = picture.new_tensor(self.convention.mean).view(3, 1, 1)
        return self.see(picture * (255 / self.white) - mean, layers)

    def reduce_precision(self, dtype: torch.dtype) -> Self:
        """Compute all but the first convolution in `dtype`."""
        for name, conv in self.convs.items():
            if name != "conv1_1":
                precision.reduce(conv, dtype)
        return self


def build(state: StateDict) -> VGG:
    """From torchvision's keys, `features.0.weight`, …; the first edges are repeated, as `style_transfer` has it."""
    state = _without_classifier(state)
    with torch.device("meta"):
        network = VGG(_blocks(state), edges="replicate")
    return _load(network, state)


def build_caffe(state: StateDict) -> CaffeVGG:
    """From the keys of the conversions from Caffe, which are torchvision's."""
    state = _without_classifier(state)
    with torch.device("meta"):
        network = CaffeVGG(_blocks(state))
    return _load(network, state)


def build_perceptual(state: StateDict) -> PerceptualVGG:
    """From the keys of idinvert's file, `layer0.weight`, …, which count as torchvision does.

    Raises:
        BadWeights: also where there is no `relu4_3`.
    """
    with torch.device("meta"):
        network = PerceptualVGG(_blocks(state, "layer"))
    if PERCEIVED not in network.layers():
        raise BadWeights(f"these weights end before the layer {PERCEIVED}, which is to be looked at")
    return _load(network, state, "layer")


def _shortest(network: VGG) -> int:
    poolings = sum(name.startswith("pool") for name in network.layers())
    if not network.ceil:
        return 2**poolings
    return 2 ** (poolings - 1) + 1 if network.pooling == "blurred" and poolings else 1


def _load(network: _Network, state: StateDict, start: str = _START) -> _Network:
    names = {name: f"{start}{number}" for name, number in zip(network.convs, _numbers(state, start), strict=True)}

    def key_in_file(key: str) -> str:
        _, layer, kind = key.split(".")
        return f"{names[layer]}.{kind}"

    return load(network, state, key_in_file, torch.channels_last)


def _without_classifier(state: StateDict) -> StateDict:
    """Its keys are official, and its layers are not run: they take pictures of one size only."""
    return {key: tensor for key, tensor in state.items() if not re.fullmatch(r"classifier\.\d\.(weight|bias)", key)}


def _blocks(state: StateDict, start: str = _START) -> list[list[int]]:
    """Channels of each convolution, by block: between two a number is a ReLU's, or two are a ReLU's and a pooling's."""
    blocks: list[list[int]] = []
    before = -3
    for number in _numbers(state, start):
        width = shape(state, f"{start}{number}.weight")[0]
        if number - before == 3:
            blocks.append([])
        elif number - before != 2:
            raise BadWeights(f"these weights have '{start}{number}', but no convolution two or three numbers before")
        blocks[-1].append(width)
        before = number
    return blocks


def _numbers(state: StateDict, start: str) -> list[int]:
    shape(state, f"{start}0.weight")
    return sorted({int(match[1]) for key in state if (match := re.match(rf"{re.escape(start)}(\d+)\.", key))})


def _average(x: torch.Tensor, ceil: bool) -> torch.Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=ceil)


def _blurred(x: torch.Tensor, ceil: bool) -> torch.Tensor:
    """Maxima behind a Gaussian of 6×6 taps, centred between four pixels and so narrow that it is as good as their mean.

    A row of these means has its pixels' and the row's above. Above the first is its reflection, the second row, so that
    the first two rows of means are equal, and one of them will do: the other's place is padding.
    """
    if not ceil:
        x = x[:, :, : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
    return F.max_pool2d(F.avg_pool2d(x, 2, 1), 2, padding=1)


POOLINGS: dict[str, Callable[[torch.Tensor, bool], torch.Tensor]] = {
    "max": lambda x, ceil: F.max_pool2d(x, 2, ceil_mode=ceil),
    "average": lambda x, ceil: _average(x, ceil).mul_(2),
    "mean": _average,
    "l2": lambda x, ceil: F.lp_pool2d(x, 2, 2, ceil_mode=ceil) * 0.78,
    "blurred": _blurred,
}
"""By name: N×C×H×W, and whether odd sides are halved upwards, to half the size."""
