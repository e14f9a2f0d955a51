"""Labels and scores of every pixel, a few rows at a time, are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiers import quick
from torch.nn import functional as F

from ml4a.ops import label_scores
from ml4a.ops.label_scores import LabelScores

SIZE = (70, 45)


@pytest.fixture(params=[1, 50_000, 1 << 24])
def band(request, monkeypatch):
    monkeypatch.setattr(label_scores, "BAND", request.param)


def logits(*sides: tuple[int, int], labels: int = 12) -> list[torch.Tensor]:
    """Of areas with soft edges."""
    generator = torch.Generator().manual_seed(3)
    return [3 * torch.randn(*side, labels, generator=generator) for side in sides]


def whole(maps: list[torch.Tensor], size: tuple[int, int]) -> np.ndarray:
    resized = [F.interpolate(each.permute(2, 0, 1)[None], size[::-1], mode="bilinear") for each in maps]
    return torch.stack([each.softmax(1) for each in resized]).mean(0)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("sides", [[(6, 9)], [(6, 9), (1, 1), (13, 20)]])
def test_they_are_the_mean_of_resized_probabilities(sides, band):
    maps = logits(*sides)
    due = whole(maps, SIZE)
    scores = LabelScores(maps, SIZE)
    np.testing.assert_allclose(scores(range(12)), due, atol=1e-5)
    np.testing.assert_allclose(scores([7, 2]), due[:, :, [7, 2]], atol=1e-5)
    assert scores.labels().dtype == np.int16
    margin = np.diff(np.sort(due, axis=2)[:, :, -2:], axis=2)[:, :, 0]
    assert ((scores.labels() == due.argmax(2)) | (margin < 1e-5)).all()
    assert len(np.unique(due.argmax(2))) > 4


@pytest.mark.parametrize("sides", quick([[(6, 9), (5, 4)], [(6, 9)]]))
@pytest.mark.parametrize("size", quick([(700, 45), (45, 700), (333, 400)], 2))
def test_of_large_pictures_means_are_enlarged(sides, size, band, monkeypatch):
    maps = logits(*sides)
    due = whole(maps, size)
    monkeypatch.setattr(label_scores, "LARGEST", 300)
    scores = LabelScores(maps, size)
    assert np.abs(scores(range(12)) - due).mean() < 0.02
    agreeing = scores.labels() == due.argmax(2)
    assert agreeing.mean() > 0.93
    sure = np.diff(np.sort(due, axis=2)[:, :, -2:], axis=2)[:, :, 0] > 0.1
    assert sure.mean() > 0.4
    assert agreeing[sure].mean() > 0.98


def test_rows_do_not_depend_on_how_many_there_are_at_a_time(monkeypatch):
    maps = logits((6, 9), (13, 20))
    monkeypatch.setattr(label_scores, "LARGEST", 150)
    whole = LabelScores(maps, (420, 333))([3])
    monkeypatch.setattr(label_scores, "BAND", 1)
    np.testing.assert_allclose(LabelScores(maps, (420, 333))([3]), whole, atol=1e-6)
