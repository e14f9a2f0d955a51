"""The guided filter: a picture smoothed along the edges of another."""

from __future__ import annotations

import torch


def guided_filter(guide: torch.Tensor, x: torch.Tensor, radius: int = 1, eps: float = 5e-3) -> torch.Tensor:
    """Smooth `x` so that its edges are the guide's: within every window the result is a straight line of the guide.

    He, Sun and Tang, Guided Image Filtering, TPAMI 2013. Each channel is guided by its own.

    Args:
        guide: N×C×H×W.
        x: As the guide.
        radius: Of the windows, which are 2·radius + 1 wide and high and end at the picture's border.
        eps: What counts as texture: where the guide's variance in a window is far below it, the result is flat.

    Returns:
        N×C×H×W.
    """
    slope, offset = guided_lines(guide, x, radius, eps)
    return torch.addcmul(offset, slope, guide)


def guided_lines(
    guide: torch.Tensor, x: torch.Tensor, radius: int = 1, eps: float = 5e-3
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `guided_filter` multiplies the guide by, and what it adds.

    Both are smooth, so that they may be found in small pictures and enlarged for large ones, whose edges they keep
    (He and Sun, Fast Guided Filter, arXiv:1505.00996).

    Args:
        guide: N×C×H×W.
        x: As the guide.
        radius: As in `guided_filter`.
        eps: As in `guided_filter`.

    Returns:
        Slope and offset, each N×C×H×W.
    """
    means = box_mean(torch.cat((guide, x, guide * guide, guide * x), dim=1), radius)
    mean_guide, mean_x, mean_square, mean_product = means.chunk(4, dim=1)
    variance = torch.addcmul(mean_square, mean_guide, mean_guide, value=-1)
    covariance = torch.addcmul(mean_product, mean_guide, mean_x, value=-1)
    slope = covariance.div_(variance.add_(eps))
    offset = torch.addcmul(mean_x, slope, mean_guide, value=-1)
    slope, offset = box_mean(torch.cat((slope, offset), dim=1), radius).chunk(2, dim=1)
    return slope, offset


def box_mean(x: torch.Tensor, radius: int) -> torch.Tensor:
    """The mean of each window of 2·radius + 1 by 2·radius + 1 pixels, as far as it lies in the picture; N×C×H×W.

    A window's value depends on its own pixels alone, which a summed-area table's would not: there the rounding grows
    with the picture, and tiles would differ from the whole.
    """
    for dim in (-2, -1):
        size = x.shape[dim]
        sums = x.clone()
        for step in range(1, min(radius, size - 1) + 1):
            sums.narrow(dim, 0, size - step).add_(x.narrow(dim, step, size - step))
            sums.narrow(dim, step, size - step).add_(x.narrow(dim, 0, size - step))
        x = sums
    rows, columns = (_window_lengths(size, radius, x) for size in x.shape[-2:])
    return x.div_(rows[:, None] * columns)


def _window_lengths(size: int, radius: int, like: torch.Tensor) -> torch.Tensor:
    """How many of a row's pixels each window has."""
    centres = torch.arange(size, device=like.device, dtype=like.dtype)
    return (centres + radius).clamp_(max=size - 1) - (centres - radius).clamp_(min=0) + 1
