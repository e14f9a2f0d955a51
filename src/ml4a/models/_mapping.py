"""What a generator's mapping makes of many latents: the styles that it uses, their middle and how far they spread.

A generator is whatever has the attributes and methods of the StyleGANs here: `z_dim`, `c_dim`, `map` …
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

MANY = 10_000
"""Latents that StyleGAN2's projector draws."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where styles are."""

    middle: torch.Tensor
    """1×num_ws×w_dim."""
    spread: float
    """The root of their mean squared distance from there, in one layer."""


def drawn(
    network: Any, count: int = MANY, seed: int = 123, label: torch.Tensor | None = None
) -> Iterator[torch.Tensor]:
    """The styles of `count` normal latents, some hundred at a time: N×num_ws×w_dim, without gradients.

    They are drawn from NumPy's `RandomState`, as the originals do.

    Args:
        network: A StyleGAN.
        count: How many.
        seed: Of the latents.
        label: 1×c_dim, for a network that knows labels; by default each latent has one by chance.
    """
    import torch

    device = network.w_avg.device
    random = np.random.RandomState(seed)
    for start in range(0, count, _AT_ONCE):
        number = min(_AT_ONCE, count - start)
        z = torch.from_numpy(random.randn(number, network.z_dim).astype(np.float32)).to(device)
        c = None
        if network.c_dim and label is None:
            c = torch.eye(network.c_dim, device=device)[torch.from_numpy(random.randint(network.c_dim, size=number))]
        elif network.c_dim and label is not None:
            c = label.to(device).expand(number, -1)
        with torch.no_grad():
            ws = network.map(z, c)
        yield ws


def cloud(network: Any, count: int = MANY, seed: int = 123, label: torch.Tensor | None = None) -> Cloud:
    """Where the styles of `count` latents are; they are drawn as `drawn` does."""
    batches = drawn(network, count, seed, label)
    head = next(batches)
    layers = 1 if bool((head == head[:, :1]).all()) else head.shape[1]  # most networks give all layers the same
    near = head[:, :layers].cpu().double().mean(dim=0)  # sums of what is left from there lose no digits
    total, squares = near * 0, 0.0
    for ws in itertools.chain([head], batches):
        away = ws[:, :layers].cpu().double() - near
        total += away.sum(dim=0)
        squares += float(away.square().sum())
    moved = total / count
    spread = max(0.0, squares / count - float(moved.square().sum())) / layers
    return Cloud((near + moved).float().expand(1, head.shape[1], -1).to(head.device), math.sqrt(spread))
