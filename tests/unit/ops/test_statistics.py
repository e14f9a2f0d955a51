"""Statistics of channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ml4a.ops import statistics


def features(channels=5, height=7, width=9, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((1, channels, height, width)))


def definite(side=6, seed=0):
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal((side, 4 * side)))
    return x @ x.T / (4 * side)


def test_gram_is_the_mean_product_of_channels():
    x = features()
    due = torch.einsum("nchw,ndhw->cd", x, x) / 63
    assert torch.allclose(statistics.gram(x), due)
    mean, moment = statistics.moments(x)
    assert torch.allclose(mean, x[0].mean((1, 2)))
    assert torch.allclose(statistics.covariance(mean, moment, 0), torch.cov(x[0].reshape(5, -1), correction=0))
    assert torch.allclose(statistics.covariance(mean, moment, 0.5).diagonal(), x[0].var((1, 2), correction=0) + 0.5)


def test_gradients_of_gram():
    assert torch.autograd.gradcheck(statistics.gram, features(3, 4, 5).requires_grad_())


def test_the_root_of_a_well_conditioned_matrix():
    matrix = definite()
    root = statistics.root(matrix)
    assert torch.allclose(root @ root, matrix, atol=1e-9)
    assert statistics.trace_of_root(matrix).item() == pytest.approx(root.diagonal().sum().item(), rel=1e-9)


def test_the_gradient_of_the_trace_of_a_root():
    matrix = definite().requires_grad_()
    (gradient,) = torch.autograd.grad(statistics.trace_of_root(matrix), matrix)
    values, vectors = torch.linalg.eigh(matrix.detach())
    assert torch.allclose(gradient, vectors / (2 * values.sqrt()) @ vectors.T, atol=1e-7)


def test_a_singular_matrix_has_a_root_and_a_gradient():
    vector = torch.tensor([1.0, 2.0, 3.0])
    matrix = torch.outer(vector, vector).requires_grad_()
    trace = statistics.trace_of_root(matrix)
    assert trace.item() == pytest.approx(14**0.5, rel=1e-2)
    (gradient,) = torch.autograd.grad(trace, matrix)
    assert gradient.isfinite().all()


def test_what_rounding_has_made_negative_counts_as_nothing():
    matrix = torch.diag(torch.tensor([4.0, 1.0, -1e-6]))
    assert torch.allclose(statistics.root(matrix), torch.diag(torch.tensor([2.0, 1.0, 0.0])), atol=1e-3)
    assert statistics.trace_of_root(matrix, exact=False).item() == pytest.approx(3, rel=1e-3)
