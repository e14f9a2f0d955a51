"""The layers of StyleGAN3: waves, and convolutions whose results are bent without aliases.

Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021, arXiv:2106.12423. Attributes carry the names
that NVlabs/stylegan3 gave them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from ml4a.ops.filtered_lrelu import filtered_lrelu

from .stylegan2_layers import EPSILON, ROOT2, SLOPE, FullyConnected, Modulated
from .stylegan3_filters import Geometry

CLAMP = 256.0
"""Where features end, on both sides."""
_PURE = 0.25
"""Of the way from one picture of a panorama to the next: for so long it is what it was, and then what it will be."""


@dataclass(frozen=True, slots=True)
class Panorama:
    """Pictures side by side in one wide one."""

    count: int
    sides: float
    """How wide it is, in sides of a picture."""

    def centres(self) -> torch.Tensor:
        """Where the middle of each picture is, from the middle of all, in sides of a picture."""
        return ((torch.arange(self.count) + 0.5) / self.count - 0.5) * self.sides

    def shares(self, size: int, rate: float) -> torch.Tensor:
        """How much each picture counts in each of so many columns of samples: count×size."""
        place = (places(size, rate) / self.sides + 0.5) * self.count - 0.5
        place = place.clamp(0, self.count - 1)
        step = ((place.frac() - _PURE) / (1 - 2 * _PURE)).clamp(0, 1)
        place = place.floor() + step * step * (3 - 2 * step)
        return (1 - (place - torch.arange(self.count)[:, None]).abs()).clamp(min=0)

    def blended(self, styles: torch.Tensor, size: int, rate: float) -> torch.Tensor:
        """The styles of pictures, count×C, in each column: 1×C×1×size."""
        return (styles.T @ self.shares(size, rate).to(styles))[None, :, None]


def places(size: int, rate: float) -> torch.Tensor:
    """Where samples are, from the middle, in sides of the picture."""
    return (torch.arange(size) + 0.5 - size / 2) / rate


class Waves(nn.Module):
    """Plane waves over the picture and around it, mixed; a style turns and shifts them."""

    transform: torch.Tensor
    freqs: torch.Tensor
    phases: torch.Tensor

    def __init__(self, channels: int, geometry: Geometry, w_dim: int) -> None:
        super().__init__()
        self.signal = geometry.source
        self.weight = nn.Parameter(torch.empty(channels, channels))
        self.affine = FullyConnected(w_dim, 4)
        self.register_buffer("transform", torch.empty(3, 3))
        self.register_buffer("freqs", torch.empty(channels, 2))
        self.register_buffer("phases", torch.empty(channels))

    def forward(
        self, w: torch.Tensor, transform: torch.Tensor | None = None, panorama: Panorama | None = None
    ) -> torch.Tensor:
        """N×w_dim, and how the picture moves, 3×3 or N×3×3, to N×C×H×W; of a panorama, of count×w_dim, to 1×C×H×W."""
        moved = _moves(self.affine(w)) @ (self.transform if transform is None else transform.to(w))
        phases = self.phases + (self.freqs @ moved[:, :2, 2:])[:, :, 0]
        freqs = self.freqs @ moved[:, :2, :2]
        # A wave that is turned or shrunk until it is too short to be sampled fades out.
        room = self.signal.rate / 2 - self.signal.cutoff
        loudness = (1 - (freqs.norm(dim=2) - self.signal.cutoff) / room).clamp(0, 1)
        mix = (self.weight * (loudness[:, None] / math.sqrt(self.weight.shape[1]))).transpose(1, 2)
        right = places(self.signal.size, self.signal.rate).to(w)
        if panorama is None:
            mixed = self._mixed(right, freqs, phases, mix)
        else:
            mixed = self._beside(panorama, freqs, phases, mix)
        return mixed.permute(0, 3, 1, 2)

    def _mixed(self, right: torch.Tensor, freqs: torch.Tensor, phases: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
        """The waves of N pictures in columns at these places: N×H×W×C."""
        down = places(self.signal.size, self.signal.rate).to(right)
        across = (2 * math.pi) * (right[:, None] * freqs[:, None, :, 0])
        along = (2 * math.pi) * (down[:, None] * freqs[:, None, :, 1] + phases[:, None])
        # sin(a + b) = sin a cos b + cos a sin b: two short rows of sines in place of one for every pixel.
        sine, cosine = across.sin()[:, None], across.cos()[:, None]
        waves = torch.addcmul(sine * along.cos()[:, :, None], cosine, along.sin()[:, :, None])
        return torch.bmm(waves.flatten(1, 2), mix).view(waves.shape)

    def _beside(self, panorama: Panorama, freqs: torch.Tensor, phases: torch.Tensor, mix: torch.Tensor) -> torch.Tensor:
        """Each picture's waves about its own place, which fade into those of its neighbours: 1×H×W×C."""
        signal = self.signal
        width = round(panorama.sides * signal.rate) + signal.size - signal.rate
        right = places(width, signal.rate)
        # Waves do not know each other: they are as loud between pictures as in them.
        loud = panorama.shares(width, signal.rate).sqrt()
        result = freqs.new_zeros(1, signal.size, width, freqs.shape[1])
        for number, (centre, share) in enumerate(zip(panorama.centres(), loud, strict=True)):
            some, one = share.nonzero()[:, 0], slice(number, number + 1)
            part = self._mixed((right[some] - centre).to(freqs), freqs[one], phases[one], mix[one])
            result[:, :, some] += part * share[some, None].to(part)
        return result


