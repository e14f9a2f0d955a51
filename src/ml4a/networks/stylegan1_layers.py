"""The layers of StyleGAN's first generator: noise, a bend, and what a style says of each channel.

Karras, Laine and Aila, A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR 2019,
arXiv:1812.04948. Each has a `fold` that multiplies its weights by their scale once and for all, as in training it is
done at every use.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.instance_norm import conditional_instance_norm, conditional_instance_norm_

EPSILON = 1e-8
GAIN = math.sqrt(2)


class Scaled(nn.Module):
    """The bias behind a layer whose weights are scaled when they are used."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class Dense(nn.Module):
    """Every number from every other. Its stored weights are `rate` times as small as they seem, and then scaled."""

    def __init__(self, given: int, made: int, gain: float, rate: float) -> None:
        super().__init__()
        self.fc = nn.Linear(given, made, bias=False)
        self.wscale = Scaled(made)
        self.scale, self.rate = gain / math.sqrt(given) * rate, rate

    def fold(self) -> None:
        """Scale once and for all."""
        self.fc.weight.mul_(self.scale)
        self.fc.bias = nn.Parameter(self.wscale.bias * self.rate, False)
        del self.wscale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C to N×F."""
        return self.fc(x)


class Noise(nn.Module):
    """The layer's noise, and how much of it each channel gets."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.noise: torch.Tensor
        self.register_buffer("noise", torch.zeros(1, 1, side, side))


class StyleModulation(nn.Module):
    """What a style says of a layer: how to scale each channel, and how to shift it."""

    def __init__(self, channels: int, w_dim: int) -> None:
        super().__init__()
        self.dense = Dense(w_dim, 2 * channels, 1, 1)

    def forward(self, w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """N×w to two of N×C."""
        scale, shift = self.dense(w).chunk(2, dim=1)
        return scale + 1, shift


class Epilogue(nn.Module):
    """What is done behind every convolution: noise, bias, a bend, and the style."""

    def __init__(self, channels: int, side: int, w_dim: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.apply_noise = Noise(channels, side)
        self.style_mod = StyleModulation(channels, w_dim)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """N×C×H×W, which is overwritten, and N×w to N×C×H×W."""
        x = x.addcmul_(self.apply_noise.noise, self.apply_noise.weight[:, None, None]).add_(self.bias[:, None, None])
        x = F.leaky_relu_(x, 0.2)
        scale, shift = self.style_mod(w)
        if torch.is_grad_enabled():
            return conditional_instance_norm(x, scale, shift, EPSILON)
        return conditional_instance_norm_(x, scale, shift, EPSILON)


class FirstLayer(nn.Module):
    """Begins with the same pattern for all pictures."""

    def __init__(self, channels: int, side: int, w_dim: int) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.zeros(1, channels, side, side))
        self.epilogue = Epilogue(channels, side, w_dim)

    def forward(self, _: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """N×w to N×C×H×W."""
        start = self.const.contiguous(memory_format=torch.channels_last)
        return self.epilogue(start.repeat(len(w), 1, 1, 1), w)


class Layer(nn.Module):
    """A convolution that keeps the size."""

    def __init__(self, channels: int, side: int, w_dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.epilogue = Epilogue(channels, side, w_dim)

    def fold(self) -> None:
        """Scale the kernel once and for all."""
        self.conv.weight.mul_(GAIN / math.sqrt(9 * self.conv.in_channels))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """N×C×H×W and N×w to N×C×H×W."""
        return self.epilogue(self.conv(x), w)


class Blur(nn.Module):
    """Takes the edge off what was enlarged by repetition."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel: torch.Tensor
        self.register_buffer("kernel", torch.zeros(channels, 1, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to the same."""
        return F.conv2d(x, self.kernel, padding=1, groups=len(self.kernel))


class UpLayer(nn.Module):
    """Doubles the size by repeating pixels, convolves, and blurs.

    Of the repeated pixels each result sees four different ones at most, so that sums of the kernel's numbers serve, in
    a transposed convolution that has half the work.
    """

    def __init__(self, given: int, channels: int, side: int, w_dim: int, fused: bool) -> None:
        super().__init__()
        if fused:
            self.weight = nn.Parameter(torch.zeros(3, 3, given, channels))
        else:
            self.conv = nn.Conv2d(given, channels, 3, padding=1, bias=False)
        self.scale = GAIN / math.sqrt(9 * given)
        self.blur = Blur(channels)
        self.epilogue = Epilogue(channels, side, w_dim)

    def fold(self) -> None:
        """Scale the kernel, and add up what falls on one pixel."""
        if hasattr(self, "weight"):
            kernel = self.weight.permute(2, 3, 0, 1)
            del self.weight
        else:
            kernel = self.conv.weight.flip(2, 3).transpose(0, 1)
            del self.conv
        around = F.pad(kernel * self.scale, (1, 1, 1, 1))
        sums = around[:, :, 1:, 1:] + around[:, :, 1:, :-1] + around[:, :, :-1, 1:] + around[:, :, :-1, :-1]
        self.kernel = nn.Parameter(sums.contiguous(memory_format=torch.channels_last), False)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """N×C×H×W and N×w to N×F×2H×2W."""
        return self.epilogue(self.blur(F.conv_transpose2d(x, self.kernel, stride=2, padding=1)), w)


class Output(nn.Module):
    """The colours of what was painted."""

    def __init__(self, given: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, channels, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def fold(self) -> None:
        """Scale the kernel once and for all."""
        self.conv.weight.mul_(1 / math.sqrt(self.conv.in_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×3×H×W."""
        return self.conv(x) + self.bias[:, None, None]
