"""Convolutions of 3×3 by a quarter of the multiplications.

Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, arXiv:1509.09308: of each 6×6 pixels – tiles
that overlap by two – 36 sums are made, in which the 4×4 results are matrix products over the channels. That makes up
for the sums where there are many channels; the results differ from a plain convolution's by about 3e-5 of their
deviation.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

_SIDE = 4
"""Of a tile's results."""
_SEEN = _SIDE + 2
_SUMS = _SEEN**2
_TILES = 128
"""At once: what they need stays in the processor's cache."""
_FEWEST_TILES = (12, 40)
"""With fewer, reading four times as many weights takes longer than what is saved; with dilation, in each part."""
_FEWEST_CHANNELS = 128

_INPUT = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OUTPUT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


class WinogradConv2d(nn.Conv2d):
    """In place of an `nn.Conv2d` that `pays` says it pays for; small pictures are convolved plainly.

    The kernel's sums are made when they are first wanted, and take four times the kernel's memory. Gradients reach the
    picture; they are the same kind of convolution, and take as much memory again.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            3,
            padding=int(conv.padding[0]),
            dilation=conv.dilation[0],
            bias=conv.bias is not None,
            padding_mode=conv.padding_mode,
            device="meta",
        )
        self.weight, self.bias = conv.weight, conv.bias
        self._sums: torch.Tensor | None = None
        self._sums_back: torch.Tensor | None = None
        self._lock = threading.Lock()

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """N×C×H×W to N×F×H'×W', as torch's own convolution."""
        return self._through(input, rectify=False)

    def rectified(self, x: torch.Tensor) -> torch.Tensor:
        """The same, and what is below 0 is 0 then: a ReLU while the results are still in the processor's cache."""
        return self._through(x, rectify=True)

    def _through(self, x: torch.Tensor, *, rectify: bool) -> torch.Tensor:
        around, step = int(self.padding[0]), self.dilation[0]
        height, width = (side + 2 * around - 2 * step for side in x.shape[-2:])
        if -(-height // (_SIDE * step)) * -(-width // (_SIDE * step)) < _FEWEST_TILES[step > 1]:
            result = super().forward(x)
            return result.relu_() if rectify else result
        if self.padding_mode != "zeros":
            x, around = F.pad(x, (around,) * 4, mode=self.padding_mode), 0
        if torch.is_grad_enabled() and x.requires_grad:
            return _WithGradient.apply(x, self, around, rectify).permute(0, 3, 1, 2)
        return _convolved(x, self.sums, around, step, self.bias, rectify=rectify).permute(0, 3, 1, 2)

    @property
    def sums(self) -> torch.Tensor:
        """The kernel as 36×C×F."""
        with self._lock:
            if self._sums is None:
                self._sums = kernel_sums(self.weight)
            return self._sums

    @property
    def sums_back(self) -> torch.Tensor:
        """The kernel that takes gradients back, the same turned by half a circle, as 36×F×C."""
        with self._lock:
            if self._sums_back is None:
                self._sums_back = kernel_sums(self.weight.flip(2, 3).transpose(0, 1))
            return self._sums_back


class _WithGradient(torch.autograd.Function):
    """A convolution that remembers nothing, or nothing but its results: its gradient depends on the kernel alone."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, conv: WinogradConv2d, around: int, rectify: bool) -> torch.Tensor:
        result = _convolved(x, conv.sums, around, conv.dilation[0], conv.bias, rectify=rectify)
        ctx.conv, ctx.around = conv, around
        ctx.save_for_backward(*[result] * rectify)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        step = ctx.conv.dilation[0]
        (result,) = ctx.saved_tensors or (None,)
        gradient, result = (None if y is None else y.permute(0, 3, 1, 2) for y in (gradients[0], result))
        back = _convolved(gradient, ctx.conv.sums_back, 2 * step - ctx.around, step, positive=result)
        return back.permute(0, 3, 1, 2), None, None, None


def quicken(network: nn.Module) -> bool:
    """Replace all convolutions of a network for which it pays, and say whether there are any.

    It is for networks in float32, on a processor.
    """
    found = False
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Conv2d) and pays(part):
                setattr(module, name, WinogradConv2d(part))
                found = True
    return found


def room(network: nn.Module) -> int:
    """Bytes that `quicken` makes a network take in addition, at most."""
    kernels = [part.weight.numel() for part in network.modules() if isinstance(part, nn.Conv2d) and pays(part)]
    return sum(kernels) * _SUMS // 9 * 4


def pays(conv: nn.Conv2d) -> bool:
    """Whether a convolution can be done in this way, and has so many channels that it becomes faster."""
    able = (
        type(conv).forward is nn.Conv2d.forward
        and conv.kernel_size == (3, 3)
        and conv.stride == (1, 1)
        and conv.groups == 1
        and not isinstance(conv.padding, str)
        and conv.padding[0] == conv.padding[1]
        and conv.dilation[0] == conv.dilation[1]
    )
    return able and min(conv.in_channels, conv.out_channels) >= _FEWEST_CHANNELS


def kernel_sums(kernel: torch.Tensor) -> torch.Tensor:
    """An F×C×3×3 kernel as 36×C×F."""
    matrix = torch.tensor(_KERNEL, dtype=torch.float64)
    filters, channels = kernel.shape[:2]
    flat = kernel.permute(2, 3, 1, 0).reshape(9, -1).double()
    return torch.mm(torch.kron(matrix, matrix), flat).to(kernel.dtype).view(_SUMS, channels, filters)


def _convolved(
    x: torch.Tensor,
    sums: torch.Tensor,
    around: int,
    step: int,
    bias: torch.Tensor | None = None,
    *,
    rectify: bool = False,
    positive: torch.Tensor | None = None,
) -> torch.Tensor:
    """N×C×H×W with so many zeros around, to N×H'×W'×F.

    Args:
        x: What is convolved.
        sums: The kernel's.
        around: Rows and columns of zeros on each side.
        step: The dilation.
        bias: Is added to the results.
        rectify: Whether they become 0 where they are below.
        positive: Like `x`, which counts as 0 where this is not positive.
    """
    height, width = (side + 2 * around - 2 * step for side in x.shape[-2:])
    result = x.new_empty(len(x), height, width, sums.shape[2])
    wholes = [None] * len(x) if positive is None else positive.permute(0, 2, 3, 1)
    for picture, where, made in zip(x.permute(0, 2, 3, 1), wholes, result, strict=True):
        # Pixels that lie a multiple of the dilation apart see each other alone: they are a picture of their own.
        for row in range(step):
            for column in range(step):
                part = made[row::step, column::step]
                padded = _padded(picture, around, step, (row, column), part, where)
                _convolve(padded, sums, part, bias, rectify=rectify)
    return result


def _padded(
    x: torch.Tensor, around: int, step: int, first: tuple[int, int], out: torch.Tensor, positive: torch.Tensor | None
) -> torch.Tensor:
    """What the pixels `out`, every `step`-th from `first` on, see of H×W×C, in whole tiles, zeros around."""
    rows, columns = (-(-side // _SIDE) for side in out.shape[:2])
    result = x.new_zeros(_SIDE * rows + 2, _SIDE * columns + 2, x.shape[2])
    # Where the picture begins among the tiles.
    top, left = (-(-(around - start) // step) for start in first)

    def seen(whole: torch.Tensor) -> torch.Tensor:
        part = whole[top * step + first[0] - around :: step, left * step + first[1] - around :: step]
        return part[: len(result) - top, : result.shape[1] - left]

    part = seen(x)
    place = result[top : top + len(part), left : left + part.shape[1]]
    if positive is None:
        place.copy_(part)
    else:
        torch.ops.aten.threshold_backward.grad_input(part, seen(positive), 0, grad_input=place)
    return result


def _convolve(
    padded: torch.Tensor, kernel: torch.Tensor, out: torch.Tensor, bias: torch.Tensor | None, *, rectify: bool
) -> None:
    """Write the convolution of what `_padded` made to H×W×F, some rows of tiles at a time."""
    channels, filters = kernel.shape[1:]
    rows, columns = (side // _SIDE for side in padded.shape[:2])
    at_once = min(rows, max(1, _TILES // columns))
    tiles = at_once * columns
    pixels = padded.new_empty(_SUMS * tiles * max(channels, filters))
    seen, products = (padded.new_empty(_SUMS * tiles * count) for count in (channels, filters))
    row, column, _ = padded.stride()
    one_way = _matrix(_INPUT)
    for start in range(0, rows, at_once):
        count = min(at_once, rows - start)
        tiles = count * columns
        size = (_SEEN, _SEEN, count, columns, channels)
        strides = (row, column, _SIDE * row, _SIDE * column, 1)
        cut = pixels[: _SUMS * tiles * channels].view(size)
        cut.copy_(padded.as_strided(size, strides, start * _SIDE * row))
        sums = seen[: cut.numel()].view(_SUMS, -1)
        across = torch.mm(one_way, cut.view(_SEEN, -1)).view(_SEEN, _SEEN, -1)
        torch.bmm(one_way.expand(_SEEN, -1, -1), across, out=sums.view(_SEEN, _SEEN, -1))
        product = products[: _SUMS * tiles * filters].view(_SUMS, tiles, filters)
        torch.bmm(sums.view(_SUMS, tiles, channels), kernel, out=product)
        made = pixels[: _SIDE**2 * tiles * filters].view(_SIDE**2, -1)
        torch.mm(_both_ways(_OUTPUT), product.view(_SUMS, -1), out=made)
        if bias is not None:
            made.view(-1, filters).add_(bias)
        if rectify:
            made.relu_()
        _paste(made.view(_SIDE, _SIDE, count, columns, filters), out[_SIDE * start : _SIDE * (start + count)])


def _paste(made: torch.Tensor, out: torch.Tensor) -> None:
    """Write 4×4×rows×columns×F tiles to where they belong; those at the right and at the bottom may be cut off."""
    _, _, rows, columns, filters = made.shape
    if out.shape[:2] == (_SIDE * rows, _SIDE * columns) and out.is_contiguous():
        out.view(rows, _SIDE, columns, _SIDE, filters).copy_(made.permute(2, 0, 3, 1, 4))
        return
    whole = made.permute(2, 0, 3, 1, 4).reshape(_SIDE * rows, _SIDE * columns, filters)
    out.copy_(whole[: out.shape[0], : out.shape[1]])


@functools.cache
def _matrix(rows: tuple[tuple[float, ...], ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)


@functools.cache
def _both_ways(matrix: tuple[tuple[float, ...], ...]) -> torch.Tensor:
    """The matrix for both directions at once."""
    one = torch.tensor(matrix, dtype=torch.float32)
    return torch.kron(one, one)
