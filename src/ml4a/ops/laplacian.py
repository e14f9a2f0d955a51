"""Laplacian pyramids: a picture as its details, from fine to coarse, and what is left.

Burt and Adelson, The Laplacian Pyramid as a Compact Image Code, IEEE Trans. Comm. 1983; normalised as in TensorFlow's
DeepDream of 2015.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

_TAPS = (1, 4, 6, 4, 1)
_LEAST = 1e-10
"""By which a level that is empty is divided."""


def split(x: torch.Tensor, levels: int) -> list[torch.Tensor]:
    """N×C×H×W as `levels` layers of detail, each half the size of the one before, and what is left at the end.

    Sides of 1 px stay so; `merge` gives `x` back, whatever its size.
    """
    found = []
    for _ in range(levels):
        rest = _halved(x)
        found.append(x - _doubled(rest, x))
        x = rest
    return [*found, x]


def merge(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """What `split` has taken apart, put together again."""
    *details, x = parts
    for detail in reversed(details):
        x = _doubled(x, detail) + detail
    return x


def normalised(x: torch.Tensor, levels: int) -> torch.Tensor:
    """N×C×H×W whose details of every size are equally strong: the root of the mean square of each level becomes 1."""
    return merge(
        [part / part.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(_LEAST) for part in split(x, levels)]
    )


def _halved(x: torch.Tensor) -> torch.Tensor:
    """Every second pixel of the blurred picture, with TensorFlow's padding "SAME": even sides begin at the second."""
    top, left = map(_before, x.shape[-2:])
    x = F.pad(x, (left, 2, top, 2))
    return F.conv2d(x, _kernel(x) / 256, stride=2, groups=x.shape[1])


def _doubled(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The contrary, in the size of `like`: each pixel spreads to where it came from."""
    height, width = like.shape[-2:]
    x = F.conv_transpose2d(x, _kernel(x) / 64, stride=2, groups=x.shape[1])
    return x.narrow(2, _before(height), height).narrow(3, _before(width), width)


def _kernel(x: torch.Tensor) -> torch.Tensor:
    """The outer product of the taps, for each channel."""
    taps = x.new_tensor(_TAPS)
    return torch.outer(taps, taps).expand(x.shape[1], 1, -1, -1)


def _before(side: int) -> int:
    """Pixels of padding before a side."""
    return 1 + side % 2
