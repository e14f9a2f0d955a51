"""Keys and shapes of single layers, as torch's modules have them."""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]


def convolution(name: str, channels: int, filters: int, side: int = 3, *, bias: bool = True) -> Shapes:
    """Of nn.Conv2d."""
    shapes: Shapes = {f"{name}.weight": (filters, channels, side, side)}
    return shapes | {f"{name}.bias": (filters,)} if bias else shapes


def batch_norm(name: str, channels: int, *, counter: bool = True) -> Shapes:
    """Of nn.BatchNorm2d; files of before torch 0.4.1 lack the counter."""
    kinds = ("weight", "bias", "running_mean", "running_var")
    shapes: Shapes = {f"{name}.{kind}": (channels,) for kind in kinds}
    return shapes | {f"{name}.num_batches_tracked": ()} if counter else shapes


def normalised(name: str, norm: str, channels: int, filters: int, side: int = 3, *, bias: bool = False) -> Shapes:
    """Of a convolution with the batch normalisation behind it."""
    return convolution(name, channels, filters, side, bias=bias) | batch_norm(norm, filters)
