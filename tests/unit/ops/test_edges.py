from __future__ import annotations

import math

import pytest
import torch

from ml4a.ops.edges import crests


def line(angle: float, size: int = 48) -> torch.Tensor:
    """A soft line through the middle, 6 px wide."""
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    distance = (x - size / 2) * math.sin(angle) - (y - size / 2) * math.cos(angle)
    return torch.exp(-((distance / 3) ** 2))[None, None]


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 1.2, math.pi / 2])
def test_a_soft_line_becomes_its_crest(angle):
    edges = line(angle)
    crest = crests(edges)
    inside = crest[0, 0, 8:-8, 8:-8]
    across = (inside > 0).sum(1 if angle > math.pi / 4 else 0)
    assert across.min() >= 1  # unbroken
    assert across.max() <= 2  # thin
    assert inside[inside > 0].min() > 0.9  # where the line is highest


def test_paper_without_lines_stays_empty():
    assert crests(torch.zeros(1, 1, 20, 30)).abs().max() == 0
