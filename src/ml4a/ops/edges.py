"""Edge maps."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SMOOTHING = 5
"""Side of the box that the map is smoothed by before its direction is measured."""


def crests(edges: Tensor) -> Tensor:
    """Keep of each edge only its crest: non-maximum suppression (Canny, PAMI 1986), for soft edge maps.

    A pixel stays if, in the smoothed map, none of its two neighbours across the edge is higher.

    Args:
        edges: 1×1×H×W in [0, 1].

    Returns:
        The same shape; values of the crests, 0 elsewhere.
    """
    around = SMOOTHING // 2
    smooth = F.avg_pool2d(F.pad(edges, (around,) * 4, mode="replicate"), SMOOTHING, stride=1)
    beside = _neighbours(smooth, _across(smooth))
    return torch.where((smooth >= beside[0]) & (smooth >= beside[1]), edges, 0)


def _across(smooth: Tensor) -> Tensor:
    """Unit vectors (x, y) across the edge, 2×H×W: the direction in which the map bends most, up or down."""
    padded = F.pad(smooth, (1, 1, 1, 1), mode="replicate")[0, 0]
    centre = padded[1:-1, 1:-1]
    dxx = padded[1:-1, 2:] - 2 * centre + padded[1:-1, :-2]
    dyy = padded[2:, 1:-1] - 2 * centre + padded[:-2, 1:-1]
    dxy = (padded[2:, 2:] - padded[2:, :-2] - padded[:-2, 2:] + padded[:-2, :-2]) / 4
    # This is the Hessian's eigenvector of the larger eigenvalue; the other, a quarter turn away, is the longer
    # one on a crest, where the trace is negative.
    angle = 0.5 * torch.atan2(2 * dxy, dxx - dyy) + torch.pi / 2 * (dxx + dyy < 0)
    return torch.stack([torch.cos(angle), torch.sin(angle)])


def _neighbours(smooth: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """The map's values one pixel to either side, interpolated."""
    _, _, height, width = smooth.shape
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    centre = torch.stack([x, y])
    size = torch.tensor([width, height]).reshape(2, 1, 1)
    sides = []
    for step in (-1, 1):
        grid = ((centre + step * across) / size * 2 - 1).permute(1, 2, 0)[None]
        sides.append(F.grid_sample(smooth, grid, padding_mode="border", align_corners=False))
    return sides[0], sides[1]
