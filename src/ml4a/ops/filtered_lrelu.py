"""A leaky ReLU between two filters: made larger, bent, made smaller, so that bending adds no aliases.

Karras et al., Alias-Free Generative Adversarial Networks, NeurIPS 2021, arXiv:2106.12423. The enlarged picture, the
costly part, never exists as a whole: it is made tile by tile, each of which stays in the processor's cache until it is
small again. A filter is a matrix with a band of taps, and a tile's part of it one small product of matrices, in which
zeros that were put between samples do not appear. A table of taps that is the same in all directions is a sum of two to
four outer products, to rounding.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue

from .upfirdn import upfirdn2d

_TILE_BYTES = 4 << 20
"""Of the enlarged picture at once."""
_CHANNELS = 128
"""At once."""
_ROWS = 16
"""Of a band at once: more rows have more zeros in them, fewer are slower for each."""
_NEGLIGIBLE = 5e-7
"""Relative to the largest: singular values of a table of taps below this are rounding."""


def filtered_lrelu(
    x: torch.Tensor,
    fu: torch.Tensor | None = None,
    fd: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    *,
    up: int = 1,
    down: int = 1,
    padding: int | Sequence[int] = 0,
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> torch.Tensor:
    """Add a bias, enlarge, bend, scale, clamp, and make smaller.

    Args:
        x: N×C×H×W, fastest with channels last.
        fu: The filter after `up` − 1 zeros are put behind each sample, a row for both directions; None is none.
        fd: The filter before each `down`-th sample is kept, a row for both directions or a table.
        bias: C.
        up: How many times as many samples there are in between.
        down: Of how many of these one is kept.
        padding: Zeros around, in enlarged samples; one number, or (left, right, top, bottom). Less than 0 cuts off.
        gain: By what the bent is multiplied.
        slope: Of what is below 0, at least 0.
        clamp: Where the bent ends, on both sides; None is nowhere.

    Returns:
        N×C×H'×W', channels last, where W' = ⌈(W·up + left + right − taps of `fu` − taps of `fd` + 2) / down⌉.

    Raises:
        BadValue: nothing would be left, or `fu` is a table.
    """
    if fu is not None and fu.ndim != 1:
        raise BadValue(f"the filter for enlarging must be a row of taps, not of shape {tuple(fu.shape)}")
    left, right, top, bottom = (padding,) * 4 if isinstance(padding, int) else padding
    if bias is not None:
        x = x + bias[:, None, None]
    limit = math.inf if clamp is None else clamp
    if x.device.type != "cpu":
        return _whole(x, fu, fd, up, down, (left, right, top, bottom), gain, slope, limit)
    rows, columns = _taps(fu)[0], _taps(fd)
    # What is positive stays positive, whatever it is multiplied by: the gain may come before the bend.
    across = _axis(rows, columns[0], up, down, left, right, x.shape[3], gain)
    along = _axis(rows, columns[1], up, down, top, bottom, x.shape[2], 1.0)
    bend = _Bend(slope, limit)
    if torch.is_grad_enabled() and x.requires_grad:
        return _WithGradient.apply(x, along, across, bend)
    return _forward(x, along, across, bend)


def _whole(
    x: torch.Tensor,
    fu: torch.Tensor | None,
    fd: torch.Tensor | None,
    up: int,
    down: int,
    padding: Sequence[int],
    gain: float,
    slope: float,
    limit: float,
) -> torch.Tensor:
    """One step after the other, as graphics cards like it."""
    x = upfirdn2d(x, fu, up, 1, padding, gain=up**2)
    x = (F.leaky_relu(x, slope) * gain).clamp(-limit, limit)
    return upfirdn2d(x, fd, 1, down)


class _WithGradient(torch.autograd.Function):
    """Remembers what it was given, and nothing of the enlarged picture, which going back makes again."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, along: _Axis, across: _Axis, bend: _Bend) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.rest = along, across, bend
        return _forward(x, along, across, bend)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        return _backward(x, gradients[0], *ctx.rest), None, None, None


