"""StyleGAN2's generator: a latent becomes a style, and the style makes a picture out of a constant.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, arXiv:1912.04958; with labels and the
names of Karras et al., Training Generative Adversarial Networks with Limited Data, NeurIPS 2020, arXiv:2006.06676.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch

from ml4a._core.errors import BadValue, BadWeights

from . import stylegan2_wide
from .state_dict import StateDict, count, listing, load, shape
from .style_generator import StyleGenerator
from .stylegan2_layers import StyledConvolution, StyleMapping
from .stylegan2_synthesis import Architecture, Synthesis

Noise: TypeAlias = Literal["const", "random", "none"] | Sequence[torch.Tensor]


class StyleGAN2(StyleGenerator):
    """A generator, of pictures of 4·2ⁿ pixels.

    Args:
        z_dim: Numbers of a latent.
        c_dim: Kinds of labels; 0 without.
        mapped: How wide each layer of the mapping is; the last is w_dim.
        widths: Channels at 4 pixels, at 8, …
        channels: Of a picture.
        architecture: `"skip"`: colours of all resolutions are added; `"resnet"`: features are; `"orig"`: nothing is.
        noisy: Whether layers add noise.
        taps: Of the filter, in a row.
        embedded: What labels become before they join the latent.
        joined: Whether latent and label are normalised as one, as in 2019.
    """

    def __init__(
        self,
        z_dim: int = 512,
        c_dim: int = 0,
        mapped: Sequence[int] = (512,) * 8,
        widths: Sequence[int] = (512, 512, 512, 512, 512, 256, 128, 64, 32),
        channels: int = 3,
        architecture: Architecture = "skip",
        noisy: bool = True,
        taps: int = 4,
        embedded: int = 0,
        joined: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.synthesis = Synthesis(mapped[-1], widths, channels, architecture, noisy=noisy, taps=taps)
        self.mapping = StyleMapping(z_dim, c_dim, mapped, embedded, joined=joined)
        self.num_ws = self.synthesis.num_ws
        self.resolution = self.synthesis.resolutions[-1]
        self.conv_clamp: float | None = None
        """Where features end, on both sides: networks that were trained in half precision have 256."""
        areas = [width * resolution**2 for width, resolution in zip(widths, self.synthesis.resolutions, strict=True)]
        maps = 5.5 if architecture == "resnet" else 4.5
        self.bytes_per_picture = int(4 * (maps * max(areas) + 18 * max(widths) ** 2))
        """So many maps of the largest size are there at once, and kernels are scaled or rearranged: measured."""

    def forward(
        self,
        z: torch.Tensor,
        c: torch.Tensor | None = None,
        psi: float = 1,
        cutoff: int | None = None,
        noise: Noise = "const",
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """Pictures of latents: `synthesize(truncate(map(z, c), psi, cutoff), noise, generator)`."""
        return self.synthesize(self.truncate(self.map(z, c), psi, cutoff), noise, generator)

    def synthesize(
        self, ws: torch.Tensor, noise: Noise = "const", generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Pictures of styles.

        Args:
            ws: N×num_ws×w_dim.
            noise: `"const"`: the network's own, the same in every picture; `"random"`, or `"none"`; or one for every
                layer that `noises` tells of, H×W or N×1×H×W.
            generator: Draws random noise.

        Returns:
            N×channels×H×W, about in [-1, 1], not clamped.

        Raises:
            BadValue: styles or noises are of another shape than this network's.
        """
        self.check_styles(ws)
        drawn = self._drawn(noise, len(ws), generator)
        *_, (_, image) = self.synthesis.walk(ws, drawn, self.conv_clamp)
        assert image is not None  # the last block always has colours
        return image.contiguous()

    def synthesize_wide(
        self,
        ws: torch.Tensor,
        width: int,
        *,
        loop: bool = False,
        noise: Literal["random", "none"] = "random",
        generator: torch.Generator | None = None,
    ) -> torch.Tensor:
        """One wide picture in which one style turns into the next.

        Args:
            ws: K×num_ws×w_dim, from left to right.
            width: In pixels.
            loop: Whether its right end goes on at its left, so that copies of it can be put side by side.
            noise: `"random"` is always the same, unless there is a generator; `"none"`.
            generator: Draws random noise.

        Returns:
            1×channels×resolution×width, about in [-1, 1], not clamped.

        Raises:
            BadValue: styles are of another shape than this network's, or there are none; the width is less than 1, or
                that of a loop is no multiple of `resolution` / 4.
        """
        self.check_styles(ws)
        return stylegan2_wide.synthesized(self, ws, width, loop, noise, generator)

    def styles(self) -> list[tuple[int, torch.Tensor]]:
        """For each layer with a style: the index of its w, and the matrix that makes its style of it, given×w_dim."""
        found, first = [], 0
        for block in self.synthesis.blocks:
            found += [(first + number, layer.affine.matrix) for number, layer in enumerate(block.layers)]
            first += len(block.layers)
            if block.coloured:
                colours = block.torgb.affine.matrix
                found.append((first, colours * (1 / math.sqrt(len(colours)))))
        return found

    def noises(self) -> list[torch.Tensor]:
        """The constant noise of each layer, H×W, in order; none if there is none."""
        return [layer.noise_const for layer in self._layers if layer.noisy]

    @property
    def _layers(self) -> list[StyledConvolution]:
        return list(itertools.chain.from_iterable(block.layers for block in self.synthesis.blocks))

    def _drawn(self, noise: Noise, number: int, generator: torch.Generator | None) -> Sequence[torch.Tensor | None]:
        layers = self._layers
        if noise == "none" or not layers[0].noisy:
            return [None] * len(layers)
        if noise == "const":
            return self.noises()
        if noise == "random":
            device = self.w_avg.device
            place = device if generator is None else generator.device
            shapes = [(number, 1, layer.resolution, layer.resolution) for layer in layers]
            return [torch.randn(each, generator=generator, device=place).to(device) for each in shapes]
        if isinstance(noise, str):
            raise BadValue(f"noise must be 'const', 'random', 'none', or a tensor for each layer, not {noise!r}")
        sides = [each.shape[-2:] for each in noise]
        if sides != [(layer.resolution, layer.resolution) for layer in layers]:
            raise BadValue(f"noise must be of {len(layers)} tensors that are as large as their layers' pictures")
        return noise


