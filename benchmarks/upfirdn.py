"""Resampling by `ops.upfirdn` and the modulated convolution of StyleGAN2 against plain restatements of both.

The plain ones do what the papers' formulas say, one step after the other: zeros are put in, multiplied and cut off
again, and every picture of a batch gets a kernel of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ml4a.ops import upfirdn

from .race import race


def main() -> None:
    for channels, side in ((512, 36), (256, 84), (128, 128), (32, 276)):
        x = torch.randn(1, channels, side, side)
        for taps in ([1.0, 3.0, 3.0, 1.0], torch.randn(12)):
            f = upfirdn.setup_filter(taps)
            _against_plain(f"twice as large, {len(taps)} taps, {channels}×{side}×{side}", x, f, up=2)
            _against_plain(f"half as large, {len(taps)} taps, {channels}×{side}×{side}", x, f, down=2)


def _against_plain(title: str, x: torch.Tensor, f: torch.Tensor, up: int = 1, down: int = 1) -> None:
    around = (len(f) // 2, len(f) // 2)

    @torch.inference_mode()
    def ours() -> torch.Tensor:
        return upfirdn.upfirdn2d(x, f, up, down, around)

    @torch.inference_mode()
    def plain() -> torch.Tensor:
        return plain_upfirdn2d(x, f, up, down, (*around, *around))

    race(title, {"ml4a": ours, "zeros put in, grouped convolution": plain}, rounds=3)


def plain_upfirdn2d(
    x: torch.Tensor,
    f: torch.Tensor,
    up: int = 1,
    down: int = 1,
    padding: Sequence[int] = (0, 0, 0, 0),
    flip_filter: bool = False,
    gain: float = 1,
) -> torch.Tensor:
    """N×C×H×W with zeros put in, padded by (left, right, top, bottom), filtered, thinned."""
    count, channels, height, width = x.shape
    spread = x.new_zeros(count, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    x = F.pad(spread.view(count, channels, height * up, width * up), [max(side, 0) for side in padding])
    left, right, top, bottom = (max(-side, 0) for side in padding)
    x = x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
    f = f * gain ** (f.ndim / 2)
    if not flip_filter:
        f = f.flip(list(range(f.ndim)))
    for kernel in (f[None], f[:, None]) if f.ndim == 1 else (f,):
        x = F.conv2d(x, kernel.expand(channels, 1, -1, -1), groups=channels)
    return x[:, :, ::down, ::down]


def plain_modulated_conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    style: torch.Tensor,
    f: torch.Tensor | None = None,
    *,
    up: int = 1,
    padding: int = 0,
    demodulate: bool = True,
) -> torch.Tensor:
    """A kernel for every picture of the batch, and one grouped convolution with all of them.

    Args:
        x: N×I×H×W.
        weight: O×I×k×k.
        style: N×I.
        f: The h×w filter behind the transposed convolution; it is for `up` 2 only.
        up: 1 or 2.
        padding: Zeros around.
        demodulate: Bring the results to the deviation that they would have without a style.
    """
    count, channels, height, width = x.shape
    filters, _, side, _ = weight.shape
    kernels = weight[None] * style[:, None, :, None, None]
    if demodulate:
        kernels = kernels * (kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    x = x.reshape(1, count * channels, height, width)
    if up == 1:
        x = F.conv2d(x, kernels.flatten(0, 1), padding=padding, groups=count)
    else:
        assert f is not None
        kernels = kernels.transpose(1, 2).reshape(count * channels, filters, side, side)
        x = F.conv_transpose2d(x, kernels, stride=2, groups=count)
        before, after = padding + (f.shape[0] + 1) // 2 - side + 1, padding + f.shape[0] // 2 - side + 1
        x = plain_upfirdn2d(x, f, padding=(before, after, before, after), gain=4)
    return x.view(count, filters, *x.shape[2:])


if __name__ == "__main__":
    main()
