"""From a grid of vectors to a grid of tokens: the nearest entry of a codebook, or the one that is scored the highest.

van den Oord et al., Neural Discrete Representation Learning, NeurIPS 2017, arXiv:1711.00937; Jang et al., Categorical
Reparameterization with Gumbel-Softmax, ICLR 2017, arXiv:1611.01144.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

_SCORES = 1 << 24
"""That are held at once: a large picture has tens of thousands of places, and a codebook as many tokens."""


class Quantiser(nn.Module):
    """What both kinds share: a table of `codes` vectors of `width` numbers."""

    codes: int
    width: int

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        """P×width to P×codes: the higher, the sooner the token is taken."""
        raise NotImplementedError

    def vectors(self, tokens: torch.Tensor) -> torch.Tensor:
        """N×h×w tokens to their vectors, N×width×h×w."""
        raise NotImplementedError

    def tokens(self, z: torch.Tensor) -> torch.Tensor:
        """N×width×h×w to the token of each place, N×h×w, int64; of two that are as good, the lower."""
        places = z.permute(0, 2, 3, 1)
        flat = places.reshape(-1, places.shape[3])
        at_once = max(1, _SCORES // self.codes)
        best = [self.scores(some).argmax(dim=1) for some in flat.split(at_once)]
        return torch.cat(best).view(places.shape[:3])


class VectorQuantiser(Quantiser):
    """The token whose vector is nearest."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.codes, self.width = codes, width
        self.embedding = nn.Embedding(codes, width)

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        """Less the squared distance, but for what is the same for all tokens."""
        table = self.embedding.weight
        return torch.addmm(-table.square().sum(dim=1), vectors, table.T, alpha=2)

    def vectors(self, tokens: torch.Tensor) -> torch.Tensor:
        """N×h×w tokens to their vectors, N×width×h×w."""
        return self.embedding(tokens).permute(0, 3, 1, 2)

    @staticmethod
    def loss(z: torch.Tensor, quantised: torch.Tensor, beta: float = 0.25) -> torch.Tensor:
        """What training adds: vectors and codebook are drawn towards each other, the codebook `beta` times as much.

        (The paper weights them the other way round; the networks were trained like this.)
        """
        return F.mse_loss(z, quantised.detach()) + beta * F.mse_loss(quantised, z.detach())


class GumbelQuantiser(Quantiser):
    """The token that a 1×1 convolution scores highest.

    In training tokens are drawn by their scores, with less and less chance; what is not trained takes the likeliest.
    (The original goes on drawing: of one picture, it makes other tokens each time.)
    """

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.codes, self.width = codes, width
        self.proj = nn.Conv2d(width, codes, 1)
        self.embed = nn.Embedding(codes, width)

    def logits(self, z: torch.Tensor) -> torch.Tensor:
        """N×width×h×w to N×codes×h×w."""
        return self.proj(z)

    def scores(self, vectors: torch.Tensor) -> torch.Tensor:
        """The logits."""
        return F.linear(vectors, self.proj.weight[:, :, 0, 0], self.proj.bias)

    def vectors(self, tokens: torch.Tensor) -> torch.Tensor:
        """N×h×w tokens to their vectors, N×width×h×w."""
        return self.embed(tokens).permute(0, 3, 1, 2)

    def loss(self, logits: torch.Tensor, weight: float = 1e-8) -> torch.Tensor:
        """What training adds: how far the scores are from all tokens being as likely."""
        likely = logits.softmax(dim=1)
        return weight * (likely * torch.log(likely * self.codes + 1e-10)).sum(dim=1).mean()


def temperature(step: int, highest: float = 0.9, lowest: float = 1e-6, steps: int = 1_000_001) -> float:
    """How much chance there is at a step of training: half a wave of the cosine from `highest` to `lowest`."""
    return lowest + 0.5 * (highest - lowest) * (1 + math.cos(min(step / steps, 1.0) * math.pi))
