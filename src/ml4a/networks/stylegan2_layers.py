"""The layers of StyleGAN2: fully connected ones, the mapping of latents to styles, convolutions that styles scale.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, arXiv:1912.04958. Weights are stored as
normal noise; what they are divided by at run time (equalised learning rate) is in each layer's gain. Attributes carry
the names that NVIDIA's program of 2020 gave them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional as F

from ml4a.ops.upfirdn import downsample2d, upfirdn2d, upsample2d
from ml4a.ops.winograd import WinogradConv2d

ROOT2 = math.sqrt(2)
EPSILON = 1e-8
SLOPE = 0.2

_FEW = 16**2
"""Pixels up to which a transposed convolution is quickest as one product of matrices."""
_VALUES = 1 << 21
"""From which on torch takes up to twice the time for each, if they are convolved at once."""

_ACTIVATIONS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], float]] = {
    "linear": (lambda x: x, 1),
    "relu": (F.relu, ROOT2),
    "lrelu": (lambda x: F.leaky_relu(x, SLOPE), ROOT2),
    "tanh": (torch.tanh, 1),
    "sigmoid": (torch.sigmoid, 1),
    "elu": (F.elu, 1),
    "selu": (F.selu, 1),
    "softplus": (F.softplus, 1),
    "swish": (F.silu, ROOT2),
}
"""What each does, and what brings normal noise back to its deviation then."""


def bias_act(
    x: torch.Tensor,
    bias: torch.Tensor | None = None,
    activation: str = "linear",
    gain: float | None = None,
    clamp: float | None = None,
) -> torch.Tensor:
    """Add a bias, bend, scale, and clamp: in this order.

    Args:
        x: N×C or N×C×H×W.
        bias: C.
        activation: One of linear, relu, lrelu, tanh, sigmoid, elu, selu, softplus, swish.
        gain: By default what keeps the deviation.
        clamp: Where results end, on both sides.
    """
    bend, usual = _ACTIVATIONS[activation]
    if bias is not None:
        x = x + bias.view(1, -1, *[1] * (x.ndim - 2))
    x = bend(x) * (usual if gain is None else gain)
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalised(x: torch.Tensor) -> torch.Tensor:
    """N×C, each row brought to a mean square of 1."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


