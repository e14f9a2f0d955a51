"""What a layer's channels have in common, wherever in the picture they have it: the measure of a style.

Gatys et al., CVPR 2016, arXiv:1508.06576; covariances compared as Gaussians: Vincent's loss, from Crowson's
style-transfer-pytorch.
"""

from __future__ import annotations

from typing import Any

import torch

_ROOT_STEPS = 12
"""Of Newton and Schulz: small eigenvalues have not converged by then, as in the original."""


def gram(features: torch.Tensor) -> torch.Tensor:
    """1×C×H×W features to C×C: the mean of the products of each two channels over all pixels."""
    flat = features.reshape(features.shape[1], -1)
    return _product_with_itself(flat) / flat.shape[1]


def moments(features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """1×C×H×W features to the channels' means, C, and to their second moments about zero, C×C."""
    return features.mean(dim=(0, 2, 3)), gram(features)


def covariance(mean: torch.Tensor, moment: torch.Tensor, ridge: float = 1e-4) -> torch.Tensor:
    """The covariance of channels of these moments, with a little more of its own to each channel."""
    return moment - torch.outer(mean, mean) + ridge * torch.eye(len(mean), device=mean.device)


def root(matrix: torch.Tensor) -> torch.Tensor:
    """The square root of a symmetric C×C matrix, to the twelfth step of Newton and Schulz's iteration.

    The iteration does to a matrix what it does to each of its eigenvalues, so that it is done to these. They should not
    be negative; those that rounding has made so count as 0, where the iteration itself would leave all bounds.
    """
    values, vectors = torch.linalg.eigh(matrix.double())
    return ((vectors * _roots(values.clamp(min=0))) @ vectors.T).to(matrix.dtype)


def trace_of_root(matrix: torch.Tensor, *, exact: bool = True) -> torch.Tensor:
    """The trace of `root(matrix)`, with the gradient that the original finds in twelve steps of its own.

    Args:
        matrix: C×C.
        exact: Whether eigenvalues are found in float64, which takes half as long again. In float32 the smallest ones
            are noise, which changes gradients by about a thousandth.
    """
    return _TraceOfRoot.apply(matrix, exact)  # type: ignore[no-any-return]


class _TraceOfRoot(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: torch.Tensor, exact: bool) -> torch.Tensor:
        symmetric = (matrix + matrix.T) / 2
        values, vectors = torch.linalg.eigh(symmetric.double() if exact else symmetric)
        roots = _roots(values.double().clamp(min=0))
        ctx.save_for_backward(vectors.to(matrix.dtype), _half_inverses(roots).to(matrix.dtype))
        return roots.sum().to(matrix.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        vectors, slopes = ctx.saved_tensors
        return gradients[0] * (vectors * slopes) @ vectors.T, None


def _roots(values: torch.Tensor) -> torch.Tensor:
    """Newton and Schulz's iteration for the root, of eigenvalues."""
    norm = values.norm()
    y, z = values / norm, torch.ones_like(values)
    for _ in range(_ROOT_STEPS):
        t = (3 - z * y) / 2
        y, z = y * t, t * z
    return y * norm.sqrt()


def _half_inverses(roots: torch.Tensor) -> torch.Tensor:
    """The solution q of `r·q + q·r = 1`, by the same kind of iteration."""
    norm = roots.norm()
    a, q = roots / norm, 1 / norm.expand_as(roots)
    for _ in range(_ROOT_STEPS):
        e = (3 - a * a) / 2
        a, q = a * e, q * e
    return q / 2


class _Symmetric(torch.autograd.Function):
    """F·Fᵀ with one product in its gradient, where two equal ones would be made."""

    @staticmethod
    def forward(ctx: Any, flat: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(flat)
        return flat @ flat.T

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        (flat,) = ctx.saved_tensors
        both = gradients[0] + gradients[0].T
        # In the order of `flat`: what adds gradients up takes several times as long if their orders differ.
        return both @ flat if flat.is_contiguous() else (flat.T @ both).T


def _product_with_itself(flat: torch.Tensor) -> torch.Tensor:
    return _Symmetric.apply(flat)  # type: ignore[no-any-return]
