"""StyleGAN2's synthesis: a picture out of a constant, doubled again and again.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, arXiv:1912.04958.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import torch
from torch import nn

from ml4a.ops.upfirdn import upsample2d

from .stylegan2_layers import Convolution, StyledConvolution, ToRGB

Architecture: TypeAlias = Literal["skip", "resnet", "orig"]


class Block(nn.Module):
    """What is made at one resolution: features, twice as large as those before, and colours."""

    resample_filter: torch.Tensor

    def __init__(
        self,
        given: int,
        made: int,
        w_dim: int,
        resolution: int,
        channels: int,
        architecture: Architecture,
        *,
        noisy: bool,
        taps: int,
        last: bool,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.register_buffer("resample_filter", torch.empty(taps, taps))
        options = {"noisy": noisy, "taps": taps}
        if given:
            self.conv0 = StyledConvolution(given, made, w_dim, resolution, up=True, **options)
        else:
            self.const = nn.Parameter(torch.empty(made, resolution, resolution))
        self.conv1 = StyledConvolution(made, made, w_dim, resolution, **options)
        self.first = not given
        self.coloured = last or architecture == "skip"
        if self.coloured:
            self.torgb = ToRGB(made, channels, w_dim)
        if given and architecture == "resnet":
            self.skip = Convolution(given, made, 1, up=True, bias=False, taps=taps)

    @property
    def layers(self) -> list[StyledConvolution]:
        """The convolutions with a style, in order."""
        return [self.conv1] if self.first else [self.conv0, self.conv1]

    def forward(
        self,
        x: torch.Tensor | None,
        image: torch.Tensor | None,
        ws: Iterator[torch.Tensor],
        noises: Iterator[torch.Tensor | None],
        clamp: float | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The features and the picture so far, from those of half the resolution.

        Args:
            x: N×given×H/2×W/2; None at the start.
            image: N×channels×H/2×W/2, if there is one yet.
            ws: A style for each layer.
            noises: For each layer.
            clamp: Where features end.
        """
        if x is None:
            w = next(ws)
            start = self.const.expand(len(w), -1, -1, -1)
            if start.device.type == "cpu":  # on which transposed convolutions want channels last
                start = start.contiguous(memory_format=torch.channels_last)
            made = self.conv1(start, w, next(noises), clamp=clamp)
        elif self.architecture == "resnet":
            y = self.skip(x, math.sqrt(0.5), activation="linear")
            made = self.conv0(x, next(ws), next(noises), clamp=clamp)
            made = y + self.conv1(made, next(ws), next(noises), math.sqrt(0.5), clamp=clamp)
        else:
            made = self.conv0(x, next(ws), next(noises), clamp=clamp)
            made = self.conv1(made, next(ws), next(noises), clamp=clamp)
        if image is not None:
            image = upsample2d(image, self.resample_filter)
        if self.coloured:
            colours = self.torgb(made, next(ws), clamp)
            image = colours if image is None else colours.add_(image)
        return made, image


class Synthesis(nn.Module):
    """Styles to a picture, from 4 pixels on, doubled again and again."""

    def __init__(
        self,
        w_dim: int,
        widths: Sequence[int],
        channels: int,
        architecture: Architecture,
        *,
        noisy: bool,
        taps: int,
    ) -> None:
        super().__init__()
        self.resolutions = [4 << number for number in range(len(widths))]
        self.num_ws = 2 * len(widths)
        for number, (resolution, given, made) in enumerate(
            zip(self.resolutions, [0, *widths[:-1]], widths, strict=True), start=1
        ):
            last = number == len(widths)
            block = Block(given, made, w_dim, resolution, channels, architecture, noisy=noisy, taps=taps, last=last)
            self.add_module(f"b{resolution}", block)

    @property
    def blocks(self) -> list[Block]:
        """From the smallest to the largest."""
        found = (self.get_submodule(f"b{resolution}") for resolution in self.resolutions)
        return [block for block in found if isinstance(block, Block)]

    def walk(
        self, ws: torch.Tensor, noises: Sequence[torch.Tensor | None], clamp: float | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """The features and the picture after each block.

        Args:
            ws: N×num_ws×w_dim. A block's last style is the next one's first.
            noises: For each layer, H×W or N×1×H×W.
            clamp: Where features end.
        """
        x = image = None
        left, first = iter(noises), 0
        for block in self.blocks:
            x, image = block(x, image, iter(ws.unbind(1)[first:]), left, clamp)
            first += len(block.layers)
            yield x, image
