"""Large pictures through a network piece by piece: the same result, in bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias, TypeVar, cast

import torch

from ml4a._core.errors import BadValue

Scale: TypeAlias = int | float | Fraction
Result = TypeVar("Result", torch.Tensor, tuple[torch.Tensor, ...])

_SMALLEST_TILE = 32


def tiled(
    function: Callable[[torch.Tensor], Result],
    x: torch.Tensor,
    *,
    tile: int,
    overlap: int,
    multiple: int = 1,
    scales: Scale | Sequence[Scale] = 1,
    on_tile: Callable[[int, int], object] | None = None,
    device: torch.device | str = "cpu",
) -> Result:
    """What `function(x)` gives, computed in tiles.

    From its top left corner on, the picture is cut into cores of `tile` × `tile` pixels; at the right and at the
    bottom is what is left. The function sees each core with `overlap` more pixels on every side, or as many as the
    picture has, and of what it returns the core is kept. There are no seams if the function looks no further than
    `overlap`.

    Args:
        function: Takes N×C×h×w; returns one tensor or several, each N×D×(scale·h)×(scale·w).
        x: N×C×H×W.
        tile: Side of a core, in pixels of `x`.
        overlap: In pixels of `x`.
        multiple: What the function sees begins at multiples of this, so `tile` and `overlap` must be multiples.
        scales: How many times larger each result is than `x`. Where a picture's size is not a multiple of the
            inverse, the function may round up or down.
        on_tile: Called after each tile with the number of tiles done and of all; what it raises stops the work.
        device: Where the results are put together. The CPU has more memory than most GPUs.

    Returns:
        One tensor or several, as `function` does.

    Raises:
        BadValue: `tile` or `overlap` is negative or not a multiple of `multiple`.
    """
    if tile < 1 or overlap < 0 or tile % multiple or overlap % multiple:
        raise BadValue(f"tile and overlap must be multiples of {multiple}, not {tile} and {overlap}")
    scales = scales if isinstance(scales, Sequence) else (scales,)
    height, width = x.shape[-2:]
    grid = list(itertools.product(_spans(height, tile, overlap), _spans(width, tile, overlap)))
    results: list[torch.Tensor] = []
    several = False
    # The last tile comes first: where its results end, the whole results end.
    for done, (rows, columns) in enumerate(reversed(grid), start=1):
        found = function(x[..., rows.seen, columns.seen])
        several = not isinstance(found, torch.Tensor)
        pieces = [found] if isinstance(found, torch.Tensor) else list(found)
        if not results:
            results = [_whole(piece, rows, columns, scale, device) for piece, scale in zip(pieces, scales, strict=True)]
        for result, piece, scale in zip(results, pieces, scales, strict=True):
            _paste(piece, result, rows, columns, scale)
        if on_tile is not None:
            on_tile(done, len(grid))
    return cast("Result", tuple(results) if several else results[0])


def tile_size(height: int, width: int, *, budget: int, bytes_per_pixel: float, overlap: int, multiple: int = 1) -> int:
    """The side of the largest tiles that there is memory for: the picture's longer side, if all of it fits.

    Tiles are evened out, so that none is a sliver. They are never smaller than 32 px, even if that is more than fits.

    Args:
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.
        budget: Bytes that a run of the function may take.
        bytes_per_pixel: Bytes that it takes for each pixel that it sees.
        overlap: As for `tiled`.
        multiple: As for `tiled`.
    """
    longer = max(height, width)
    smallest = math.ceil(_SMALLEST_TILE / multiple) * multiple

    def fits(tile: int) -> bool:
        seen = min(height, tile + 2 * overlap) * min(width, tile + 2 * overlap)
        return seen * bytes_per_pixel <= budget

    even = (math.ceil(longer / pieces / multiple) * multiple for pieces in itertools.count(1))
    return next(max(tile, smallest) for tile in even if fits(tile) or tile <= smallest)


@dataclass(frozen=True, slots=True)
class _Span:
    """A tile along one axis: its core, and the longer stretch around it that the function sees."""

    core: slice
    seen: slice


def _spans(length: int, tile: int, overlap: int) -> list[_Span]:
    return [
        _Span(
            core=slice(start, min(start + tile, length)),
            seen=slice(max(start - overlap, 0), min(start + tile + overlap, length)),
        )
        for start in range(0, length, tile)
    ]


def _whole(last: torch.Tensor, rows: _Span, columns: _Span, scale: Scale, device: torch.device | str) -> torch.Tensor:
    """Memory for a whole result, whose `last` piece is there."""
    height, width = last.shape[-2:]
    size = int(rows.seen.start * scale) + height, int(columns.seen.start * scale) + width
    return last.new_empty(*last.shape[:-2], *size, device=device)


def _paste(piece: torch.Tensor, result: torch.Tensor, rows: _Span, columns: _Span, scale: Scale) -> None:
    """Copy the core of a tile's result to its place in the whole."""
    top, left = int(rows.seen.start * scale), int(columns.seen.start * scale)
    y = slice(int(rows.core.start * scale), min(math.ceil(rows.core.stop * scale), result.shape[-2]))
    x = slice(int(columns.core.start * scale), min(math.ceil(columns.core.stop * scale), result.shape[-1]))
    result[..., y, x] = piece[..., y.start - top : y.stop - top, x.start - left : x.stop - left]
