"""Convolutions that compute 2×2 pixels of their output at once, which fills the processor's vectors better."""

from __future__ import annotations

import torch
from torch.nn import functional as F

# What each row of a 2×2 block takes from three rows of the small picture, for each row of a 3×3 kernel: of a doubled
# picture's rows, two coincide, so their weights add up.
_DOUBLED = (((1, 0, 0), (0, 1, 1), (0, 0, 0)), ((0, 0, 0), (1, 1, 0), (0, 0, 1)))


def conv_in_blocks(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`F.conv2d(x, weight)` for few filters: three of them would leave most of a vector register empty.

    Args:
        x: N×C×H×W.
        weight: F×C×K×K, with H − K and W − K odd, so that the result has an even height and width.

    Returns:
        N×F×(H − K + 1)×(W − K + 1).
    """
    corners = [F.pad(weight, (right, 1 - right, down, 1 - down)) for down in (0, 1) for right in (0, 1)]
    return F.pixel_shuffle(F.conv2d(x, torch.stack(corners, 1).flatten(0, 1), stride=2), 2)


def doubling_conv(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Double the size (nearest neighbour), pad by reflection and convolve 3×3, without ever making the doubled picture.

    Reflecting the doubled picture's first row is repeating the small one's.

    Args:
        x: N×C×H×W.
        weight: F×C×3×3.

    Returns:
        N×F×2H×2W.
    """
    doubled = weight.new_tensor(_DOUBLED)
    blocks = torch.einsum("dys,ext,fcst->fdecyx", doubled, doubled, weight).flatten(0, 2)
    return F.pixel_shuffle(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), blocks), 2)