class FullyConnected(nn.Module):
    """A matrix and a bias, and a leaky ReLU if it is wanted."""

    def __init__(self, given: int, made: int, *, activation: str = "linear", rate: float = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(made, given))
        self.bias = nn.Parameter(torch.empty(made))
        self.activation = activation
        self.rate = rate
        """How much slower than others it learns; weights are stored as many times larger."""

    @property
    def matrix(self) -> torch.Tensor:
        """What inputs are multiplied by: made×given."""
        return self.weight * (self.rate / math.sqrt(self.weight.shape[1]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """N×given to N×made."""
        bias = self.bias if self.rate == 1 else self.bias * self.rate
        x = torch.addmm(bias, x, self.weight.T, alpha=self.rate / math.sqrt(self.weight.shape[1]))
        return bias_act(x, activation=self.activation)


class LabelConcat(nn.Module):
    """What conditional networks of 2019 have in place of an embedding: a vector for each label."""

    def __init__(self, labels: int, made: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(labels, made))

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        """N×labels to N×made."""
        return labels @ self.weight


class StyleMapping(nn.Module):
    """Latents, labels, or both, to styles.

    Args:
        z_dim: Numbers of a latent; 0 if labels alone are mapped.
        c_dim: Kinds of labels; 0 without.
        widths: Of each layer; the last is w_dim.
        embedded: What labels become before they join the latent.
        joined: Whether latent and labels are normalised as one, as in 2019.
        averaged: Whether it knows its styles' mean.
        rate: How much slower than others it learns.
    """

    w_avg: torch.Tensor

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        widths: Sequence[int],
        embedded: int = 0,
        *,
        joined: bool = False,
        averaged: bool = True,
        rate: float = 0.01,
    ) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.joined = z_dim, c_dim, joined
        self.depth = len(widths)
        if averaged:
            self.register_buffer("w_avg", torch.empty(widths[-1]))
        if c_dim:
            self.embed = LabelConcat(c_dim, embedded) if joined else FullyConnected(c_dim, embedded)
        given = z_dim + (embedded if c_dim else 0)
        for number, width in enumerate(widths):
            self.add_module(f"fc{number}", FullyConnected(given, width, activation="lrelu", rate=rate))
            given = width

    def forward(self, z: torch.Tensor | None, c: torch.Tensor | None = None) -> torch.Tensor:
        """N×z_dim, N×c_dim to N×w_dim."""
        parts = [] if z is None else [z if self.joined else normalised(z)]
        if self.c_dim:
            assert c is not None
            labels = self.embed(c)
            parts.append(labels if self.joined else normalised(labels))
        x = torch.cat(parts, 1)
        if self.joined:
            x = normalised(x)
        for number in range(self.depth):
            x = self.get_submodule(f"fc{number}")(x)
        return x


class Convolution(nn.Module):
    """A convolution without a style, which may halve or double its picture: of discriminators and of residual skips."""

    resample_filter: torch.Tensor

    def __init__(
        self,
        given: int,
        made: int,
        side: int,
        *,
        up: bool = False,
        down: bool = False,
        bias: bool = True,
        taps: int = 4,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(made, given, side, side))
        self.bias = nn.Parameter(torch.empty(made)) if bias else None
        self.register_buffer("resample_filter", torch.empty(taps, taps))
        self.up, self.down = up, down

    def forward(
        self, x: torch.Tensor, gain: float = 1, clamp: float | None = None, activation: str = "lrelu"
    ) -> torch.Tensor:
        """N×C×H×W to N×F×H'×W', biased, bent, times `gain` and clamped to `gain`·`clamp`."""
        side = self.weight.shape[2]
        weight = self.weight * (1 / math.sqrt(self.weight[0].numel()))
        f = self.resample_filter
        if self.down and side > 1:
            taps = f.shape[0]
            before, after = (taps - 1) // 2 + side // 2, taps // 2 - 1 + side // 2
            x = F.conv2d(upfirdn2d(x, f, padding=(before, after, before, after)), weight, stride=2)
        else:
            x = downsample2d(x, f) if self.down else x
            x = F.conv2d(x, weight, padding=side // 2)
            x = upsample2d(x, f) if self.up else x
        return bias_act(x, self.bias, activation, _ACTIVATIONS[activation][1] * gain, _times(clamp, gain))


class Modulated(nn.Module):
    """What convolutions with a style share: the style scales what comes in.

    A kernel that is multiplied by a style and brought back to its deviation is the kernel itself, with what comes in
    multiplied by the style, and what comes out by a number for each filter. So one kernel does for all pictures.
    """

    def __init__(self, given: int, made: int, side: int, w_dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, side, padding=side // 2, bias=False)
        self.bias = nn.Parameter(torch.empty(made))
        self.affine = FullyConnected(w_dim, given)
        self._kept: dict[str, torch.Tensor] = {}
        self.register_state_dict_post_hook(_official_name)
        self.register_load_state_dict_pre_hook(_own_name)

    def kept(self, name: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What depends on the kernel alone: made once, unless the kernel is learning."""
        if self.conv.weight.requires_grad:
            return make()
        if name not in self._kept:
            with torch.inference_mode(False), torch.no_grad():
                self._kept[name] = make()
        return self._kept[name]

    def forget(self) -> None:
        """Drop what was kept: the kernel is another one now."""
        self._kept = {}

    def _apply(self, fn: Any, recurse: bool = True) -> Self:  # what `to` and its like do
        self.forget()
        super()._apply(fn, recurse)
        if self.conv.weight.device.type != "cpu":  # channels last are for processors
            self.conv.weight.data = self.conv.weight.data.contiguous()
        return self


class StyledConvolution(Modulated):
    """A convolution of 3×3 with a style, which may double its picture; then noise, a bias, and a leaky ReLU."""

    resample_filter: torch.Tensor
    noise_const: torch.Tensor

    def __init__(
        self, given: int, made: int, w_dim: int, resolution: int, *, up: bool = False, noisy: bool = True, taps: int = 4
    ) -> None:
        super().__init__(given, made, 3, w_dim)
        self.register_buffer("resample_filter", torch.empty(taps, taps))
        self.up, self.noisy, self.resolution = up, noisy, resolution
        if noisy:
            self.noise_strength = nn.Parameter(torch.empty(()))
            self.register_buffer("noise_const", torch.empty(resolution, resolution))

    def forward(
        self,
        x: torch.Tensor,
        w: torch.Tensor,
        noise: torch.Tensor | None = None,
        gain: float = 1,
        clamp: float | None = None,
    ) -> torch.Tensor:
        """N×C×H×W, styles of N×w_dim, and noise of H'×W' or N×1×H'×W' to N×F×H'×W'."""
        style = self.affine(w)
        scale = self.demodulation(style) * (ROOT2 * gain)
        if torch.is_grad_enabled() or x.device.type != "cpu":
            x = self.convolved(x * style[:, :, None, None])
            return self.finished(x, scale[:, :, None, None], noise, gain, clamp)
        bias = self.bias * (ROOT2 * gain)
        made = [self._biased(*each, bias) for each in zip(x.split(1), style, scale, strict=True)]
        return self._bent(made[0] if len(made) == 1 else torch.cat(made), noise, gain, clamp)

    def demodulation(self, style: torch.Tensor) -> torch.Tensor:
        """What brings each filter's results back to their deviation: N×given to N×made."""
        power = self.kept("power", lambda: self.conv.weight.square().sum((2, 3)))
        return (style.square() @ power.T + EPSILON).rsqrt()

    def finished(
        self,
        x: torch.Tensor,
        scale: torch.Tensor,
        noise: torch.Tensor | None,
        gain: float = 1,
        clamp: float | None = None,
    ) -> torch.Tensor:
        """What was convolved, times `scale`, with noise and bias, bent and clamped.

        Args:
            x: N×C×H×W.
            scale: What it is multiplied by, `gain` and what makes up for the leaky ReLU included; N×C×1×1 or N×C×1×W.
            noise: H×W or N×1×H×W.
            gain: Of the layer.
            clamp: Where results end, before the gain.
        """
        return self._bent((x * scale).add_((self.bias * (ROOT2 * gain))[:, None, None]), noise, gain, clamp)

    def _bent(self, x: torch.Tensor, noise: torch.Tensor | None, gain: float, clamp: float | None) -> torch.Tensor:
        """`x` itself, with noise, after the leaky ReLU and the clamp."""
        if noise is not None and self.noisy:
            x.add_(noise * (self.noise_strength * (ROOT2 * gain)))
        x = F.leaky_relu_(x, SLOPE)
        return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)

    def convolved(self, x: torch.Tensor) -> torch.Tensor:
        """The convolution alone, N×C×H×W to N×F×H'×W'."""
        if not self.up:
            return self.conv(x)
        return upfirdn2d(self._doubled(x), self.resample_filter, padding=self._around, gain=4)

    def _biased(self, x: torch.Tensor, style: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The convolution of one picture, times `scale`, plus `bias`; the smaller of picture and kernel is scaled."""
        weight = self.conv.weight
        if self.up:
            f = self.resample_filter.flip(0, 1) * (4 * scale[:, None, None, None])
            return self._doubled_and_filtered(x * style[:, None, None], f, bias)
        if isinstance(self.conv, WinogradConv2d) or weight.numel() > 2 * x.numel():
            x = self.conv(x * style[:, None, None])
            return torch.addcmul(bias[:, None, None], x, scale[:, None, None], out=x)
        return F.conv2d(x, weight * (scale[:, None] * style)[:, :, None, None], bias, padding=1)

    def _doubled_and_filtered(self, x: torch.Tensor, f: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The transposed convolution of 1×C×H×W and then the filters F×1×h×w, some rows at a time if it is large."""
        height, width = x.shape[2:]
        before, after, _, _ = self._around
        rows = max(1, _VALUES // (x.shape[1] * width))
        if height <= rows:
            even = before == after
            x = self._doubled(x)
            return F.conv2d(x if even else F.pad(x, self._around), f, bias, padding=before * even, groups=len(bias))
        result = x.new_empty(1, 2 * height, 2 * width, len(bias)).permute(0, 3, 1, 2)
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            first, last = max(top - before // 2 - 1, 0), min(bottom + after // 2 + 1, height)
            above, below = 2 * (top - first) - before, 2 * (last - bottom) - after
            band = F.pad(self._doubled(x[:, :, first:last]), (before, after, -above, -below))
            result[:, :, 2 * top : 2 * bottom] = F.conv2d(band, f, bias, groups=len(bias))
        return result

    def _doubled(self, x: torch.Tensor) -> torch.Tensor:
        """The transposed convolution before the filter: N×C×H×W to N×F×2·H + 1×2·W + 1."""
        if torch.is_grad_enabled() or x.device.type != "cpu" or x.shape[2] * x.shape[3] > _FEW:
            return F.conv_transpose2d(x, self.conv.weight.transpose(0, 1), stride=2)
        matrix = self.kept("matrix", lambda: self.conv.weight.permute(1, 2, 3, 0).flatten(1).contiguous())
        count, channels, height, width = x.shape
        products = (x.permute(0, 2, 3, 1).reshape(-1, channels) @ matrix).view(count, height, width, 3, 3, -1)
        whole = products.new_zeros(count, 2 * height + 1, 2 * width + 1, products.shape[-1])
        for row in range(3):
            for column in range(3):
                whole[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += products[:, :, :, row, column]
        return whole.permute(0, 3, 1, 2)

    @property
    def _around(self) -> tuple[int, int, int, int]:
        """Of the filter behind the transposed convolution."""
        before, after = (len(self.resample_filter) + 1) // 2 - 1, len(self.resample_filter) // 2 - 1
        return before, after, before, after


class ToRGB(Modulated):
    """Features to colours, with a style."""

    def __init__(self, given: int, channels: int, w_dim: int) -> None:
        super().__init__(given, channels, 1, w_dim)

    def forward(self, x: torch.Tensor, w: torch.Tensor, clamp: float | None = None) -> torch.Tensor:
        """N×C×H×W, styles of N×w_dim, to N×channels×H×W."""
        style = self.affine(w) * (1 / math.sqrt(x.shape[1]))
        colours = (self.conv.weight[None, :, :, 0, 0] * style[:, None]).transpose(1, 2)
        pixels = x.permute(0, 2, 3, 1)
        x = torch.matmul(pixels.flatten(1, 2), colours).view(*pixels.shape[:3], -1)
        x = (x + self.bias).permute(0, 3, 1, 2)
        return x if clamp is None else x.clamp(-clamp, clamp)


def _official_name(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """The kernel is in a part of its own, but files have it as the layer's."""
    state[f"{prefix}weight"] = state.pop(f"{prefix}conv.weight")


def _own_name(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    if isinstance(module, Modulated):
        module.forget()  # what was made of another kernel
    if f"{prefix}weight" in state:
        state[f"{prefix}conv.weight"] = state.pop(f"{prefix}weight")


def _times(clamp: float | None, gain: float) -> float | None:
    return None if clamp is None else clamp * gain
