"""VQGAN at its official size: decoding, and the writing of tokens. Weights are drawn at random."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.models._window_sampling import STRIDE, WindowSampler
from ml4a.networks.gpt import GPT, Cache
from ml4a.networks.vqgan import AttnBlock, ResnetBlock, Upsample, VQModel
from ml4a.ops import winograd

from .race import race

_CODES = 1024
_STEPS = 4
"""Tokens of each contender: the slow ones take seconds for each."""


def main() -> None:
    with torch.inference_mode():
        decoding()
        standing_window()
        moving_window()


def decoding() -> None:
    network = VQModel(codes=16384).eval().requires_grad_(False).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    nn.init.normal_(network.quantize.get_parameter("embedding.weight"))
    fast, plain = copy.deepcopy(network), copy.deepcopy(network)
    winograd.quicken(fast.decoder)
    plainly(plain).to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    tokens = torch.randint(0, 16384, (1, 16, 16))
    due = plain.decode_tokens(tokens)
    for ours in (fast, network):
        assert (ours.decode_tokens(tokens) - due).abs().max() < 1e-3 * due.std()
    race(
        "VQGAN, 16x16 tokens to 256x256 px",
        {
            "ml4a, auto (fast_float32)": lambda: fast.decode_tokens(tokens),
            "ml4a, float32": lambda: network.decode_tokens(tokens),
            "the same graph, eager, float32": lambda: plain.decode_tokens(tokens),
        },
        rounds=3,
    )


def standing_window() -> None:
    """In the middle of a picture of 256 pixels."""
    writer = _writer()
    tokens = torch.randint(0, _CODES, (1, 256 + 128))
    cache = Cache.of(writer)
    writer.follow(tokens, cache)

    def cached() -> None:
        for _ in range(_STEPS):
            writer.follow(tokens[:, -1:], cache)
        cache.length -= _STEPS

    def recomputed() -> None:
        padded = F.pad(tokens, (0, 127))  # the original computes the whole window, and takes one of the results
        for _ in range(_STEPS):
            writer(padded)

    race(
        f"{_STEPS} tokens of a picture of 256x256 px, 24 layers",
        {"ml4a, with a cache": cached, "the whole window again each time, eager": recomputed},
        rounds=2,
    )


def moving_window() -> None:
    """In the middle of a row of a picture of 512 pixels."""
    writer = _writer(layers=6)  # a quarter of the official ones, since nothing is saved but whole windows
    given = torch.randint(0, _CODES, (32, 32))

    def written(stride: int) -> None:
        sampler = WindowSampler(writer, given, _CODES, stride=stride)
        for column in range(12, 12 + STRIDE):  # from where the fast window begins to stand still
            sampler.logits(16, column)

    def recomputed() -> None:
        for _ in range(STRIDE):
            writer(torch.zeros(1, 511, dtype=torch.long))

    race(
        f"{STRIDE} tokens of a picture of 512x512 px, 6 layers",
        {
            "ml4a, fast": lambda: written(STRIDE),
            "ml4a": lambda: written(1),
            "the whole window again each time, eager": recomputed,
        },
        rounds=1,
    )


def plainly(network: nn.Module) -> nn.Module:
    """The network with the layers as they are published."""
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            kinds = {ResnetBlock: _Block, AttnBlock: _Attention, Upsample: _Doubling}
            if type(part) in kinds:
                setattr(module, name, kinds[type(part)](part))
    return network


class _Block(nn.Module):
    def __init__(self, of: ResnetBlock) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        of = self.of
        change = of.norm1(x)
        change = of.conv1(change * torch.sigmoid(change))
        change = of.norm2(change)
        change = of.conv2(change * torch.sigmoid(change))
        return of.nin_shortcut(x) + change


class _Attention(nn.Module):
    def __init__(self, of: AttnBlock) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        of = self.of
        known = of.norm(x)
        query, key, value = (conv(known).flatten(2) for conv in (of.q, of.k, of.v))
        shares = torch.bmm(query.transpose(1, 2), key).mul(x.shape[1] ** -0.5).softmax(dim=2)
        return x + of.proj_out(torch.bmm(value, shares.transpose(1, 2)).view(x.shape))


class _Doubling(nn.Module):
    def __init__(self, of: Upsample) -> None:
        super().__init__()
        self.of = of

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.of.conv(F.interpolate(x, scale_factor=2.0))


def _writer(layers: int = 24) -> GPT:
    return GPT(_CODES, 512, layers, 16, 1024).eval().requires_grad_(False)
