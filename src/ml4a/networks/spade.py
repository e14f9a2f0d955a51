"""SPADE (GauGAN): a photograph of a map that says what is where.

Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019. Attributes carry the original's
key names.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.semantic_map import Patterns, SemanticMap, convolved, convolved_again

from .batch_norm import without_counters
from .state_dict import StateDict, count, load, shape

CITYSCAPES = (35, 36)
"""Channels of maps of streets; the official network for them doubles once more, which no key tells."""
_EPSILON = 1e-5
_AT_ONCE = 1 << 18
"""Numbers that are looked up at once on a processor, so that they are still in its cache when they are multiplied."""


class SoftMap:
    """A map whose pixels may be of several kinds at once: N×C×H×W."""

    def __init__(self, semantics: torch.Tensor) -> None:
        self.semantics = semantics

    def at(self, height: int, width: int) -> torch.Tensor:
        """The map at another size, of the nearest pixels."""
        return F.interpolate(self.semantics, size=(height, width))

    dense = at


Layout: TypeAlias = Patterns | torch.Tensor
"""A map at one size: of few kinds of pixels, or of any, N×C×H×W."""


class SPADEGenerator(nn.Module):
    """Draws from coarse to fine; at each size the map says how to scale and shift what is there.

    Args:
        channels: Of the map: labels, and where the network was trained with them, "unknown" and edges of instances.
        width: Channels at the full size; there are sixteen times as many at the smallest.
        hidden: Channels between the map and what it says.
        doublings: 5, 6 or 7, which the original calls normal, more and most.
        latent: Numbers that choose a style; 0 if the map alone decides.
        cells: With a style, how many pixels the smallest size has.
    """

    scale = 1
    overlap = None
    """Statistics are fixed, but objects are as large as the picture."""

    def __init__(
        self, channels: int, width: int = 64, hidden: int = 128, doublings: int = 5, latent: int = 0, cells: int = 0
    ) -> None:
        super().__init__()
        self.channels = channels
        self.doublings = doublings
        self.latent = latent
        self.cells = cells
        deep = 16 * width
        self.fc = nn.Linear(latent, cells * deep) if latent else nn.Conv2d(channels, deep, 3, padding=1)
        widths = [deep, deep, deep, deep, 8 * width, 4 * width, 2 * width, width, width // 2]
        names = ["head_0", "G_middle_0", "G_middle_1", *(f"up_{level}" for level in range(5 if doublings == 7 else 4))]
        self.blocks = names
        for name, given, made in zip(names, widths, widths[1:], strict=False):
            self.add_module(name, ResidualBlock(given, made, channels, hidden))
        self.conv_img = nn.Conv2d(widths[len(names)], 3, 3, padding=1)
        self.bytes_per_pixel = 4 * (channels + hidden + 13 * width)

    @property
    def in_multiple(self) -> int:
        """The start is this many times smaller."""
        return 2**self.doublings

    @property
    def tile_multiple(self) -> int:
        """See `in_multiple`."""
        return self.in_multiple

    def forward(self, semantics: torch.Tensor, style: torch.Tensor | None = None) -> torch.Tensor:
        """Draw what a map says.

        Args:
            semantics: N×C×H×W, one channel a label; the picture is as large, rounded to multiples of `in_multiple`.
            style: N×`latent`, normally distributed; by default zeros, the mean of all styles.

        Returns:
            N×3×H×W, RGB in [-1, 1].
        """
        return self.draw(SemanticMap.of(semantics) or SoftMap(semantics), semantics.shape[-2:], style)

    def draw(
        self, what: SemanticMap | SoftMap, size: tuple[int, int] | torch.Size, style: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Draw a picture of `size` (height, width), rounded; the map may be of any size. Otherwise as `forward`."""
        height, width = self.grid(*size)
        if isinstance(self.fc, nn.Conv2d):
            x = self.fc(what.dense(height, width).contiguous(memory_format=torch.channels_last))
        else:
            style = self.fc.weight.new_zeros(1, self.latent) if style is None else style
            x = self.fc(style).reshape(len(style), -1, height, width)
        for name in self.blocks:
            if name not in ("head_0", "G_middle_1") or (name == "G_middle_1" and self.doublings > 5):
                x = F.interpolate(x, scale_factor=2)
            x = self.get_submodule(name)(x, what.at(*x.shape[-2:]))
        return self.conv_img(F.leaky_relu_(x, 0.2)).tanh_()

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the smallest size. With a style their product is fixed, and only the shape follows."""
        if not self.latent:
            return max(1, round(height / self.in_multiple)), max(1, round(width / self.in_multiple))
        pairs = [(rows, self.cells // rows) for rows in range(1, self.cells + 1) if self.cells % rows == 0]
        return min(pairs, key=lambda pair: abs(math.log(pair[0] * width / (pair[1] * height))))


class ResidualBlock(nn.Module):
    """Two convolutions and a way around them, each behind a normalisation that the map steers."""

    def __init__(self, given: int, made: int, channels: int, hidden: int) -> None:
        super().__init__()
        between = min(given, made)
        self.conv_0 = SpectralConv(given, between)
        self.conv_1 = SpectralConv(between, made)
        self.norm_0 = SpatialNorm(given, channels, hidden)
        self.norm_1 = SpatialNorm(between, channels, hidden)
        self.conv_s: SpectralConv | None = None
        self.norm_s: SpatialNorm | None = None
        if given != made:
            self.conv_s = SpectralConv(given, made, side=1, bias=False)
            self.norm_s = SpatialNorm(given, channels, hidden)

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """N×C×H×W to N×F×H×W."""
        change = self.conv_0(F.leaky_relu_(self.norm_0(x, layout), 0.2))
        change = self.conv_1(F.leaky_relu_(self.norm_1(change, layout), 0.2))
        if self.conv_s is not None and self.norm_s is not None:
            x = self.conv_s(self.norm_s(x, layout))
        return change.add_(x)


class SpectralConv(nn.Conv2d):
    """A convolution whose kernel is divided by its largest singular value, which training kept track of."""

    def __init__(self, channels: int, filters: int, *, side: int = 3, stride: int = 1, bias: bool = True) -> None:
        super().__init__(channels, filters, side, stride, padding=side // 2, bias=bias)
        self.weight_orig = self.weight
        del self.weight
        self.weight_u: torch.Tensor
        self.weight_v: torch.Tensor
        self.register_buffer("weight_u", torch.zeros(filters))
        self.register_buffer("weight_v", torch.zeros(channels * side**2))

    def fold(self) -> None:
        """Divide once and for all."""
        self.weight = nn.Parameter(self.weight_orig.div_(self.largest_singular_value()), False)
        del self.weight_orig, self.weight_u, self.weight_v

    def largest_singular_value(self) -> torch.Tensor:
        """As the two vectors of training have it."""
        return torch.dot(self.weight_u, torch.mv(self.weight_orig.flatten(1), self.weight_v))


class Statistics(nn.Module):
    """Mean and variance of each channel in training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.running_mean: torch.Tensor
        self.running_var: torch.Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))


