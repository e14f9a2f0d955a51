"""Instance normalisation whose scale and shift come from outside: from a style."""

from __future__ import annotations

from typing import Any

import torch


def conditional_instance_norm_(
    x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, eps: float = 1e-5
) -> torch.Tensor:
    """Bring each channel of each picture to mean 0 and variance 1, then to the style's scale and shift, in place.

    Source: Dumoulin et al., A Learned Representation for Artistic Style, ICLR 2017, arXiv:1610.07629, section 2.2.

    Args:
        x: N×C×H×W; it is overwritten.
        scale: N×C, or 1×C for all pictures.
        shift: As `scale`.
        eps: Added to the (biased) variance.

    Returns:
        `x`.
    """
    # On channels_last tensors torch's own norms are ten times slower, or (group_norm, batch_norm) a hundred times
    # further from float64, which flat areas would show.
    mean = x.mean((2, 3), keepdim=True)
    variance = (x - mean).square_().mean((2, 3), keepdim=True)
    scale = scale[:, :, None, None] * torch.rsqrt(variance + eps)
    return x.sub_(mean).mul_(scale).add_(shift[:, :, None, None])


def conditional_instance_norm(
    x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, eps: float = 1e-5
) -> torch.Tensor:
    """As `conditional_instance_norm_`, but `x` stays as it is, and gradients find the way back to all three."""
    return _WithGradient.apply(x, scale.expand(len(x), -1), shift.expand(len(x), -1), eps)  # type: ignore[return-value]


class _WithGradient(torch.autograd.Function):
    """The normalisation with its gradient by hand, which has a quarter of the steps over all pixels."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, eps: float) -> torch.Tensor:
        normal = x - x.mean((2, 3), keepdim=True)
        factor = torch.rsqrt(normal.square().mean((2, 3), keepdim=True) + eps)
        normal.mul_(factor)
        ctx.save_for_backward(normal, factor, scale)
        return torch.addcmul(shift[:, :, None, None], normal, scale[:, :, None, None])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, None]:
        normal, factor, scale = ctx.saved_tensors
        pixels = normal.shape[2] * normal.shape[3]
        of_shift = gradient.sum((2, 3), keepdim=True)
        of_scale = (gradient * normal).sum((2, 3), keepdim=True)
        back = gradient - of_shift / pixels
        back.addcmul_(normal, of_scale, value=-1 / pixels).mul_(factor * scale[:, :, None, None])
        return back, of_scale[:, :, 0, 0], of_shift[:, :, 0, 0], None
