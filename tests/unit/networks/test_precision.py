from __future__ import annotations

import deterministic
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ml4a.networks import precision


def kernel(size: int = 3) -> torch.Tensor:
    return torch.from_numpy(deterministic.weight("kernel", (16, 8, size, size)))


@pytest.mark.parametrize("size", [1, 3, 5])
def test_taps_are_rounded_to_the_type(size):
    rounded = precision.round_kernel(kernel(size), torch.bfloat16)
    assert rounded.dtype == torch.bfloat16
    # No tap takes over more than the error of the one before, at most half a step of the largest tap.
    assert (rounded.float() - kernel(size)).abs().max() <= kernel(size).abs().max() * 2**-7


def test_what_is_exact_stays_exact():
    exact = kernel().bfloat16().float()
    assert torch.equal(precision.round_kernel(exact, torch.bfloat16).float(), exact)


def test_a_smooth_picture_is_changed_less_than_by_rounding_to_nearest():
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    smooth = torch.stack([(y + channel * x) / 8 for channel in range(8)])[None]
    exact = F.conv2d(smooth, kernel())
    diffused = F.conv2d(smooth, precision.round_kernel(kernel(), torch.bfloat16).float())
    nearest = F.conv2d(smooth, kernel().bfloat16().float())
    assert (diffused - exact).abs().mean() < 0.6 * (nearest - exact).abs().mean()


def test_a_module_computes_in_the_type_channels_last():
    module = nn.Sequential(nn.Conv2d(8, 16, 3), nn.PReLU(16)).requires_grad_(False)
    precision.reduce(module, torch.bfloat16)
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
    result = module(torch.ones(1, 8, 5, 5, dtype=torch.bfloat16))
    assert result.is_contiguous(memory_format=torch.channels_last)