def build(state: StateDict) -> StyleGAN2:
    """From the keys of StyleGAN2-ADA's `Generator`.

    Raises:
        BadWeights: as `load`; also where the numbers of resolutions do not go on without a gap.
    """
    depth = count(state, r"mapping\.fc(\d+)\.weight")
    if not depth:
        raise BadWeights("these weights lack 'mapping.fc0.weight'")
    mapped = [shape(state, f"mapping.fc{number}.weight", 2)[0] for number in range(depth)]
    widths = [
        shape(state, f"synthesis.b{resolution}.conv1.weight")[0]
        for resolution in resolutions(state, r"synthesis\.b(\d{1,6})\.")
    ]
    top = f"synthesis.b{2 << len(widths)}"
    labels = "mapping.embed.weight" in state
    joined = labels and "mapping.embed.bias" not in state
    kinds = tuple(shape(state, "mapping.embed.weight", 2)) if labels else (0, 0)
    c_dim, embedded = kinds if joined else kinds[::-1]
    z_dim = shape(state, "mapping.fc0.weight", 2)[1] - embedded
    architecture: Architecture = (
        "skip" if "synthesis.b4.torgb.weight" in state else "resnet" if "synthesis.b8.skip.weight" in state else "orig"
    )
    channels = shape(state, f"{top}.torgb.weight")[0]
    noisy = "synthesis.b4.conv1.noise_const" in state
    taps = shape(state, "synthesis.b4.resample_filter", 2)[0]
    if z_dim < 1:
        raise BadWeights(f"these weights have 'mapping.embed.weight' for {embedded} numbers, more than are mapped")
    with torch.device("meta"):
        network = StyleGAN2(z_dim, c_dim, mapped, widths, channels, architecture, noisy, taps, embedded, joined=joined)
    return load(network, state, layout=torch.channels_last)


def blended(one: StyleGAN2, other: StyleGAN2, resolution: int, share: float = 1) -> StyleGAN2:
    """A new generator: the first, with the second's blocks from a resolution on.

    Pinkney & Adler, Resolution Dependent GAN Interpolation, 2020, arXiv:2010.05334: if the second is the first, trained
    on, poses and shapes are those of the one, and textures those of the other.

    Args:
        one: Its mapping is the new one's, too.
        other: Of the same sizes.
        resolution: 4, 8, … the first of the second's blocks.
        share: How much these blocks are the second's, 0 to 1.

    Raises:
        BadWeights: the two are not of one shape.
        BadValue: a resolution that they have not, or a share outside 0 to 1.
    """
    state, others = one.state_dict(), other.state_dict()
    unlike = [key for key in [*state, *others] if key not in state or key not in others]
    unlike = unlike or [key for key, tensor in state.items() if tensor.shape != others[key].shape]
    if unlike:
        raise BadWeights(
            f"the two networks differ in {listing(unlike)}; only networks of the same sizes can be blended"
        )
    if resolution not in one.synthesis.resolutions:
        known = ", ".join(map(str, one.synthesis.resolutions))
        raise BadValue(f"resolution must be one of {known}, not {resolution}")
    if not 0 <= share <= 1:
        raise BadValue(f"share must be from 0 to 1, not {share}")
    for side in one.synthesis.resolutions:
        for key in [key for key in state if side >= resolution and key.startswith(f"synthesis.b{side}.")]:
            state[key] = torch.lerp(state[key], others[key], share)
    network = build({key: tensor.detach().clone() for key, tensor in state.items()})
    network.conv_clamp = one.conv_clamp
    return network


def resolutions(state: StateDict, pattern: str = r"b(\d{1,6})\.") -> list[int]:
    """4, 8, … as many as there are blocks of in the keys; `pattern`'s group finds them.

    Raises:
        BadWeights: one of them is missing, or is none of these.
    """
    found = sorted({int(match[1]) for key in state if (match := re.match(pattern, key))})
    due = [4 << number for number in range(max(2, len(found)))]
    if found != due:
        shown = ", ".join(map(str, found[:20])) or "no"
        raise BadWeights(f"these weights have blocks of {shown} pixels, where {', '.join(map(str, due[:20]))} are due")
    return found
