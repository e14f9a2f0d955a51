from __future__ import annotations

import itertools

import pytest
import torch

from ml4a.ops import laplacian

SIZES = [(1, 1), (2, 3), (3, 200), (45, 38), (64, 64)]


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_split_is_merged_again(size):
    x = noise(2, 3, *size)
    parts = laplacian.split(x, 5)
    sides = [tuple(part.shape[-2:]) for part in parts]
    assert sides[0] == size
    assert all(small == tuple(-(-side // 2) for side in large) for large, small in itertools.pairwise(sides))
    torch.testing.assert_close(laplacian.merge(parts), x)


def test_details_are_of_their_size():
    """An even picture has none, and a fine checkerboard nothing but the finest."""
    even = laplacian.split(torch.full((1, 1, 64, 64), 2.0), 3)
    assert even[0][..., 4:-4, 4:-4].abs().max() < 1e-6
    places = torch.arange(64)
    board = ((places[:, None] + places) % 2).double()[None, None] - 0.5
    parts = laplacian.split(board, 2)
    assert parts[0][..., 4:-4, 4:-4].square().mean() > 0.2
    assert all(part[..., 4:-4, 4:-4].abs().max() < 1e-4 for part in parts[1:])


@pytest.mark.parametrize("size", SIZES)
def test_levels_become_equally_strong(size):
    x = noise(1, 3, *size)
    torch.testing.assert_close(laplacian.normalised(x * 1e-4, 4), laplacian.normalised(x, 4))
    due = laplacian.merge([part / part.square().mean().sqrt().clamp_min(1e-10) for part in laplacian.split(x, 4)])
    torch.testing.assert_close(laplacian.normalised(x, 4), due)


def test_pictures_of_a_batch_are_normalised_by_themselves():
    x = noise(2, 3, 20, 24)
    x[1] *= 100
    together = laplacian.normalised(x, 3)
    torch.testing.assert_close(together, torch.cat([laplacian.normalised(each[None], 3) for each in x]))


def test_nothing_stays_nothing():
    assert not laplacian.normalised(torch.zeros(1, 3, 9, 9), 4).any()