class SpatialNorm(nn.Module):
    """Normalises each channel, then scales and shifts each pixel of it as the map says."""

    def __init__(self, channels: int, given: int, hidden: int) -> None:
        super().__init__()
        self.param_free_norm = Statistics(channels)
        self.mlp_shared = nn.Sequential(nn.Conv2d(given, hidden, 3, padding=1))
        self.mlp_gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def fold(self) -> None:
        """Have `mlp_gamma` and `mlp_beta` give the whole product and sum: (x - m)/d·(1 + γ) + β is x·γ' + β'."""
        scale = torch.rsqrt(self.param_free_norm.running_var + _EPSILON)
        mean = self.param_free_norm.running_mean
        (gamma, gamma_bias), (beta, beta_bias) = self.mlp_gamma.parameters(), self.mlp_beta.parameters()
        gamma.mul_(scale[:, None, None, None])
        gamma_bias.add_(1).mul_(scale)
        beta.addcmul_(gamma, mean[:, None, None, None], value=-1)
        beta_bias.addcmul_(gamma_bias, mean, value=-1)
        del self.param_free_norm

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """N×C×H×W to the same."""
        if isinstance(layout, torch.Tensor):
            hidden = F.relu_(self.mlp_shared(layout))
            return torch.addcmul(self.mlp_beta(hidden), x, self.mlp_gamma(hidden))
        return _looked_up(x, *self.by_pattern(layout), layout.places)

    def by_pattern(self, patterns: Patterns) -> tuple[torch.Tensor, torch.Tensor]:
        """What to multiply with and what to add in the middle of each 5×5 pattern, both Q×C."""
        hidden = F.relu_(convolved(patterns, *self.mlp_shared.parameters()))
        factors, terms = self.mlp_gamma.parameters(), self.mlp_beta.parameters()
        return convolved_again(patterns, hidden, *factors), convolved_again(patterns, hidden, *terms)


