from __future__ import annotations

import pytest
import torch

from ml4a.ops.instance_norm import conditional_instance_norm, conditional_instance_norm_


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def plain_form(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """In float64, word for word."""
    x, scale, shift = x.double(), scale.double()[:, :, None, None], shift.double()[:, :, None, None]
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("mean", [0, 100])
def test_it_is_the_plain_form_to_rounding_also_far_from_zero(mean, memory_format):
    x = (mean + torch.randn(2, 5, 96, 80)).contiguous(memory_format=memory_format)
    scale, shift = torch.randn(2, 5), torch.randn(2, 5)
    due = plain_form(x, scale, shift)
    found = conditional_instance_norm_(x, scale, shift)
    assert found.is_contiguous(memory_format=memory_format)
    assert (found - due).abs().max() < 1e-5 * (1 + mean / 10)


def test_one_style_serves_all_pictures():
    x, scale, shift = torch.randn(3, 2, 8, 8), torch.randn(1, 2), torch.randn(1, 2)
    due = plain_form(x, scale, shift)
    torch.testing.assert_close(conditional_instance_norm_(x, scale, shift), due.float(), rtol=1e-5, atol=1e-5)


def test_a_flat_channel_becomes_its_shift():
    found = conditional_instance_norm_(torch.full((1, 1, 6, 6), 0.3), torch.tensor([[2.0]]), torch.tensor([[0.7]]))
    # Rounding of the mean, 3e-8, is divided by the square root of eps, 0.003.
    torch.testing.assert_close(found, torch.full((1, 1, 6, 6), 0.7), rtol=0, atol=1e-4)


def test_gradients_flow_although_it_works_in_place():
    values = [torch.randn(size, dtype=torch.float64, requires_grad=True) for size in ((1, 2, 4, 3), (1, 2), (1, 2))]
    assert torch.autograd.gradcheck(lambda x, *style: conditional_instance_norm_(x.clone(), *style), values)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_what_stays_as_it_is_gives_the_same_and_gradients_to_all_three(memory_format):
    x = (5 + torch.randn(2, 3, 6, 4, dtype=torch.float64)).contiguous(memory_format=memory_format).requires_grad_()
    scale, shift = (torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    before = x.detach().clone()
    found = conditional_instance_norm(x, scale, shift)
    torch.testing.assert_close(found, plain_form(x, scale, shift))
    assert torch.equal(x, before)
    assert torch.autograd.gradcheck(conditional_instance_norm, (x, scale, shift))


def test_a_style_for_all_pictures_gets_the_sum_of_their_gradients():
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    scale, shift = (torch.randn(1, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda *style: conditional_instance_norm(x, *style), (scale, shift))
