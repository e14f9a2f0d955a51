"""Batch normalisation as it is used: with the statistics of training, folded into the convolution before it."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F

from .state_dict import StateDict

Network = TypeVar("Network", bound=nn.Module)

_COUNTER = ".num_batches_tracked"


class BatchNorm(nn.Module):
    """Normalises each channel by its mean and variance in training, then scales and shifts it.

    It has the keys of torch.nn.BatchNorm2d, but for the counter `num_batches_tracked`, which is of no use here.
    `epsilon` is added to the variance.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: torch.Tensor
        self.running_var: torch.Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W or N×C×T to the same."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.epsilon)

    def as_product(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What each channel is multiplied by, and what is added to it."""
        scale = self.weight / torch.sqrt(self.running_var + self.epsilon)
        return scale, self.bias - self.running_mean * scale


def without_counters(state: StateDict) -> StateDict:
    """The state dict without the counters of batches, which files of before torch 0.4.1 do not have."""
    return {key: tensor for key, tensor in state.items() if not key.endswith(_COUNTER)}


def folded(network: Network) -> Network:
    """Multiply each `BatchNorm` into the convolution before it; nothing is left of it.

    A network says what belongs together by order: the normalisation stands right behind its convolution, as the next
    attribute of the same module or the next layer of the same `Sequential`.
    """
    for module in network.modules():
        before: nn.Module | None = None
        for name, part in list(module.named_children()):
            if isinstance(part, BatchNorm) and isinstance(before, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
                _fold(before, part)
                setattr(module, name, nn.Identity())
            before = part
    return network


def _fold(conv: nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d, norm: BatchNorm) -> None:
    scale, shift = norm.as_product()
    if conv.bias is not None:
        shift = shift + conv.bias * scale
    pictures = conv.weight.ndim == 4
    layout = torch.channels_last if pictures and conv.weight.is_contiguous(memory_format=torch.channels_last) else None
    rest = [1] * (conv.weight.ndim - 2)
    # A transposed convolution has its filters second.
    kernel = conv.weight * scale.reshape((1, -1, *rest) if isinstance(conv, nn.ConvTranspose2d) else (-1, 1, *rest))
    conv.weight = nn.Parameter(kernel if layout is None else kernel.contiguous(memory_format=layout), False)
    conv.bias = nn.Parameter(shift, False)
