"""Resizing some rows at a time gives what resizing the whole gives."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ml4a.ops.bilinear import columns, needed_rows, resized_rows


@pytest.mark.parametrize("old", [(1, 1), (7, 5), (40, 30), (9, 300)])
@pytest.mark.parametrize("new", [(1, 1), (13, 9), (64, 50), (6, 111)])
def test_rows_are_those_of_the_whole(old, new):
    torch.manual_seed(0)
    values = torch.randn(*old, 3)
    whole = F.interpolate(values.permute(2, 0, 1)[None], new, mode="bilinear", align_corners=False)[0].permute(1, 2, 0)
    pieces = [resized_rows(values, new[::-1], slice(top, min(top + 4, new[0]))) for top in range(0, new[0], 4)]
    found = torch.cat(pieces)
    assert found.shape == (*new, 3)
    assert (found - whole).abs().max() < 2e-5


def test_the_rows_that_are_needed_are_enough():
    values = torch.arange(40.0)[:, None, None].expand(40, 3, 1)
    whole = resized_rows(values, (3, 130), slice(0, 130))
    for start in range(0, 130, 13):
        rows = slice(start, start + 13)
        needed = needed_rows(40, 130, rows)
        assert 4 <= needed.stop - needed.start <= 6
        part = resized_rows(values[needed], (3, 130), rows, above=needed.start, height=40)
        torch.testing.assert_close(part, whole[rows])


def test_a_matrix_of_weights_has_two_in_each_row_that_sum_to_one():
    weights = columns(5, 12)
    assert weights.shape == (12, 5)
    torch.testing.assert_close(weights.sum(1), torch.ones(12))
    assert ((weights > 0).sum(1) <= 2).all()
    assert (weights[0] == torch.tensor([1.0, 0, 0, 0, 0])).all()
