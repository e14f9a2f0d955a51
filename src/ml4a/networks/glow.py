"""Glow: pictures to latents and back, exactly, by a flow of invertible steps.

Kingma & Dhariwal, Glow: Generative Flow with Invertible 1×1 Convolutions, NeurIPS 2018, arXiv:1807.03039. Attributes
carry the names that openai/glow gave its variables, with dots for slashes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from ml4a._core.errors import BadWeights

from .glow_latents import MultiScale
from .glow_layers import Patches, Prior, Split, Step
from .state_dict import StateDict, count, load, shape

Coupling = Literal["additive", "affine"]
Permutation = Literal["mixing", "shuffle", "reversal"]

_FIRST = "model/0/0/"
_NOT_OF_THE_FLOW = ("model/classifier/", "Variable", "adam_t")
"""What training has besides: a head that guesses the class, and the optimiser's memory, which has no names."""
_AVERAGED = "/ExponentialMovingAverage"


class Glow(MultiScale):
    """A flow: squeezes 2×2 pixels into channels, mixes and shifts these again and again, and lets half of them go.

    What is let go at a level, and what is left at the end, is normalised by what the network expects it to be: such
    latents of a natural picture look like noise of variance 1. All steps are undone exactly by `decode`.

    Args:
        levels: Squeezes; the sides of a picture are multiples of 2 to this power.
        depth: Steps of a level.
        width: Hidden channels of each step's network.
        coupling: Half of the channels is shifted (additive), or shifted and scaled (affine), by what the other says.
        permutation: How channels are brought together before: by a matrix, by a fixed shuffle, or in reverse order.
        channels: Of the pictures.
        learned_top: Whether the last latents' mean and deviation are learnt, rather than 0 and 1.
        classes: Of a network that was trained with labels; 0 without.
    """

    def __init__(
        self,
        levels: int = 6,
        depth: int = 32,
        width: int = 512,
        coupling: Coupling = "additive",
        permutation: Permutation = "mixing",
        channels: int = 3,
        learned_top: bool = True,
        classes: int = 0,
    ) -> None:
        super().__init__(levels, channels)
        self.classes = classes
        size = 4 * channels
        for level in range(levels):
            steps = (Step(size, width, coupling == "affine", permutation) for _ in range(depth))
            self.add_module(str(level), nn.ModuleList(steps))
            if level < levels - 1:
                self.add_module(f"pool{level}", Split(size // 2))
                size *= 2
        self.prior = Prior(size, learned_top, classes)

    def forward(
        self, picture: torch.Tensor, bits: int = 5, labels: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        """The latents of pictures in eight bits.

        Args:
            picture: N×C×H×W, whole numbers from 0 to 255 of any type.
            bits: How many of the eight the network was trained with: of CelebA-HQ 5.
            labels: As in `encode`.

        Returns:
            As `encode`; without the noise that training, and the original program, puts where bits are cut off.
        """
        return self.encode(dequantised(picture, bits), labels)

    @torch.no_grad()
    def encode(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """The latents of pictures.

        Args:
            x: N×C×H×W in [-0.5, 0.5), sides multiples of `in_multiple`.
            labels: N whole numbers, the classes; all are 0 if they are left out.

        Returns:
            For each level N×c×h×w, as `sizes` has them.

        Raises:
            BadValue: sides that are none of these multiples, or labels that are none.
        """
        return self.analyse(x, labels).latents

    @torch.no_grad()
    def analyse(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> Analysis:
        """What `encode` gives, what the last level looks like before it is normalised, and how likely the pictures are.

        Args:
            x: As in `encode`.
            labels: As in `encode`.
        """
        self.check_picture(x)
        z = x.transpose(0, 1)  # channels × pictures, so that a product of matrices is for all pictures at once
        density = x.new_zeros(len(x))
        latents = []
        for level in range(self.levels):
            z = F.pixel_unshuffle(z.transpose(0, 1), 2).transpose(0, 1).contiguous()
            patches = Patches(len(z) // 2, z.shape[1:], z)
            for step in self._steps(level):
                z, change = step.encode(z, patches)
                density += change
            if level < self.levels - 1:
                z, away = z.chunk(2)
                mean, logs = self._split(level).expected(z, patches)
                latents.append(_normalised(away, mean, logs))
                density += _log_density(latents[-1], logs)
        mean, logs = self.prior.expected(z.shape[1:], labels)
        latents.append(_normalised(z, mean, logs))
        density += _log_density(latents[-1], logs)
        return Analysis(tuple(each.transpose(0, 1) for each in latents), z.transpose(0, 1), density)

    @torch.no_grad()
    def decode(self, latents: Sequence[torch.Tensor], labels: torch.Tensor | None = None) -> torch.Tensor:
        """The pictures that have these latents.

        Args:
            latents: As `encode` gives them.
            labels: As in `encode`.

        Returns:
            N×C×H×W, nominally in [-0.5, 0.5), not clamped.

        Raises:
            BadValue: latents that do not belong together.
        """
        self.check_latents(latents)
        *away, top = (each.transpose(0, 1) for each in latents)
        mean, logs = self.prior.expected(top.shape[1:], labels)
        z = mean.addcmul_(logs.exp_(), top)
        for level in reversed(range(self.levels)):
            patches = Patches(2 * self.channels << level, z.shape[1:], z)
            if level < self.levels - 1:
                mean, logs = self._split(level).expected(z, patches)
                z = torch.cat((z, mean + logs.exp() * away[level]))
            for step in reversed(self._steps(level)):
                z = step.decode(z, patches)
            z = F.pixel_shuffle(z.transpose(0, 1), 2).transpose(0, 1)
        return z.transpose(0, 1).contiguous()

    @torch.no_grad()
    def step(self, z: torch.Tensor, level: int = 0, number: int = 0) -> torch.Tensor:
        """What one step makes of N×C×H×W, the channels of its level."""
        inner = z.transpose(0, 1).contiguous()
        patches = Patches(len(inner) // 2, inner.shape[1:], inner)
        made, _ = self._steps(level)[number].encode(inner, patches)
        return made.transpose(0, 1)

    def bits_per_dimension(self, x: torch.Tensor, bits: int = 5, labels: torch.Tensor | None = None) -> torch.Tensor:
        """How many bits a number of each picture would take if the network compressed it: N.

        Args:
            x: As in `encode`.
            bits: As in `forward`.
            labels: As in `encode`.
        """
        numbers = x[0].numel()
        return (bits * math.log(2) - self.analyse(x, labels).log_density / numbers) / math.log(2)

    def prepare(self) -> Glow:
        """Fold what is the same for every picture. Called once the weights are there, which it replaces."""
        for name, part in self.named_modules():
            if isinstance(part, Step | Split | Prior):
                part.prepare(f"model/{name.replace('.', '/')}")
        return self

    def _steps(self, level: int) -> list[Step]:
        steps = self.get_submodule(str(level))
        return list(steps)  # type: ignore[call-overload]

    def _split(self, level: int) -> Split:
        split = self.get_submodule(f"pool{level}")
        assert isinstance(split, Split)
        return split


@dataclass(frozen=True, slots=True)
class Analysis:
    """What a flow finds in pictures."""

    latents: tuple[torch.Tensor, ...]
    """For each level N×c×h×w."""
    top: torch.Tensor
    """N×c×h×w: what the last latents are before they are normalised."""
    log_density: torch.Tensor
    """N: the natural logarithm of the probability density at each picture."""


def dequantised(picture: torch.Tensor, bits: int = 5) -> torch.Tensor:
    """Pictures from 0 to 255 as the network was given them, but for the noise: the lower edges of 2^bits steps."""
    levels = (picture.float() / 2 ** (8 - bits)).floor_() if bits < 8 else picture.float()
    return levels / 2**bits - 0.5


def quantised(x: torch.Tensor, bits: int = 5) -> torch.Tensor:
    """What `decode` gives as uint8, as the original program rounds it: to the lower edges of 2^bits steps."""
    bins = 2**bits
    return (((x + 0.5) * bins).floor_() * (256 / bins)).clamp_(0, 255).to(torch.uint8)


def build(state: StateDict) -> Glow:
    """From TensorFlow's variables, such as `model/0/0/invconv/W`; averages over training go before its last step's."""
    state = _variables(state)
    size = shape(state, f"{_FIRST}actnorm_center/b")[3]
    width = shape(state, f"{_FIRST}f1/l_1/W")[3]
    out = shape(state, f"{_FIRST}f1/l_last/W")[3]
    if size % 4 or out not in (size, size // 2):
        raise BadWeights(f"these weights have steps of {size} channels, whose networks give {out}; Glow has no such")
    permutation: Permutation = "reversal"
    if f"{_FIRST}invconv/W" in state:
        permutation = "mixing"
    elif f"{_FIRST}shuffle/indices" in state:
        permutation = "shuffle"
    label = "model/prior/y_emb/W"
    with torch.device("meta"):
        network = Glow(
            levels=count(state, r"model/(\d+)/"),
            depth=count(state, r"model/0/(\d+)/"),
            width=width,
            coupling="affine" if out == size else "additive",
            permutation=permutation,
            channels=size // 4,
            learned_top="model/prior/p/W" in state,
            classes=shape(state, label, 2)[0] if label in state else 0,
        )
    return load(network, state, lambda key: f"model/{key.replace('.', '/')}").prepare()


def _variables(state: StateDict) -> StateDict:
    found: StateDict = {}
    for key, tensor in state.items():
        if key.startswith(_NOT_OF_THE_FLOW) or f"{_AVERAGED}/" in key:
            continue
        variable = key.removesuffix(_AVERAGED)
        if variable != key or f"{key}{_AVERAGED}" not in state:
            found[variable] = tensor
    return found


def _normalised(z: torch.Tensor, mean: torch.Tensor, logs: torch.Tensor) -> torch.Tensor:
    return (z - mean) * torch.exp(-logs)


def _log_density(noise: torch.Tensor, logs: torch.Tensor) -> torch.Tensor:
    """Of c×N×h×w that became this noise by a division by exp(logs): N."""
    return -(0.5 * math.log(2 * math.pi) + logs + 0.5 * noise.square()).sum(dim=(0, 2, 3))