class Layer(Modulated):
    """A convolution with a style, and a leaky ReLU between filters; the last layer has colours in place of these."""

    magnitude_ema: torch.Tensor
    """The mean square of what came in while it learnt."""
    up_filter: torch.Tensor | None
    down_filter: torch.Tensor | None

    def __init__(self, given: int, made: int, geometry: Geometry, w_dim: int, radial: bool) -> None:
        kernel = geometry.kernel
        super().__init__(given, made, kernel, w_dim)
        self.geometry = geometry
        self.conv = nn.Conv2d(given, made, kernel, padding=kernel - 1, bias=False)
        self.style_gain = 1 / math.sqrt(given * kernel**2) if geometry.rgb else 1
        self.register_buffer("magnitude_ema", torch.empty(()))
        up, down = geometry.up_taps, geometry.down_taps
        table = (down, down) if radial and not geometry.critical else (down,)
        self.register_buffer("up_filter", torch.empty(up) if up > 1 else None)
        self.register_buffer("down_filter", torch.empty(table) if down > 1 else None)

    def forward(
        self, x: torch.Tensor, w: torch.Tensor, clamp: float = CLAMP, panorama: Panorama | None = None
    ) -> torch.Tensor:
        """N×C×H×W and styles of N×w_dim to N×F×H'×W'; of a panorama, 1×C×H×W and styles of count×w_dim."""
        geometry = self.geometry
        style = self.affine(w) * self.style_gain
        here = there = style[:, :, None, None]
        if panorama is not None:
            rate, width = geometry.source.rate, x.shape[3]
            here = panorama.blended(style, width, rate)
            there = panorama.blended(style, width + geometry.kernel - 1, rate)
        x = self.modulated(x, here, None if geometry.rgb else there, self.magnitude_ema.rsqrt())
        return filtered_lrelu(
            x,
            self.up_filter,
            self.down_filter,
            up=geometry.up,
            down=geometry.down,
            padding=(*geometry.padding, *geometry.padding),
            gain=1 if geometry.rgb else ROOT2,
            slope=1 if geometry.rgb else SLOPE,
            clamp=clamp,
        )

    def modulated(
        self, x: torch.Tensor, here: torch.Tensor, there: torch.Tensor | None, gain: torch.Tensor
    ) -> torch.Tensor:
        """Convolve, with a style on what comes in and what undoes it on what comes out; and add the bias.

        Args:
            x: N×C×H×W.
            here: The style, N×C×1×1, or where columns have their own N×C×1×W.
            there: The style where results are, N×C×1×1 or N×C×1×W'; None undoes nothing.
            gain: Of what comes in.
        """
        x = self.conv(x * here)
        if there is not None:
            mean = self.kept("mean", lambda: self.conv.weight.square().mean((1, 2, 3)))
            power = self.kept("power", lambda: self.conv.weight.square().sum((2, 3)) / mean[:, None])
            squares = there.square()
            level = squares.mean(1, keepdim=True)
            sums = torch.einsum("fc,ncyx->nfyx", power, squares) / level
            gain = (sums + EPSILON).rsqrt() * level.rsqrt() * (mean.rsqrt() * gain)[:, None, None]
        return torch.addcmul(self.bias[:, None, None], x, gain)


def _moves(style: torch.Tensor) -> torch.Tensor:
    """How a style moves the waves: cosine, sine and shift, N×4, to N×3×3."""
    cosine, sine, right, down = (style / style[:, :2].norm(dim=1, keepdim=True)).unbind(1)
    zero, one = torch.zeros_like(sine), torch.ones_like(sine)
    rows = (
        (cosine, -sine, sine * down - cosine * right),
        (sine, cosine, -sine * right - cosine * down),
        (zero, zero, one),
    )
    return torch.stack([torch.stack(row, 1) for row in rows], 1)
