from __future__ import annotations

import numpy as np
import pytest
import torch

from ml4a.ops.legacy_bilinear import doubled


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
