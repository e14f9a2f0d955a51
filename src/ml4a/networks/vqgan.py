"""VQGAN: a picture as a grid of tokens, and back.

Esser et al., Taming Transformers for High-Resolution Image Synthesis, CVPR 2021, arXiv:2012.09841. Attributes carry the
names of CompVis/taming-transformers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights
from ml4a.ops.winograd import WinogradConv2d

from .state_dict import StateDict, count, load, shape
from .vqgan_quantisers import GumbelQuantiser, Quantiser, VectorQuantiser

Network = TypeVar("Network", bound="VQModel")

_GROUPS = 32
_ALIKE = ((1, 0, 0), (1, 1, 0), (0, 1, 1), (0, 0, 1))
"""Which rows of a 3×3 kernel one pixel of a picture reaches in each row around it when the picture is doubled."""
_OF_TRAINING = "loss."
"""In front of the keys of what only training needs: VGG-16, with which pictures are compared, and the discriminator."""


class VQModel(nn.Module):
    """Encoder, codebook of the nearest vector, decoder.

    Args:
        channels: Of the picture: 3, or as many as there are labels.
        width: Channels of the first level, a multiple of 32.
        multiples: Channels of each level, from the finest to the coarsest, in `width`s; each is half as large.
        blocks: Residual blocks a level; the decoder has one more.
        attention: Levels at which each place also looks at all others, counted from 0, the finest.
        latent: Channels of what the encoder gives.
        codes: Tokens in the codebook.
        code_width: Numbers of a token's vector.
    """

    scale = 1
    overlap = None
    """Each place looks at all others."""

    def __init__(
        self,
        channels: int = 3,
        width: int = 128,
        multiples: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int = 2,
        attention: Sequence[int] = (4,),
        latent: int = 256,
        codes: int = 1024,
        code_width: int = 256,
    ) -> None:
        super().__init__()
        self.channels, self.codes = channels, codes
        widths = [width * multiple for multiple in multiples]
        self.encoder = Encoder(channels, widths, blocks, attention, latent)
        self.decoder = Decoder(channels, widths, blocks, attention, latent)
        self.quantize = self.quantiser(codes, code_width)
        self.quant_conv = nn.Conv2d(latent, code_width, 1)
        self.post_quant_conv = nn.Conv2d(code_width, latent, 1)
        self.in_multiple = self.tile_multiple = 2 ** (len(multiples) - 1)
        # Eight maps at a time in the fast form, five in the plain one, by measurement.
        self.bytes_per_pixel = 4 * (2 * channels + 8 * max(w / 4**level for level, w in enumerate(widths)))

    @staticmethod
    def quantiser(codes: int, width: int) -> Quantiser:
        """The codebook."""
        return VectorQuantiser(codes, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What is left of a picture when it has been tokens.

        Args:
            x: N×channels×H×W, RGB in [-1, 1]; sides are multiples of `in_multiple`.

        Returns:
            The same, not clamped.
        """
        return self.decode(self.quantize.vectors(self.tokens(x)))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to the vectors of its places before they are quantised, N×code_width×h×w."""
        return self.quant_conv(self.encoder(x))

    def tokens(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to tokens, N×h×w, int64, below `codes`."""
        return self.quantize.tokens(self.encode(x))

    def decode(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors, also such as no token has, N×code_width×h×w, to N×channels×H×W."""
        return self.decoder(self.post_quant_conv(vectors))

    def decode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens, N×h×w, to N×channels×H×W."""
        return self.decode(self.quantize.vectors(tokens))


class GumbelVQ(VQModel):
    """The same with a codebook whose tokens are scored (see `GumbelQuantiser`); `latent` and `code_width` are equal."""

    quantize: GumbelQuantiser

    @staticmethod
    def quantiser(codes: int, width: int) -> Quantiser:
        """The codebook."""
        return GumbelQuantiser(codes, width)


class VQSegmentationModel(VQModel):
    """The same for label maps: one-hot labels in, logits out. Its colours were drawn by chance."""

    def __init__(
        self,
        channels: int = 182,
        width: int = 128,
        multiples: Sequence[int] = (1, 1, 2, 2, 4),
        blocks: int = 2,
        attention: Sequence[int] = (4,),
        latent: int = 256,
        codes: int = 1024,
        code_width: int = 256,
    ) -> None:
        super().__init__(channels, width, multiples, blocks, attention, latent, codes, code_width)
        self.colorize: torch.Tensor
        self.register_buffer("colorize", torch.empty(3, channels, 1, 1))

    def to_rgb(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W labels in colours, N×3×H×W, from -1, the least of all, to 1, the most."""
        colors = F.conv2d(x, self.colorize)
        low, high = colors.aminmax()
        return 2 * (colors - low) / (high - low) - 1


class Encoder(nn.Module):
    """From the picture to `latent` channels at the coarsest level."""

    def __init__(
        self, channels: int, widths: Sequence[int], blocks: int, attention: Sequence[int], latent: int
    ) -> None:
        super().__init__()
        self.conv_in = _conv(channels, widths[0])
        self.down = nn.ModuleList()
        given = widths[0]
        for level, width in enumerate(widths):
            part = _Level(given, width, blocks, level in attention)
            if level < len(widths) - 1:
                part.downsample = Downsample(width)
            self.down.append(part)
            given = width
        self.mid = Middle(given)
        self.norm_out = _norm(given)
        self.conv_out = _conv(given, latent)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×channels×H×W to N×latent×h×w."""
        x = self.conv_in(x.contiguous(memory_format=torch.channels_last))
        for level in self.down:
            x = level(x)
        return self.conv_out(_swish(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """The way back. Levels are numbered as the encoder's: 0 is the finest, and the last to be computed."""

    def __init__(
        self, channels: int, widths: Sequence[int], blocks: int, attention: Sequence[int], latent: int
    ) -> None:
        super().__init__()
        given = widths[-1]
        self.conv_in = _conv(latent, given)
        self.mid = Middle(given)
        parts = []
        for level in reversed(range(len(widths))):
            part = _Level(given, widths[level], blocks + 1, level in attention)
            if level:
                part.upsample = Upsample(widths[level])
            parts.append(part)
            given = widths[level]
        self.up = nn.ModuleList(reversed(parts))
        self.norm_out = _norm(given)
        self.conv_out = _conv(given, channels)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """N×latent×h×w to N×channels×H×W."""
        x = self.mid(self.conv_in(z.contiguous(memory_format=torch.channels_last)))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(_swish(self.norm_out(x)))


class _Level(nn.Module):
    """Residual blocks of one size, each with attention behind it or none, and what leads to the next size."""

    def __init__(self, given: int, width: int, blocks: int, attention: bool) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResnetBlock(width if number else given, width) for number in range(blocks))
        self.attn = nn.ModuleList(AttnBlock(width) for _ in range(blocks if attention else 0))
        self.downsample: Downsample | None = None
        self.upsample: Upsample | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[number](x)
        change = self.downsample or self.upsample
        return x if change is None else change(x)


class Middle(nn.Module):
    """At the coarsest level, between the way down and the way up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block_1 = ResnetBlock(width, width)
        self.attn_1 = AttnBlock(width)
        self.block_2 = ResnetBlock(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×width×h×w to the same."""
        return self.block_2(self.attn_1(self.block_1(x)))


class ResnetBlock(nn.Module):
    """Two convolutions, each behind a normalisation and a swish, and a way around them."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.norm1 = _norm(given)
        self.conv1 = _conv(given, made)
        self.norm2 = _norm(made)
        self.conv2 = _conv(made, made)
        self.nin_shortcut = nn.Conv2d(given, made, 1) if given != made else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×given×H×W to N×made×H×W."""
        # One step at a time: what is not needed any more is let go before the next map is made.
        change = self.conv1(_swish(self.norm1(x)))
        change = _swish(self.norm2(change))
        change = self.conv2(change)
        return change.add_(self.nin_shortcut(x))


class AttnBlock(nn.Module):
    """Each place asks all places, with one head as wide as the map, and adds the answer to itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×width×H×W to the same."""
        known = self.norm(x)
        # Places in a row: N×1×HW×width, which channels-last maps are already.
        query, key, value = (_in_a_row(conv(known)) for conv in (self.q, self.k, self.v))
        answer = F.scaled_dot_product_attention(query, key, value)
        size = (len(x), *x.shape[-2:], x.shape[1])
        return self.proj_out(answer.view(size).permute(0, 3, 1, 2)).add_(x)


class Downsample(nn.Module):
    """Half the size; the picture grows by a row of zeros below and a column to the right."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×width×H×W to N×width×⌊H/2⌋×⌊W/2⌋."""
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Twice the size: each pixel becomes four alike, which are convolved."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = _conv(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×width×H×W to N×width×2H×2W."""
        if isinstance(self.conv, WinogradConv2d):  # which saves more than what follows
            return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        # Of nine neighbours, some are alike: their weights are added up, and four multiplications are left.
        alike = x.new_tensor(_ALIKE)
        kernel = torch.einsum("is,jt,fcst->cfij", alike, alike, self.conv.weight.flip(2, 3))
        return F.conv_transpose2d(x, kernel, self.conv.bias, stride=2, padding=1)


def build(state: StateDict) -> VQModel:
    """From the original's keys, such as `encoder.down.4.attn.0.norm.weight`; those of training are dropped."""
    return _built(VQModel, state)


def build_gumbel(state: StateDict) -> GumbelVQ:
    """The same of a network with scored tokens."""
    return _built(GumbelVQ, state)


def build_segmentation(state: StateDict) -> VQSegmentationModel:
    """The same of a network for labels."""
    return _built(VQSegmentationModel, state)


def sizes(state: StateDict, kind: type[VQModel], prefix: str = "") -> dict[str, Any]:
    """What a network of that kind is made with.

    Args:
        state: By key.
        kind: The class.
        prefix: In front of the network's keys, if there are others beside it.
    """
    encoder = f"{prefix}encoder"
    width, channels = shape(state, f"{encoder}.conv_in.weight")[:2]
    levels = count(state, rf"{encoder}\.down\.(\d+)\.")
    made = [shape(state, f"{encoder}.down.{level}.block.0.conv1.weight")[0] for level in range(levels)]
    looking = re.compile(rf"{prefix}(encoder\.down|decoder\.up)\.(\d+)\.attn\.")
    attention = sorted({int(match[2]) for key in state if (match := looking.match(key))})
    code_width, latent = shape(state, f"{prefix}quant_conv.weight")[:2]
    codebook = "embed" if issubclass(kind, GumbelVQ) else "embedding"
    return {
        "channels": channels,
        "width": width,
        "multiples": [_multiple(given, width) for given in made],
        "blocks": count(state, rf"{encoder}\.down\.0\.block\.(\d+)\."),
        "attention": attention,
        "latent": latent,
        "codes": shape(state, f"{prefix}quantize.{codebook}.weight", 2)[0],
        "code_width": code_width,
    }


def without_training(state: StateDict, prefix: str = "") -> StateDict:
    """The state dict without what only training needs."""
    return {key: tensor for key, tensor in state.items() if not key.startswith(f"{prefix}{_OF_TRAINING}")}


def _built(kind: type[Network], state: StateDict) -> Network:
    state = without_training(state)
    with torch.device("meta"):
        network = kind(**sizes(state, kind))
    return load(network, state, layout=torch.channels_last)


def _multiple(given: int, width: int) -> int:
    if width % _GROUPS or given % width:
        raise BadWeights(
            f"these weights have levels of {width} and {given} channels, which are no multiples of {_GROUPS}"
        )
    return given // width


def _conv(channels: int, filters: int) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, 3, padding=1)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(_GROUPS, channels, eps=1e-6)


def _swish(x: torch.Tensor) -> torch.Tensor:
    """In place where nobody wants gradients: the normalised values are not needed again."""
    return F.silu(x, inplace=not torch.is_grad_enabled())


def _in_a_row(x: torch.Tensor) -> torch.Tensor:
    return x.permute(0, 2, 3, 1).reshape(len(x), 1, -1, x.shape[1])