@dataclass(frozen=True, slots=True)
class _Bend:
    """The leaky ReLU and its limits, in place."""

    slope: float
    limit: float

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        F.leaky_relu_(x, self.slope)
        return x if self.limit == math.inf else x.clamp_(-self.limit, self.limit)

    def back(self, gradient: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """What of a gradient comes through, where `x` went in."""
        F.leaky_relu_(x, self.slope)
        if self.limit != math.inf:
            gradient = torch.ops.aten.hardtanh_backward(gradient, x, -self.limit, self.limit)
        return torch.ops.aten.leaky_relu_backward(gradient, x, self.slope, True)


@dataclass(frozen=True)
class _Band:
    """A matrix whose rows are a filter's taps, further and further to the right: `taps[offset − row·step + column·by]`.

    There may be several filters, for a matrix each.
    """

    taps: torch.Tensor
    """R×t."""
    offset: int
    step: int
    by: int
    rows: int
    columns: int
    _blocks: dict[tuple[int, int, int], torch.Tensor] = field(default_factory=dict, compare=False)

    @property
    def transposed(self) -> _Band:
        """The matrices turned about their diagonal."""
        offset = self.taps.shape[1] - 1 - self.offset
        swapped = {"step": self.by, "by": self.step, "rows": self.columns, "columns": self.rows}
        return dataclasses.replace(self, taps=self.taps.flip(1), offset=offset, **swapped, _blocks={})

    def reach(self, begin: int, end: int) -> tuple[int, int]:
        """The columns in which rows from `begin` to before `end` have taps."""
        first = -((self.offset - begin * self.step) // self.by)
        last = (self.taps.shape[1] - 1 - self.offset + (end - 1) * self.step) // self.by
        first = max(first, 0)
        return first, max(first, min(last + 1, self.columns))

    def block(self, begin: int, end: int) -> tuple[torch.Tensor, int, int]:
        """These rows of all matrices, R×rows×columns, and their `reach`; away from the edges, all are the same."""
        first, last = self.reach(begin, end)
        key = (self.offset - begin * self.step + first * self.by, end - begin, last - first)
        if key not in self._blocks:
            self._blocks[key] = self._made(*key)
        return self._blocks[key], first, last

    def _made(self, offset: int, rows: int, columns: int) -> torch.Tensor:
        places = offset - torch.arange(rows)[:, None] * self.step + torch.arange(columns) * self.by
        inside = (places >= 0) & (places < self.taps.shape[1])
        return torch.where(inside, self.taps[:, places.clamp(0, self.taps.shape[1] - 1)], 0)


@dataclass(frozen=True)
class _Axis:
    """What happens in one direction."""

    up: _Band
    down: _Band

    @functools.cached_property
    def back(self) -> _Axis:
        """What happens to gradients."""
        return _Axis(self.down.transposed, self.up.transposed)


_Taps = tuple[tuple[float, ...], ...]


@functools.lru_cache(maxsize=256)
def _axis(
    up_taps: _Taps, down_taps: _Taps, up: int, down: int, before: int, behind: int, size: int, gain: float
) -> _Axis:
    between = size * up + before + behind - len(up_taps[0]) + 1
    left = between - len(down_taps[0]) + 1
    if left < 1:
        raise BadValue(f"filters of {len(up_taps[0])} and {len(down_taps[0])} taps leave nothing of {size} samples")
    with torch.inference_mode(False):
        # A convolution: the taps lie the other way round.
        rise = torch.tensor(up_taps, dtype=torch.float64).flip(1) * (up * gain)
        fall = torch.tensor(down_taps, dtype=torch.float64).flip(1)
        return _Axis(
            _Band(rise.float(), before, 1, up, between, size),
            _Band(fall.float(), 0, down, 1, (left - 1) // down + 1, between),
        )


def _taps(f: torch.Tensor | None) -> tuple[_Taps, _Taps]:
    """Rows of taps for the direction of x and for that of y, whose outer products add up to the filter."""
    if f is None:
        return ((1.0,),), ((1.0,),)
    if f.ndim == 1:
        row = tuple(f.tolist())
        return (row,), (row,)
    return _separated(tuple(map(tuple, f.tolist())))


@functools.lru_cache(maxsize=64)
def _separated(table: _Taps) -> tuple[_Taps, _Taps]:
    u, s, v = torch.linalg.svd(torch.tensor(table, dtype=torch.float64))
    rank = max(1, int((s > _NEGLIGIBLE * s[0]).sum()))
    columns, rows = (u * s)[:, :rank].T, v[:rank]
    return tuple(map(tuple, rows.tolist())), tuple(map(tuple, columns.tolist()))


def _forward(x: torch.Tensor, along: _Axis, across: _Axis, bend: _Bend) -> torch.Tensor:
    return _resampled(x, along, across, lambda tile, *_: bend(tile))


def _backward(x: torch.Tensor, gradient: torch.Tensor, along: _Axis, across: _Axis, bend: _Bend) -> torch.Tensor:
    whole = x.permute(0, 2, 3, 1)

    def back(tile: torch.Tensor, part: _Part) -> torch.Tensor:
        there = whole[part.picture, :, :, part.channels]
        return bend.back(tile, _enlarged(there, along.up, across.up, part.rows, part.columns))

    return _resampled(gradient, along.back, across.back, back)


@dataclass(frozen=True, slots=True)
class _Part:
    """Where a tile of what is in between lies."""

    picture: int
    channels: slice
    rows: tuple[int, int]
    columns: tuple[int, int]


def _resampled(
    x: torch.Tensor, along: _Axis, across: _Axis, between: Callable[[torch.Tensor, _Part], torch.Tensor]
) -> torch.Tensor:
    """N×C×H×W enlarged, changed by `between`, and made smaller, tile by tile."""
    x = x.permute(0, 2, 3, 1)
    count, _, _, channels = x.shape
    result = x.new_empty(count, along.down.rows, across.down.rows, channels)
    for picture in range(count):
        for chunk in _pieces(channels, _CHANNELS):
            some = x[picture, :, :, chunk].contiguous()
            side = _tile_side(some.shape[2], along, across)
            for rows in _pieces(along.down.rows, side):
                for columns in _pieces(across.down.rows, side):
                    high, wide = along.down.reach(rows.start, rows.stop), across.down.reach(columns.start, columns.stop)
                    tile = between(_enlarged(some, along.up, across.up, high, wide), _Part(picture, chunk, high, wide))
                    small = _shrunk(tile, along.down, across.down, rows, columns)
                    result[picture, rows, columns, chunk] = small
    return result.permute(0, 3, 1, 2)


def _enlarged(
    x: torch.Tensor, along: _Band, across: _Band, rows: tuple[int, int], columns: tuple[int, int]
) -> torch.Tensor:
    """The tile rows×columns of H×W×C after the two bands, as columns×rows×C.

    The small picture is turned, so that of the large one each column is one long row of numbers.
    """
    (top, bottom), (left, right) = rows, columns
    first, last = across.reach(left, right)
    x = x[:, first:last].transpose(0, 1)
    taller = x.new_empty(len(x), bottom - top, x.shape[2])
    tile = x.new_empty(right - left, bottom - top, x.shape[2])
    for rank in range(len(across.taps)):
        for part in _pieces(bottom - top, _ROWS):
            block, begin, end = along.block(top + part.start, top + part.stop)
            taller[:, part] = torch.bmm(block[rank].expand(len(x), -1, -1), x[:, begin:end])
        for part in _pieces(right - left, _ROWS):
            block, begin, end = across.block(left + part.start, left + part.stop)
            source, made = taller[begin - first : end - first].flatten(1), tile[part].flatten(1)
            torch.addmm(made, block[rank], source, beta=int(rank > 0), out=made)
    return tile


def _shrunk(tile: torch.Tensor, along: _Band, across: _Band, rows: slice, columns: slice) -> torch.Tensor:
    """What the two bands leave of such a tile, which is all that these rows and columns reach: rows×columns×C."""
    top, left = along.reach(rows.start, rows.stop)[0], across.reach(columns.start, columns.stop)[0]
    ranks, (_, high, channels) = len(across.taps), tile.shape
    height, width = rows.stop - rows.start, columns.stop - columns.start
    narrow = tile.new_empty(width, ranks, high, channels)
    most = round(_ROWS / math.sqrt(ranks))
    for part in _pieces(width, most):
        block, begin, end = across.block(columns.start + part.start, columns.start + part.stop)
        block = block.transpose(0, 1).reshape(-1, end - begin)
        torch.mm(block, tile[begin - left : end - left].flatten(1), out=narrow[part].view(len(block), -1))
    small = tile.new_empty(height, width, channels)
    for part in _pieces(height, most):
        block, begin, end = along.block(rows.start + part.start, rows.start + part.stop)
        seen = narrow[:, :, begin - top : end - top]
        made = torch.bmm(block[0].expand(width, -1, -1), seen[:, 0])
        for rank in range(1, ranks):
            made.baddbmm_(block[rank].expand(width, -1, -1), seen[:, rank])
        small[part] = made.transpose(0, 1)
    return small


def _tile_side(channels: int, along: _Axis, across: _Axis) -> int:
    """How many results along a tile's side keep what is in between small enough for the cache."""
    side = math.sqrt(_TILE_BYTES / 4 / channels)
    overlap = max(axis.down.taps.shape[1] for axis in (along, across)) / along.down.by
    return max(4, int((side - overlap) * along.down.by / along.down.step))


def _pieces(length: int, most: int) -> Iterator[slice]:
    """Ranges of about the same length, none longer than `most`."""
    count = -(-length // most)
    for number in range(count):
        yield slice(number * length // count, (number + 1) * length // count)
