"""Dithering: few colours that look like many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc

from .._checked import checked
from ._colors import LUMA, Array, recolored
from ._palette import Palette

Method: TypeAlias = Annotated[
    Literal["floyd_steinberg", "ordered", "none"],
    Doc("Errors passed on to the neighbours, a fixed pattern (steady in films), or the nearest colour."),
]


_CELLS = 64
"""Along each axis of the RGB cube; the pixels of a cell are mixed of the same two colours."""
_PART = 1 << 12
"""Cells looked at together, for the memory's sake."""
_COARSE = 0.05
"""How much closer a mix of unlike colours must come than one of like colours: its pattern is seen."""
_SAME = 1e-9


@checked
def dither(picture: Picture, palette: Palette | Sequence[Any] | int = 2, method: Method = "floyd_steinberg") -> Any:
    """Draw `picture` in few colours.

        color.dither(photo, 2)                                            # 2 levels in each channel: 8 colours
        color.dither(photo, ["#1a1c2c", "#b13e53", "#ffcd75", "#f4f4f4"])
        color.dither(photo, color.palette(painting, 8), method="ordered")

    Args:
        picture: What to draw.
        palette: A `Palette`, a list of colours (see `Palette.of`), or how many levels each channel has.
        method: `"floyd_steinberg"` (Floyd & Steinberg 1976), with the finest grain; `"ordered"`, Bayer's 8×8 pattern
            (1973), which does not crawl from frame to frame; `"none"`, flat areas.

    Raises:
        BadValue: no colours or more than 256, fewer levels than 2 or more than 256.
    """
    if isinstance(palette, int | np.integer) and not isinstance(palette, bool):
        if not 2 <= palette <= 256:
            raise BadValue(f"each channel has 2 to 256 levels, not {palette!r}")
        levels = int(palette)
        return recolored(picture, lambda colors: _to_levels(colors, levels, method), in_place=True)
    if isinstance(palette, str) or not isinstance(palette, Palette | Sequence):
        raise BadValue(f"a palette is a Palette, a list of colours or a number of levels, not {palette!r}")
    chosen = palette if isinstance(palette, Palette) else Palette.of(palette)
    if len(chosen) > 256:
        raise BadValue(f"dithering takes at most 256 colours, not {len(chosen)}")
    return recolored(picture, lambda colors: _to_palette(colors, chosen, method), in_place=True)


def _to_levels(colors: Array, levels: int, method: str) -> Array:
    top = np.float32(levels - 1)
    if method == "none":
        return np.rint(colors * top) / top
    if method == "ordered":
        return np.floor(colors * top + _thresholds(colors.shape)).clip(0, top) / top
    # Which of the two levels around each value: a picture of black and white, whose errors Pillow diffuses.
    lower = np.floor(colors * top).clip(0, top - 1)
    share = _in_bytes(colors * top - lower)
    planes = [np.asarray(Image.fromarray(share[:, :, channel]).convert("1")) for channel in range(3)]
    return (lower + np.stack(planes, axis=2)) / top


def _to_palette(colors: Array, palette: Palette, method: str) -> Array:
    if method == "ordered":
        return _mixed(colors, palette.colors)
    indices = _diffused(_in_bytes(colors), palette.levels, diffuse=method == "floyd_steinberg")
    return palette.colors[indices]


def _mixed(colors: Array, palette: Array) -> Array:
    """Each pixel as one of the two colours that mix it best: the brighter if its share is above the threshold."""
    r, g, b = np.moveaxis((colors * np.float32(_CELLS - 0.001)).astype(np.int32), 2, 0)
    cells, cell = np.unique((r * _CELLS + g) * _CELLS + b, return_inverse=True)
    middles = (np.stack([cells // _CELLS**2, cells // _CELLS % _CELLS, cells % _CELLS], axis=1) + 0.5) / _CELLS
    parts = [_best_pairs(middles[start : start + _PART], palette) for start in range(0, len(middles), _PART)]
    pairs = np.concatenate(parts, axis=1)
    # The darker first: else the pattern would turn inside out where the nearer of two becomes the farther.
    luma = palette @ np.array(LUMA, np.float32)
    darker, brighter = np.take_along_axis(pairs, np.argsort(luma[pairs], axis=0, kind="stable"), axis=0)
    step = palette[brighter] - palette[darker]
    step /= np.maximum((step**2).sum(axis=1, keepdims=True), _SAME)
    cell = cell.reshape(colors.shape[:2])
    share = ((colors - palette[darker][cell]) * step[cell]).sum(axis=2)
    return palette[np.where(share > _thresholds(colors.shape)[:, :, 0], brighter[cell], darker[cell])]


def _best_pairs(points: Array, palette: Array) -> Array:
    """The index of each point's nearest colour, and of that which comes closest when mixed with it: 2×P."""
    away = points[:, None] - palette[None]
    nearest = (away**2).sum(axis=2).argmin(axis=1)
    steps = palette[None] - palette[nearest][:, None]
    lengths = np.maximum((steps**2).sum(axis=2), _SAME)
    offset = (points - palette[nearest])[:, None]
    share = ((offset * steps).sum(axis=2) / lengths).clip(0, 1)
    missed = ((offset - share[:, :, None] * steps) ** 2).sum(axis=2)
    return np.stack([nearest, (missed + _COARSE * share * lengths).argmin(axis=1)])


def _diffused(pixels: Array, colors: Array, *, diffuse: bool = True) -> Array:
    """Indices of the colours, N×3 uint8, that stand for H×W×3 uint8 pixels."""
    table = Image.new("P", (1, 1))
    # Pillow fills a short table up with black, which would be a colour of its own.
    table.putpalette(np.concatenate([colors, colors[-1:].repeat(256 - len(colors), axis=0)]).tobytes())
    how = Image.Dither.FLOYDSTEINBERG if diffuse else Image.Dither.NONE
    indices = np.asarray(Image.fromarray(pixels).quantize(palette=table, dither=how))
    return np.minimum(indices, len(colors) - 1)


def _in_bytes(values: Array) -> Array:
    return np.ascontiguousarray((values.clip(0, 1) * 255 + 0.5).astype(np.uint8))


def _thresholds(shape: Sequence[int]) -> Array:
    """H×W×1 float32 between 0 and 1: Bayer's matrix, repeated."""
    pattern = np.zeros((1, 1))
    for _ in range(3):
        pattern = np.block([[4 * pattern, 4 * pattern + 2], [4 * pattern + 3, 4 * pattern + 1]])
    pattern = ((pattern + 0.5) / 64).astype(np.float32)
    rows, columns = -(-shape[0] // 8), -(-shape[1] // 8)
    return np.tile(pattern, (rows, columns))[: shape[0], : shape[1], None]
