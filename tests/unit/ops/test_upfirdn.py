"""Resampling against the original program's figures, and against its definition."""

from __future__ import annotations

import deterministic
import numpy as np
import pytest
import torch
from figures import Figures
from torch.nn import functional as F

from ml4a._core.errors import BadValue
from ml4a.ops.upfirdn import downsample2d, filter2d, setup_filter, upfirdn2d, upsample2d

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("stylegan2")


@pytest.fixture(scope="module")
def x(figures) -> torch.Tensor:
    return torch.from_numpy(figures["upfirdn2d_x"])


def noise(*shape: int) -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("upfirdn", shape, -1, 1))


def test_filters_are_the_original_ones(figures):
    made = {
        "1331": setup_filter([1, 3, 3, 1]),
        "1D_gain2_flip": setup_filter([1, 2, 4, 8, 0, 0, 1, 3], gain=2, flip=True),
        "asym2d": setup_filter([[1, 2, 5], [2, 4, 10], [5, 10, 25]], gain=1),
    }
    for name, f in made.items():
        np.testing.assert_allclose(f, figures[f"setup_filter_{name}"], rtol=1e-6)


def test_a_row_of_eight_taps_stays_a_row_unless_it_is_to_be_a_table():
    assert setup_filter([1] * 7).shape == (7, 7)
    assert setup_filter([1] * 8).shape == (8,)
    assert setup_filter([1] * 8, separable=False).shape == (8, 8)
    assert setup_filter([1] * 3, separable=True, normalise=False).tolist() == [1, 1, 1]
    assert torch.equal(filter2d(noise(1, 2, 4, 5), setup_filter(None)), noise(1, 2, 4, 5))


def test_results_are_the_original_ones(figures, x):
    f, row = torch.from_numpy(figures["upfirdn2d_f"]), torch.from_numpy(figures["setup_filter_sym6"])
    table = setup_filter([1, 3, 3, 1])
    options = {"up": (2, 3), "down": (3, 2), "padding": (2, -1, 1, 3), "gain": 1.7}
    made = {
        "up2": upsample2d(x, table),
        "down2": downsample2d(x, table),
        "filter2d": filter2d(x, table),
        "sym6_up2": upsample2d(x, row),
        "sym6_down2_flip": downsample2d(x, row, padding=1, flip_filter=True),
        "general": upfirdn2d(x, f, **options),
        "general_flip": upfirdn2d(x, f, **options, flip_filter=True),
    }
    for name, result in made.items():
        assert figures.error(f"upfirdn2d_{name}", result) < TOLERANCE, name


def defined(x: torch.Tensor, f: torch.Tensor, up: int, down: int, padding: tuple[int, int, int, int]) -> torch.Tensor:
    """By the definition, one value after the other."""
    spread = torch.zeros(x.shape[0] * up, x.shape[1] * up)
    spread[::up, ::up] = x
    left, right, top, bottom = padding
    wide = F.pad(spread, [max(side, 0) for side in padding])
    wide = wide[max(-top, 0) : wide.shape[0] - max(-bottom, 0), max(-left, 0) : wide.shape[1] - max(-right, 0)]
    height, width = f.shape
    rows, columns = wide.shape[0] - height + 1, wide.shape[1] - width + 1
    turned = f.flip(0, 1)
    made = [[(wide[r : r + height, c : c + width] * turned).sum() for c in range(columns)] for r in range(rows)]
    return torch.tensor(made)[::down, ::down]


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (3, 5, 1, 0), (-1, -2, -1, 2), (9, 0, 0, 8), (-3, 7, 6, -3)])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (3, 2), (4, 1)])
def test_results_are_what_the_definition_says(up, down, padding):
    x, f = noise(1, 1, 6, 7), noise(2, 3)
    found = upfirdn2d(x, f, up, down, padding)
    due = defined(x[0, 0], f, up, down, padding)
    assert found.shape[2:] == due.shape
    torch.testing.assert_close(found[0, 0], due, atol=1e-5, rtol=1e-5)


def test_a_row_is_the_table_that_it_stands_for():
    x, row = noise(2, 3, 8, 9), noise(8)
    for up, down in ((2, 1), (1, 2), (2, 2)):
        one = upfirdn2d(x, row, up, down, (4, 3, 2, 5), gain=3)
        torch.testing.assert_close(
            one, upfirdn2d(x, row.outer(row), up, down, (4, 3, 2, 5), gain=3), atol=1e-5, rtol=1e-5
        )


def test_channels_last_and_gradients_are_no_other_result():
    x, f = noise(2, 3, 8, 9).double(), setup_filter([1, 3, 3, 1]).double()
    assert torch.autograd.gradcheck(lambda x: upfirdn2d(x, f, 2, 1, 1), x[:, :1, :4, :4].clone().requires_grad_())
    last = x.contiguous(memory_format=torch.channels_last)
    for function in (upsample2d, downsample2d, filter2d):
        torch.testing.assert_close(function(last, f), function(x, f))


def test_what_leaves_nothing_is_refused():
    with pytest.raises(BadValue, match="5x5 taps leaves nothing of 3x2"):
        upfirdn2d(torch.ones(1, 1, 2, 3), torch.ones(5, 5))
    with pytest.raises(BadValue, match="steps of 1 or more"):
        upfirdn2d(torch.ones(1, 1, 2, 3), None, up=0)
    with pytest.raises(BadValue, match="a row or a table"):
        setup_filter(torch.ones(2, 2, 2))
