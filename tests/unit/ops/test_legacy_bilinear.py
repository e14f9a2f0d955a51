from __future__ import annotations

import numpy as np
import pytest
import torch

from ml4a.ops.legacy_bilinear import doubled, resized


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (5, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pixels_stay_at_even_places_with_means_between_them(size, layout):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=layout)
    height, width = size
    place = [np.minimum(np.arange(2 * n) / 2, n - 1) for n in size]
    result = doubled(x)
    assert result.shape == (2, 3, 2 * height, 2 * width)
    for y, x_place in np.ndindex(2 * height, 2 * width):
        rows = [int(np.floor(place[0][y])), int(np.ceil(place[0][y]))]
        columns = [int(np.floor(place[1][x_place])), int(np.ceil(place[1][x_place]))]
        due = sum(x[:, :, row, column] for row in rows for column in columns) / 4
        np.testing.assert_allclose(result[:, :, y, x_place], due, atol=1e-6)
    assert torch.equal(result[:, :, ::2, ::2], x)


@pytest.mark.parametrize("size", [(1, 1), (7, 4), (10, 6), (13, 3)])
def test_places_are_multiplied_from_the_corner(size):
    x = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    result = resized(x, size)
    assert result.shape == (2, 3, size[1], size[0])
    for row, column in np.ndindex(size[1], size[0]):
        y, left = row * 5 / size[1], column * 7 / size[0]
        top, start = int(y), int(left)
        corners = x[:, :, [top, top, min(top + 1, 4), min(top + 1, 4)], [start, min(start + 1, 6)] * 2]
        shares = torch.outer(torch.tensor([1 - y % 1, y % 1]), torch.tensor([1 - left % 1, left % 1])).flatten()
        torch.testing.assert_close(result[:, :, row, column], (corners * shares).sum(-1), atol=1e-6, rtol=0)


def test_doubling_is_resizing():
    x = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(resized(x, (14, 10)), doubled(x))
