"""Pictures made larger and smaller without aliases: zeros between samples, a finite filter, and every n-th result kept.

Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021, arXiv:2106.12423, tell why; the conventions of
padding and of the filter's direction are those of StyleGAN2, arXiv:1912.04958, which the weights were trained with.
Zeros are never multiplied here: what is inserted is what a transposed convolution leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue

_SEPARABLE_TAPS = 8
"""From so many taps on, a row of them is used twice, along x and along y, in place of its outer product."""


def setup_filter(
    taps: torch.Tensor | Sequence[float] | Sequence[Sequence[float]] | None,
    gain: float = 1,
    *,
    normalise: bool = True,
    flip: bool = False,
    separable: bool | None = None,
) -> torch.Tensor:
    """A filter as the functions here take it.

    Args:
        taps: A row of n, or h×w; None is the filter that changes nothing.
        gain: How many times as large it makes a constant picture; of a row, each of its two uses has the root.
        normalise: Divide by the sum of the taps first.
        flip: Turn it round.
        separable: Whether a row stays a row; by default it does from 8 taps on.

    Returns:
        float32, n taps for each direction, or h×w.

    Raises:
        BadValue: there are no taps, or they are in more than two dimensions.
    """
    f = torch.as_tensor([1.0] if taps is None else taps, dtype=torch.float32)
    if f.ndim not in (1, 2) or f.numel() == 0:
        raise BadValue(f"a filter must be a row or a table of taps, not of shape {tuple(f.shape)}")
    if separable is None:
        separable = f.ndim == 1 and f.numel() >= _SEPARABLE_TAPS
    if f.ndim == 1 and not separable:
        f = f.outer(f)
    if normalise:
        f = f / f.sum()
    if flip:
        f = f.flip(list(range(f.ndim)))
    return f * gain ** (f.ndim / 2)


def upfirdn2d(
    x: torch.Tensor,
    f: torch.Tensor | None,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
) -> torch.Tensor:
    """Put `up` − 1 zeros after each sample, pad, convolve with `f`, and keep every `down`-th result.

    Args:
        x: N×C×H×W.
        f: From `setup_filter`; None leaves out the filter.
        up: How many times as many samples; one number, or (x, y).
        down: Of how many results one is kept; one number, or (x, y).
        padding: Zeros around, in samples of the enlarged picture: one number, (x, y), or (left, right, top, bottom).
            Less than 0 cuts off.
        flip_filter: Correlate in place of convolving: the filter is used as it lies there.
        gain: The results are multiplied by this.

    Returns:
        N×C×H'×W', where W' = ⌈(W·up + left + right − width of f + 1) / down⌉.

    Raises:
        BadValue: nothing would be left.
    """
    (up_x, up_y), (down_x, down_y) = _pair(up), _pair(down)
    left, right, top, bottom = _sides(padding)
    taps = x.new_ones(1, 1) if f is None else f.to(x.dtype)
    if not flip_filter:
        taps = taps.flip(list(range(taps.ndim)))
    if taps.ndim == 1:
        row = (taps * gain**0.5)[None]
        x = _filtered(x, row, (up_x, 1), (down_x, 1), (left, right, 0, 0))
        return _filtered(x, row.T, (1, up_y), (1, down_y), (0, 0, top, bottom))
    return _filtered(x, taps * gain, (up_x, up_y), (down_x, down_y), (left, right, top, bottom))


def upsample2d(
    x: torch.Tensor,
    f: torch.Tensor,
    up: int = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
) -> torch.Tensor:
    """N×C×H×W made `up` times as large, with samples where they were and as bright as before."""
    (width, height), sides = _size(f), _sides(padding)
    around = ((width + up - 1) // 2, (width - up) // 2, (height + up - 1) // 2, (height - up) // 2)
    return upfirdn2d(x, f, up, 1, _sums(sides, around), flip_filter, gain * up**2)


def downsample2d(
    x: torch.Tensor,
    f: torch.Tensor,
    down: int = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
) -> torch.Tensor:
    """N×C×H×W made `down` times as small."""
    (width, height), sides = _size(f), _sides(padding)
    around = ((width - down + 1) // 2, (width - down) // 2, (height - down + 1) // 2, (height - down) // 2)
    return upfirdn2d(x, f, 1, down, _sums(sides, around), flip_filter, gain)


def filter2d(
    x: torch.Tensor,
    f: torch.Tensor,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
) -> torch.Tensor:
    """N×C×H×W filtered, at its size."""
    (width, height), sides = _size(f), _sides(padding)
    around = (width // 2, (width - 1) // 2, height // 2, (height - 1) // 2)
    return upfirdn2d(x, f, 1, 1, _sums(sides, around), flip_filter, gain)


def _filtered(
    x: torch.Tensor,
    f: torch.Tensor,
    up: tuple[int, int],
    down: tuple[int, int],
    padding: tuple[int, int, int, int],
) -> torch.Tensor:
    """`upfirdn2d` by an h×w filter that lies as a correlation wants it."""
    channels, height, width = x.shape[1:]
    left, right, top, bottom = padding
    rows, columns = height * up[1] + top + bottom - f.shape[0] + 1, width * up[0] + left + right - f.shape[1] + 1
    if rows < 1 or columns < 1:
        raise BadValue(f"a filter of {f.shape[1]}x{f.shape[0]} taps leaves nothing of {width}x{height} samples")
    if up == (1, 1):
        even = left == right >= 0 and top == bottom >= 0  # then the convolution pads by itself, and nothing is copied
        x = x if even else _padded(x, padding)
        around = (top, left) if even else 0
        return F.conv2d(x, f.expand(channels, 1, -1, -1), stride=down[::-1], padding=around, groups=channels)
    # All results that see any sample. Those that are wanted begin and end elsewhere: `before` is how many come first.
    before = f.shape[1] - 1 - left, f.shape[0] - 1 - top
    cut = max(0, before[1]), max(0, before[0])
    behind = (
        (width - 1) * up[0] + f.shape[1] - before[0] - columns,
        (height - 1) * up[1] + f.shape[0] - before[1] - rows,
    )
    cut = tuple(max(0, min(pair)) for pair in zip(cut, behind[::-1], strict=True))
    kernel = f.flip(0, 1).expand(channels, 1, -1, -1)
    x = F.conv_transpose2d(x, kernel, stride=up[::-1], padding=cut, groups=channels)
    x = _padded(x, (cut[1] - before[0], cut[1] - behind[0], cut[0] - before[1], cut[0] - behind[1]))
    return x[:, :, :: down[1], :: down[0]]


def _padded(x: torch.Tensor, padding: tuple[int, int, int, int]) -> torch.Tensor:
    return F.pad(x, padding) if any(padding) else x


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    """(x, y)."""
    x, y = (value, value) if isinstance(value, int) else value
    if x < 1 or y < 1:
        raise BadValue(f"samples are kept or added in steps of 1 or more, not {value}")
    return x, y


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    if isinstance(padding, int):
        padding = (padding, padding)
    if len(padding) == 2:
        x, y = padding
        padding = (x, x, y, y)
    left, right, top, bottom = padding
    return left, right, top, bottom


def _sums(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _size(f: torch.Tensor) -> tuple[int, int]:
    """Width and height."""
    return f.shape[-1], f.shape[0]
