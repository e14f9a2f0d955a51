from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ml4a.ops.blocks import conv_in_blocks, doubling_conv

FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(("filters", "kernel", "height", "width"), [(3, 9, 20, 14), (1, 3, 4, 8), (5, 1, 2, 2)])
def test_a_convolution_in_blocks_is_the_convolution(filters, kernel, height, width, memory_format):
    x = torch.randn(2, 4, height, width).contiguous(memory_format=memory_format)
    weight = torch.randn(filters, 4, kernel, kernel)
    torch.testing.assert_close(conv_in_blocks(x, weight), F.conv2d(x, weight), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (7, 5)])
def test_a_doubling_convolution_is_doubling_reflecting_and_convolving(height, width, memory_format):
    x = torch.randn(2, 4, height, width).contiguous(memory_format=memory_format)
    weight = torch.randn(3, 4, 3, 3)
    doubled = F.pad(F.interpolate(x, scale_factor=2, mode="nearest"), (1, 1, 1, 1), mode="reflect")
    torch.testing.assert_close(doubling_conv(x, weight), F.conv2d(doubled, weight), rtol=1e-5, atol=1e-5)