def build(state: StateDict) -> SPADEGenerator:
    """From the original's keys, such as `up_0.norm_s.mlp_gamma.weight`."""
    channels = shape(state, "head_0.norm_0.mlp_shared.0.weight")[1]
    hidden = shape(state, "head_0.norm_0.mlp_shared.0.weight")[0]
    width = max(1, shape(state, "head_0.conv_0.weight_orig")[0] // 16)
    doublings = 7 if "up_4.conv_0.weight_orig" in state else 6 if channels in CITYSCAPES else 5
    latent = cells = 0
    if "fc.weight" in state and state["fc.weight"].ndim == 2:
        made, latent = shape(state, "fc.weight", 2)
        cells = made // (16 * width)
    with torch.device("meta"):
        network = SPADEGenerator(channels, width, hidden, doublings, latent, cells)
    load(network, without_counters(state))
    for part in list(network.modules()):
        if isinstance(part, SpectralConv | SpatialNorm):
            part.fold()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class StyleEncoder(nn.Module):
    """The style of a picture, for generators that take one.

    Args:
        width: Channels of the first layer.
        layers: How many there are; each halves the picture.
        latent: Numbers of a style.
    """

    def __init__(self, width: int = 64, layers: int = 6, latent: int = 256) -> None:
        super().__init__()
        self.layers = layers
        widths = [3, *(width * min(2**level, 8) for level in range(layers))]
        for level, (given, made) in enumerate(pairwise(widths), start=1):
            layer = SpectralConv(given, made, stride=2, bias=False)
            self.add_module(f"layer{level}", nn.Sequential(layer, nn.InstanceNorm2d(made), nn.LeakyReLU(0.2, True)))
        self.fc_mu = nn.Linear(widths[-1] * 16, latent)
        self.fc_var = nn.Linear(widths[-1] * 16, latent)

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode N×3×H×W, RGB in [-1, 1]: the mean of its style, and the logarithm of the variance; N×`latent` each."""
        side = 4 * 2**self.layers
        x = picture
        if x.shape[-2:] != (side, side):
            x = F.interpolate(x, size=(side, side), mode="bilinear")
        for level in range(1, self.layers + 1):
            x = self.get_submodule(f"layer{level}")(x)
        x = x.flatten(1)
        return self.fc_mu(x), self.fc_var(x)


def build_encoder(state: StateDict) -> StyleEncoder:
    """From the original's keys, such as `layer1.0.weight_orig`."""
    width = shape(state, "layer1.0.weight_orig")[0]
    layers = count(state, r"layer(\d+)\.") - 1
    with torch.device("meta"):
        network = StyleEncoder(width, layers, shape(state, "fc_mu.weight", 2)[0])
    load(network, state)
    for part in list(network.modules()):
        if isinstance(part, SpectralConv):
            part.fold()
    return network


def _looked_up(x: torch.Tensor, factors: torch.Tensor, terms: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Each pixel of N×C×H×W times its factors, plus its terms."""
    count, channels, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
    made = torch.empty_like(pixels)
    step = max(1, _AT_ONCE // channels) if x.device.type == "cpu" else len(pixels)
    for part, at, out in zip(pixels.split(step), places.split(step), made.split(step), strict=True):
        torch.addcmul(terms[at], part, factors[at], out=out)
    return made.reshape(count, height, width, channels).permute(0, 3, 1, 2)
