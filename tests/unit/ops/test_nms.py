"""Non-maximum suppression against the plain loop, in both conventions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ml4a.ops import nms as module
from ml4a.ops.nms import nms, overlaps


def one_by_one(boxes, scores, threshold, inclusive, minimum) -> list[int]:
    """As it is told in textbooks."""
    extra = 1 if inclusive else 0
    left = sorted(range(len(boxes)), key=lambda index: -scores[index])
    kept = []
    while left:
        best, *left = left
        kept.append(best)
        rest = []
        for other in left:
            a, b = boxes[best], boxes[other]
            wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + extra)
            high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + extra)
            areas = [(box[2] - box[0] + extra) * (box[3] - box[1] + extra) for box in (a, b)]
            due = min(areas) if minimum else sum(areas) - wide * high
            if wide * high <= threshold * due:
                rest.append(other)
        left = rest
    return kept


@pytest.mark.parametrize("inclusive", [False, True])
@pytest.mark.parametrize("minimum", [False, True])
@pytest.mark.parametrize("block", [1024, 7])
def test_it_keeps_what_the_plain_loop_keeps(inclusive, minimum, block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    random = np.random.default_rng(5)
    corners = random.uniform(0, 60, (90, 2))
    boxes = np.concatenate((corners, corners + random.uniform(5, 30, (90, 2))), axis=1)
    scores = random.permutation(90) / 90
    kept = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4, inclusive=inclusive, minimum=minimum)
    due = one_by_one(boxes.tolist(), scores.tolist(), 0.4, inclusive, minimum)
    assert kept.tolist() == due
    assert 5 < len(due) < 80


def test_no_more_boxes_are_compared_at_once_than_a_block_has(monkeypatch):
    """However many stay: memory does not grow with them."""
    compared = []

    def watched(a, b, **convention):
        compared.append(max(len(a), len(b)))
        return overlaps(a, b, **convention)

    monkeypatch.setattr(module, "_BLOCK", 8)
    monkeypatch.setattr(module, "overlaps", watched)
    corners = torch.arange(50.0)[:, None] * 20
    boxes = torch.cat((corners, corners, corners + 9, corners + 9), dim=1)
    assert nms(boxes, torch.linspace(1, 0.1, 50), 0.5).tolist() == list(range(50))
    assert max(compared) == 8


def test_a_chain_is_judged_link_by_link():
    """Each box overlaps the next only: every second one stays, though all but the first are overlapped."""
    boxes = torch.tensor([[10.0 * step, 0, 10.0 * step + 16, 16] for step in range(9)])
    scores = torch.linspace(1, 0.1, 9)
    assert nms(boxes, scores, 0.2).tolist() == [0, 2, 4, 6, 8]


def test_the_conventions_differ_as_they_should():
    a, b = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[0.0, 0, 5, 10], [10, 0, 20, 10]])
    assert overlaps(a, b).tolist() == [[0.5, 0.0]]
    assert overlaps(a, b, minimum=True).tolist() == [[1.0, 0.0]]
    torch.testing.assert_close(overlaps(a, b, inclusive=True), torch.tensor([[66 / 121, 11 / (2 * 121 - 11)]]))


def test_nothing_of_nothing_and_boxes_without_area_stay():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
    assert nms(torch.zeros(3, 4), torch.tensor([0.1, 0.3, 0.2]), 0.5).tolist() == [1, 2, 0]


def test_of_equal_scores_the_first_is_better():
    boxes = torch.tensor([[0.0, 0, 10, 10]] * 3)
    assert nms(boxes, torch.ones(3), 0.5).tolist() == [0]
