"""StyleGAN, the first: pictures that a style paints layer by layer; here the generator of in-domain inversion.

Karras, Laine and Aila, A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR 2019,
arXiv:1812.04948. Zhu et al., In-Domain GAN Inversion for Real Image Editing, ECCV 2020, arXiv:2004.00049, give every
layer a style of its own. Attributes carry the names that genforce/idinvert_pytorch gave them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from .state_dict import StateDict, count, load, shape
from .stylegan1_layers import EPSILON, GAIN, Dense, FirstLayer, Layer, Output, UpLayer

_MOST_LEVELS = 11
"""Up to 4096 pixels."""
_MAPPING_RATE = 0.01
"""How much slower the mapping learnt than the rest; its parameters are stored that much larger."""


class StyleGAN1(nn.Module):
    """A latent becomes styles, and each style scales and shifts what one layer has painted, from 4×4 on.

    Args:
        widths: Channels at each size, 4×4, 8×8 and so on.
        z_dim: Numbers of a latent.
        w_dim: Numbers of a style.
        hidden: Channels of the mapping.
        mapping_layers: How many layers the mapping has.
        c_dim: Classes; 0 if there are none.
        repeated: Whether one style is for all layers, as in StyleGAN; else each layer has its own, and the picture goes
            through a tanh at last, as in in-domain inversion.
        fused: For each doubling of the size, whether its kernel is stored as that of a transposed convolution.
        channels: Of the picture.
    """

    def __init__(
        self,
        widths: Sequence[int] = (512, 512, 512, 512, 256, 128, 64),
        z_dim: int = 512,
        w_dim: int = 512,
        hidden: int = 512,
        mapping_layers: int = 8,
        c_dim: int = 0,
        repeated: bool = False,
        fused: Sequence[bool] = (False, False, False, False, True, True),
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.z_dim, self.w_dim, self.c_dim, self.channels = z_dim, w_dim, c_dim, channels
        self.num_ws = 2 * len(widths)
        self.resolution = 4 << (len(widths) - 1)
        self.repeated = repeated
        self.bytes_per_picture = 4 * (4 * widths[-1] + 16) * self.resolution**2
        made = w_dim * (1 if repeated else self.num_ws)
        self.mapping = Mapping(z_dim, hidden, made, mapping_layers, c_dim)
        self.truncation = Truncation(w_dim, self.num_ws)
        self.synthesis = Synthesis(widths, w_dim, fused, channels, bounded=not repeated)

    @property
    def w_avg(self) -> torch.Tensor:
        """The mean style: `w_dim` numbers, for every layer the same."""
        return self.truncation.w_avg

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        psi: float | None = None,
        cutoff: int | None = None,
    ) -> torch.Tensor:
        """Paint the pictures of latents.

        Args:
            z: N×`z_dim`, normally distributed.
            c: N×`c_dim`: how much of each class.
            psi: How far styles are from the mean, 1 being as far as they are; by default what the weights say.
            cutoff: Of how many layers; by default of all.

        Returns:
            N×`channels`×`resolution`×`resolution`, about [-1, 1].
        """
        return self.synthesize(self.truncate(self.map(z, c), psi, cutoff))

    def map(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """The styles of latents, not truncated: N×`num_ws`×`w_dim`."""
        w = self.mapping(z, c)
        return w[:, None].expand(-1, self.num_ws, -1) if self.repeated else w.unflatten(1, (self.num_ws, self.w_dim))

    def truncate(self, ws: torch.Tensor, psi: float | None = None, cutoff: int | None = None) -> torch.Tensor:
        """N×`num_ws`×`w_dim` nearer to the mean style; arguments as those of `forward`."""
        return self.truncation(ws, psi, cutoff)

    def synthesize(self, ws: torch.Tensor) -> torch.Tensor:
        """N×`num_ws`×`w_dim` to pictures as `forward` gives them; gradients reach the styles."""
        return self.synthesis(ws)

    def styles(self) -> list[tuple[int, torch.Tensor]]:
        """For each layer the index of its style, and the matrix that makes 2C scales and shifts of it: 2C×`w_dim`."""
        return [
            (number, layer.epilogue.style_mod.dense.fc.weight) for number, layer in enumerate(self.synthesis.layers)
        ]

    def noises(self) -> list[torch.Tensor]:
        """None that a projection may change: each layer has its noise, and how much of it has been learnt."""
        return []


class Mapping(nn.Module):
    """From a latent, and a class if there are any, to a style."""

    def __init__(self, z_dim: int, hidden: int, w_dim: int, layers: int, c_dim: int) -> None:
        super().__init__()
        self.c_dim = c_dim
        if c_dim:
            self.label_weight = nn.Parameter(torch.zeros(c_dim, z_dim))
        self.dense = []
        given = 2 * z_dim if c_dim else z_dim
        for number in range(layers):
            dense = Dense(given, w_dim if number == layers - 1 else hidden, GAIN, _MAPPING_RATE)
            self.add_module(f"dense{number}", dense)
            self.dense.append(dense)
            given = hidden

    def forward(self, z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
        """N×z and N×c to N×w; without classes, all count as absent."""
        x = z
        if self.c_dim:
            c = z.new_zeros(len(z), self.c_dim) if c is None else c
            x = torch.cat((z, c @ self.label_weight), dim=1)
        x = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + EPSILON)
        for dense in self.dense:
            x = F.leaky_relu(dense(x), 0.2)
        return x


class Truncation(nn.Module):
    """The mean style, and how near to it each layer's style is to be brought if nobody says."""

    def __init__(self, w_dim: int, layers: int) -> None:
        super().__init__()
        self.w_avg: torch.Tensor
        self.truncation: torch.Tensor
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.register_buffer("truncation", torch.ones(1, layers, 1))

    def forward(self, ws: torch.Tensor, psi: float | None, cutoff: int | None) -> torch.Tensor:
        """See `StyleGAN1.truncate`."""
        if psi is None:
            shares = self.truncation
        elif psi == 1:
            return ws
        else:
            shares = torch.ones_like(self.truncation)
            shares[:, :cutoff] = psi
        return self.w_avg + (ws - self.w_avg) * shares


