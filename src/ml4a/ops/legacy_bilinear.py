"""Bilinear interpolation as TensorFlow 1 did it: from corners, not from centres."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def doubled(x: torch.Tensor) -> torch.Tensor:
    """Double the size: pixels stay where they are, at even places, and the means of neighbours stand between them.

    This is `tf.image.resize_bilinear` without `align_corners` and without `half_pixel_centers`. It moves a picture by a
    quarter of a (small) pixel to the top left, for which networks that were trained with it make up.

    Args:
        x: N×C×H×W.

    Returns:
        N×C×2H×2W. The last row and column are repeated.
    """
    height, width = x.shape[-2:]
    # With one more row and column, corners are aligned at a step of exactly one half.
    x = F.pad(x, (0, 1, 0, 1), mode="replicate")
    x = F.interpolate(x, size=(2 * height + 1, 2 * width + 1), mode="bilinear", align_corners=True)
    return x[:, :, :-1, :-1]


def resized(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The same for any size: a pixel's place is multiplied by how much smaller the result is. Nothing is blurred first.

    Args:
        x: N×C×H×W.
        size: Width and height of the result.
    """
    for axis, side in ((3, size[0]), (2, size[1])):
        x = _along(x, axis, side)
    return x


def _along(x: torch.Tensor, axis: int, side: int) -> torch.Tensor:
    before = x.shape[axis]
    if before == side:
        return x
    place = torch.arange(side, device=x.device) * torch.tensor(before / side, dtype=torch.float32, device=x.device)
    lower = place.long()
    share = (place - lower).to(x.dtype).view((-1, 1) if axis == 2 else (-1,))
    first = x.index_select(axis, lower)
    second = x.index_select(axis, (lower + 1).clamp(max=before - 1))
    return torch.lerp(first, second, share)
