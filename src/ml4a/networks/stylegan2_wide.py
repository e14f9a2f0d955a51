"""StyleGAN2's pictures, wider than high: several styles side by side, each of which turns into the next.

Nothing in the network knows how wide a picture is. Its constant is repeated, mirrored so that there are no seams, and
the style, which is one vector for a whole picture elsewhere, is another one in each column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue
from ml4a.ops.upfirdn import upsample2d

from .stylegan2_layers import ROOT2, StyledConvolution, ToRGB

if TYPE_CHECKING:
    from .stylegan2 import StyleGAN2
    from .stylegan2_synthesis import Block

_START = 4
"""Pixels, at the lowest resolution."""
_SEED = 0


def synthesized(
    network: StyleGAN2, ws: torch.Tensor, width: int, loop: bool, noise: str, generator: torch.Generator | None
) -> torch.Tensor:
    """See `StyleGAN2.synthesize_wide`."""
    step = network.resolution // _START
    if width < 1:
        raise BadValue(f"width must be 1 or more, not {width}")
    if loop and width % step:
        near = max(1, round(width / step)) * step
        raise BadValue(f"the width of a loop must be a multiple of {step}, not {width}; {near} would do")
    if noise not in ("random", "none"):
        raise BadValue(f"noise of a wide picture must be 'random' or 'none', not {noise!r}")
    generator = generator or torch.Generator().manual_seed(_SEED)
    canvas = Canvas(ws, loop, network.conv_clamp, generator if noise == "random" else None)
    x = image = None
    first = 0
    for block in network.synthesis.blocks:
        x, image = canvas.block(block, x, image, first, -(-width // step))
        first += len(block.layers)
    assert image is not None  # the last block always has colours
    return image[..., :width].contiguous()


class Canvas:
    """What all blocks of one wide picture share."""

    def __init__(self, ws: torch.Tensor, loop: bool, clamp: float | None, generator: torch.Generator | None) -> None:
        self.ws, self.loop, self.clamp, self.generator = ws, loop, clamp, generator

    def block(
        self, block: Block, x: torch.Tensor | None, image: torch.Tensor | None, first: int, columns: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What a block makes of what the one before has made.

        Args:
            block: The block.
            x: 1×C×H/2×W/2, if there is any.
            image: 1×channels×H/2×W/2, if there is one yet.
            first: The index of its first style.
            columns: The width of the constant.
        """
        if x is None:
            made = self.styled(block.conv1, self.repeated(block.const, columns), first)
        elif block.architecture == "resnet":
            gain = math.sqrt(0.5)
            y = self.wrapped(lambda x: block.skip(x, gain, activation="linear"), x, 2)
            made = y + self.styled(block.conv1, self.styled(block.conv0, x, first), first + 1, gain)
        else:
            made = self.styled(block.conv1, self.styled(block.conv0, x, first), first + 1)
        if image is not None:
            image = self.wrapped(lambda image: upsample2d(image, block.resample_filter), image, 2)
        if block.coloured:
            colours = self.colours(block.torgb, made, first + len(block.layers))
            image = colours if image is None else image + colours
        return made, image

    def styled(self, layer: StyledConvolution, x: torch.Tensor, index: int, gain: float = 1) -> torch.Tensor:
        """A convolution with the styles of number `index`: 1×C×H×W to 1×F×H'×W'."""
        scale = 2 if layer.up else 1
        style = layer.affine(self.across(index, x.shape[3]))
        y = self.wrapped(layer.convolved, x * style.T[None, :, None], scale)
        # What brings results back to their deviation is another number in each column, too.
        made = layer.demodulation(layer.affine(self.across(index, y.shape[3]))) * (ROOT2 * gain)
        noise = None
        if self.generator is not None:
            noise = torch.randn(y.shape[2:], generator=self.generator, device=self.generator.device).to(y.device)
        return layer.finished(y, made.T[None, :, None], noise, gain, self.clamp)

    def colours(self, layer: ToRGB, x: torch.Tensor, index: int) -> torch.Tensor:
        """1×C×H×W to 1×channels×H×W."""
        style = layer.affine(self.across(index, x.shape[3])) * (1 / math.sqrt(x.shape[1]))
        x = F.conv2d(x * style.T[None, :, None], layer.conv.weight, layer.bias)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)

    def across(self, index: int, width: int) -> torch.Tensor:
        """The style in each column: width×w_dim."""
        ws = self.ws[:, index]
        place = (torch.arange(width, device=ws.device) + 0.5) * (len(ws) / width) - 0.5
        if not self.loop:
            place = place.clamp(0, len(ws) - 1)
        before = place.floor()
        share = (place - before)[:, None]
        number = before.long()
        return torch.lerp(ws[number % len(ws)], ws[(number + 1) % len(ws)], share)

    def repeated(self, const: torch.Tensor, columns: int) -> torch.Tensor:
        """C×4×4 to 1×C×4×columns, to and fro."""
        period = 2 * const.shape[2]
        place = torch.arange(columns, device=const.device)
        if self.loop:  # as many whole periods as fit about: a little wider or narrower, but without a seam at the ends
            place = place * (max(1, round(columns / period)) * period) // columns
        place = place % period
        return const[None, :, :, torch.minimum(place, period - 1 - place)]

    def wrapped(self, function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, scale: int) -> torch.Tensor:
        """What a function makes that looks at neighbours: those of the first column are the last, in a loop."""
        if not self.loop:
            return function(x)
        around = _START
        number = torch.arange(-around, x.shape[3] + around, device=x.device) % x.shape[3]
        return function(x[..., number])[..., around * scale : (around + x.shape[3]) * scale]
