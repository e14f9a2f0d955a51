"""StyleGAN2's discriminator: how real a picture looks, for its label if there are labels.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, arXiv:1912.04958.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn

from ml4a._core.errors import BadValue, BadWeights
from ml4a.ops.upfirdn import downsample2d

from .architectures import choose
from .state_dict import StateDict, count, flat, load, plain, shape
from .stylegan2 import resolutions
from .stylegan2_layers import EPSILON, Convolution, FullyConnected, StyleMapping
from .stylegan2_synthesis import Architecture

_PARTS = ("D.", "d.")
"""Under which names programs put the discriminator beside the generators."""

Pair: TypeAlias = tuple[torch.Tensor | None, torch.Tensor | None]


class DiscriminatorBlock(nn.Module):
    """What is seen at one resolution, handed on at half of it."""

    resample_filter: torch.Tensor

    def __init__(
        self, made: int, handed_on: int, channels: int, architecture: Architecture, *, first: bool, taps: int
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.register_buffer("resample_filter", torch.empty(taps, taps))
        self.looks = first or architecture == "skip"
        if self.looks:
            self.fromrgb = Convolution(channels, made, 1, taps=taps)
        self.conv0 = Convolution(made, made, 3, taps=taps)
        self.conv1 = Convolution(made, handed_on, 3, down=True, taps=taps)
        if architecture == "resnet":
            self.skip = Convolution(made, handed_on, 1, down=True, bias=False, taps=taps)

    def forward(self, x: torch.Tensor | None, image: torch.Tensor | None, clamp: float | None) -> Pair:
        """Features and the picture, N×C×H×W, to those of half the size; what is not needed further is None."""
        if self.looks:
            assert image is not None  # the first block looks, and those of "skip" hand it on
            seen = self.fromrgb(image, clamp=clamp)
            x = seen if x is None else x + seen
            image = downsample2d(image, self.resample_filter) if self.architecture == "skip" else None
        assert x is not None
        if self.architecture == "resnet":
            y = self.skip(x, math.sqrt(0.5), activation="linear")
            x = y + self.conv1(self.conv0(x, clamp=clamp), math.sqrt(0.5), clamp)
        else:
            x = self.conv1(self.conv0(x, clamp=clamp), clamp=clamp)
        return x, image


class Epilogue(nn.Module):
    """What is made of the last 4×4 features: a number, or one for each direction that labels point to."""

    def __init__(
        self, width: int, made: int, channels: int, architecture: Architecture, *, deviations: int, taps: int
    ) -> None:
        super().__init__()
        self.deviations = deviations
        self.looks = architecture == "skip"
        if self.looks:
            self.fromrgb = Convolution(channels, width, 1, taps=taps)
        self.conv = Convolution(width + deviations, width, 3, taps=taps)
        self.fc = FullyConnected(width * 16, width, activation="lrelu")
        self.out = FullyConnected(width, made)

    def forward(
        self, x: torch.Tensor, image: torch.Tensor | None, group: int | None, clamp: float | None
    ) -> torch.Tensor:
        """N×C×4×4 to N×made."""
        if image is not None and self.looks:
            x = x + self.fromrgb(image)
        if self.deviations:
            x = torch.cat((x, batch_deviation(x, group, self.deviations)), 1)
        x = self.conv(x, clamp=clamp)
        return self.out(self.fc(x.flatten(1)))


class StyleGAN2Discriminator(nn.Module):
    """Looks at a picture at each resolution, and then at how pictures of a batch differ.

    Args:
        widths: Channels at 4 pixels, at 8, …
        channels: Of a picture.
        c_dim: Kinds of labels; 0 without.
        mapped: How wide each layer of the labels' mapping is.
        embedded: What labels become before they are mapped.
        architecture: `"resnet"`: features of all resolutions are added; `"skip"`: the picture is looked at in each;
            `"orig"`: neither.
        deviations: How many channels tell how pictures of a batch differ.
        taps: Of the filter, in a row.
        outputs: How many numbers come out before labels choose among them.
        rate: How much slower than others the labels' mapping learns.
    """

    def __init__(
        self,
        widths: Sequence[int] = (512, 512, 512, 512, 512, 256, 128, 64, 32),
        channels: int = 3,
        c_dim: int = 0,
        mapped: Sequence[int] = (),
        embedded: int = 0,
        architecture: Architecture = "resnet",
        deviations: int = 1,
        taps: int = 4,
        outputs: int = 1,
        rate: float = 0.01,
    ) -> None:
        super().__init__()
        self.c_dim, self.channels = c_dim, channels
        self.resolution = 2 << len(widths)
        self._resolutions = [4 << number for number in range(1, len(widths))][::-1]
        for number, resolution in zip(range(len(widths) - 1, 0, -1), self._resolutions, strict=True):
            first = resolution == self.resolution
            options = {"first": first, "taps": taps}
            block = DiscriminatorBlock(widths[number], widths[number - 1], channels, architecture, **options)
            self.add_module(f"b{resolution}", block)
        if mapped:
            self.mapping = StyleMapping(0, c_dim, mapped, embedded, averaged=False, rate=rate)
        self.mapped = bool(mapped)
        self.b4 = Epilogue(widths[0], outputs, channels, architecture, deviations=deviations, taps=taps)
        self.conv_clamp: float | None = None
        """Where features end, on both sides: networks that were trained in half precision have 256."""
        self.group: int | None = 4
        """How many pictures of a batch are compared with each other; None for all."""

    def forward(self, image: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """How real pictures look.

        Args:
            image: N×channels×H×W in [-1, 1]; H and W are `resolution`.
            c: N×c_dim, how much there is of each label, if the network knows labels.

        Returns:
            N×1; above 0 it looks real.

        Raises:
            BadValue: pictures or labels are of another shape than this network's, or their number cannot be divided
                into groups.
        """
        due = (len(image), self.channels, self.resolution, self.resolution)
        if tuple(image.shape) != due:
            raise BadValue(f"pictures must be of shape {due}, not {tuple(image.shape)}")
        if self.c_dim and (c is None or c.shape != (len(image), self.c_dim)):
            raise BadValue(f"this network needs labels of shape ({len(image)}, {self.c_dim})")
        left: torch.Tensor | None = image
        x = None
        for resolution in self._resolutions:
            x, left = self.get_submodule(f"b{resolution}")(x, left, self.conv_clamp)
        assert x is not None
        found = self.b4(x, left, self.group, self.conv_clamp)
        if self.mapped:
            direction = self.mapping(None, c)
            return (found * direction).sum(1, keepdim=True) * (1 / math.sqrt(direction.shape[1]))
        if self.c_dim:  # of 2019: each label has a number of its own
            return (found * c).sum(1, keepdim=True)
        return found


def batch_deviation(x: torch.Tensor, group: int | None, channels: int = 1) -> torch.Tensor:
    """How much pictures of a batch differ from each other, so that a lack of variety is seen.

    Args:
        x: N×C×H×W.
        group: How many are compared; None for all.
        channels: How many numbers are told, each of a part of the channels.

    Returns:
        N×channels×H×W, everywhere the same.

    Raises:
        BadValue: N cannot be divided into such groups.
    """
    count, width, height, _ = x.shape
    size = count if group is None else min(group, count)
    if count % size:
        raise BadValue(f"{count} pictures cannot be compared in groups of {size}; give a multiple of {size}")
    grouped = x.reshape(size, count // size, channels, width // channels, height, -1)
    deviation = (grouped.var(0, unbiased=False) + EPSILON).sqrt().mean((2, 3, 4))
    return deviation[:, :, None, None].repeat(size, 1, height, x.shape[3])


def from_archive(state_dict: Mapping[str, Any]) -> StyleGAN2Discriminator:
    """The discriminator of a whole file, which has the generators beside it; or of its own tensors alone.

    Args:
        state_dict: By key, torch tensors or NumPy arrays: `D.b4.out.weight`.

    Raises:
        BadWeights: there is none in it, or it does not fit.
    """
    tensors = dict(flat(state_dict))
    for part in _PARTS:
        found = {key.removeprefix(part): value for key, value in tensors.items() if key.startswith(part)}
        if found:
            tensors = found
            break
    state = plain(tensors)
    network = choose("stylegan2", state).build(state)
    if not isinstance(network, StyleGAN2Discriminator):
        raise BadWeights("these weights have a generator alone: there is no discriminator ('D.…') in them")
    return network


def build(state: StateDict, rate: float = 0.01) -> StyleGAN2Discriminator:
    """From the keys of StyleGAN2-ADA's `Discriminator`.

    Args:
        state: By key.
        rate: How much slower than others the labels' mapping learnt.

    Raises:
        BadWeights: as `load`; also where the numbers of resolutions do not go on without a gap.
    """
    found = resolutions(state)
    widths = [shape(state, "b4.conv.weight")[0]]
    widths += [shape(state, f"b{resolution}.conv0.weight")[0] for resolution in found[1:]]
    top = f"b{found[-1]}"
    depth = count(state, r"mapping\.fc(\d+)\.weight")
    mapped = [shape(state, f"mapping.fc{number}.weight", 2)[0] for number in range(depth)]
    outputs = shape(state, "b4.out.weight", 2)[0]
    embedded, c_dim = shape(state, "mapping.embed.weight", 2) if mapped else (0, outputs if outputs > 1 else 0)
    architecture: Architecture = (
        "resnet" if f"{top}.skip.weight" in state else "skip" if "b4.fromrgb.weight" in state else "orig"
    )
    channels = shape(state, f"{top}.fromrgb.weight")[1]
    deviations = shape(state, "b4.conv.weight")[1] - widths[0]
    if deviations < 0 or (deviations and widths[0] % deviations):
        raise BadWeights(f"these weights have 'b4.conv.weight' for {widths[0] + deviations} channels of {widths[0]}")
    taps = shape(state, "b4.conv.resample_filter", 2)[0]
    with torch.device("meta"):
        network = StyleGAN2Discriminator(
            widths, channels, c_dim, mapped, embedded, architecture, deviations, taps, outputs, rate
        )
    return load(network, state)