class Synthesis(nn.Module):
    """Two layers a size; the picture is read off the last."""

    def __init__(
        self, widths: Sequence[int], w_dim: int, fused: Sequence[bool], channels: int, *, bounded: bool
    ) -> None:
        super().__init__()
        self.bounded = bounded
        """Whether the picture goes through a tanh."""
        self.lod = nn.Parameter(torch.zeros(()))
        self.skipped = 0
        """Sizes that are left out, as training did before it came to them; the picture is enlarged instead."""
        self.layers: list[FirstLayer | UpLayer | Layer] = []
        self.outputs: list[Output] = []
        for level, width in enumerate(widths):
            side = 4 << level
            first = UpLayer(widths[level - 1], width, side, w_dim, fused[level - 1]) if level else None
            self.layers += [first or FirstLayer(width, side, w_dim), Layer(width, side, w_dim)]
            self.outputs.append(Output(width, channels))
            for number in (2 * level, 2 * level + 1):
                self.add_module(f"layer{number}", self.layers[number])
            self.add_module(f"output{level}", self.outputs[level])

    def forward(self, ws: torch.Tensor) -> torch.Tensor:
        """N×layers×w to N×C×H×W."""
        sizes = len(self.outputs) - self.skipped
        x = ws.new_empty(len(ws), 0)
        for layer, w in zip(self.layers[: 2 * sizes], ws.unbind(1), strict=False):
            x = layer(x, w)
        x = self.outputs[sizes - 1](x)
        x = F.interpolate(x, scale_factor=2**self.skipped) if self.skipped else x
        return x.tanh() if self.bounded else x


def build(state: StateDict) -> StyleGAN1:
    """From the original's keys, such as `synthesis.layer2.epilogue.apply_noise.weight`.

    Raises:
        BadWeights: also where there are more sizes than of any picture, or the level of detail is none of them.
    """
    channels = shape(state, "synthesis.output0.conv.weight")[0]
    levels = count(state, r"synthesis\.output(\d+)\.")
    if levels > _MOST_LEVELS:
        raise BadWeights(
            f"these weights double the size {levels - 1} times, from 4 pixels on; {_MOST_LEVELS - 1} is most"
        )
    widths = [shape(state, f"synthesis.output{level}.conv.weight")[1] for level in range(levels)]
    layers = count(state, r"mapping\.dense(\d+)\.")
    labels = shape(state, "mapping.label_weight", 2) if "mapping.label_weight" in state else None
    hidden, given = shape(state, "mapping.dense0.fc.weight", 2)
    made = shape(state, f"mapping.dense{max(0, layers - 1)}.fc.weight", 2)[0]
    w_dim = shape(state, "truncation.w_avg", 1)[0]
    with torch.device("meta"):
        network = StyleGAN1(
            widths,
            z_dim=labels[1] if labels else given,
            w_dim=w_dim,
            hidden=hidden,
            mapping_layers=layers,
            c_dim=labels[0] if labels else 0,
            repeated=made == w_dim,
            fused=[f"synthesis.layer{2 * level}.weight" in state for level in range(1, levels)],
            channels=channels,
        )
    load(network, state, layout=torch.channels_last)
    network.synthesis.skipped = _skipped(network.synthesis.lod, levels)
    for part in list(network.modules()):
        if isinstance(part, Dense | Layer | UpLayer | Output):
            part.fold()
    return network


def _skipped(lod: torch.Tensor, levels: int) -> int:
    """How many sizes a level of detail leaves out: 0 where only the shapes of weights are known."""
    skipped = 0 if lod.is_meta else math.ceil(lod.item()) if lod.isfinite() else -1
    if not 0 <= skipped < levels:
        raise BadWeights(f"these weights have the level of detail {lod.item():g}, which is not from 0 to {levels - 1}")
    return skipped
