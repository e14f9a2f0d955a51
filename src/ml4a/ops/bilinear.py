"""Bilinear resizing some rows at a time, for results that are too large to be there as a whole."""

from __future__ import annotations

import torch
from torch.nn import functional as F

_FEW = 256
"""Values in a row up to which multiplying by a matrix, most of which is zero, is the quickest way to more of them."""


def resized_rows(
    values: torch.Tensor, size: tuple[int, int], rows: slice, *, above: int = 0, height: int | None = None
) -> torch.Tensor:
    """Some rows of `values`, h×w×C, at another size, as `interpolate(…, mode="bilinear")` has them.

    Channels come last, so that what is done with all channels of a pixel, such as softmax, finds them together.

    Args:
        values: h×w×C floats. Those of `needed_rows` are enough.
        size: (width, height) of the whole result.
        rows: Which of its rows, from `start` to `stop`.
        above: How many rows are missing above `values`.
        height: How many rows there would be with those that are missing.

    Returns:
        rows×width×C.
    """
    before, after, share = _between(height or values.shape[0], size[1], rows, values.device)
    narrow = torch.lerp(values[before - above], values[after - above], share[:, None, None])
    if values.shape[1] <= _FEW:
        return columns(values.shape[1], size[0], values.device) @ narrow
    planes = narrow.permute(2, 0, 1).contiguous()[None]
    wide = F.interpolate(planes, (len(share), size[0]), mode="bilinear")  # which leaves rows as they are
    return wide[0].permute(1, 2, 0)


def needed_rows(height: int, size: int, rows: slice) -> slice:
    """Which of `height` rows some of the `size` rows are made of that these are resized to."""
    before, after, _ = _between(height, size, rows, "cpu")
    return slice(int(before[0]), int(after[-1]) + 1)


def columns(length: int, size: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Bilinear resizing along one axis as a matrix: size×length, two weights a row that sum to one."""
    before, after, share = _between(length, size, slice(0, size), device)
    weights = torch.zeros(size, length, device=device)
    weights.scatter_add_(1, before[:, None], (1 - share)[:, None])
    return weights.scatter_add_(1, after[:, None], share[:, None])


def _between(
    length: int, size: int, part: slice, device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which two of `length` values each of `size` lies between, and how near it is to the second."""
    place = (torch.arange(part.start, part.stop, device=device) + 0.5) * (length / size) - 0.5
    place = place.clamp_(0, length - 1)
    before = place.floor().long()
    return before, (before + 1).clamp_(max=length - 1), place - before
