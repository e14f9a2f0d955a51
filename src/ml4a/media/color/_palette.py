"""Palettes: the few colours that a picture is made of."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from PIL import Image, ImageColor

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .._checked import Seed, checked
from ..image._load import load
from ._colors import Array, colors_of, from_lab, to_lab

_CELLS = 32
"""Along each axis of the RGB cube; colours in one cell count as their mean."""
_RESTARTS, _ROUNDS = 4, 30


@dataclass(frozen=True, eq=False, slots=True)
class Palette:
    """A few colours, in their order. In a notebook it shows itself, each colour as wide as its share."""

    colors: Array
    """N×3 float32 sRGB in [0, 1], read-only."""
    shares: Array
    """N float32: how much of the picture each stands for; they sum to 1."""

    @classmethod
    def of(cls, colors: Iterable[str | Sequence[float]]) -> Palette:
        """A palette of given colours: `"#1d3557"`, names such as `"tomato"`, or (r, g, b) in [0, 1].

            Palette.of(["black", "#e63946", (1, 0.9, 0.7)])

        Raises:
            BadValue: none, or something that is no colour.
        """
        found = [_parse(color) for color in colors]
        if not found:
            raise BadValue("a palette has one colour or more, not none")
        return cls(np.array(found, np.float32), np.full(len(found), 1 / len(found), np.float32))

    def __post_init__(self) -> None:
        colors, shares = np.array(self.colors, np.float32), np.array(self.shares, np.float32)
        if colors.ndim != 2 or colors.shape[1] != 3 or shares.shape != (len(colors),) or colors.size == 0:
            raise BadValue(f"a palette has N×3 colours and N shares, not {colors.shape} and {shares.shape}")
        if not ((colors >= 0) & (colors <= 1)).all() or not ((shares >= 0) & (shares <= 1)).all():
            raise BadValue("the colours and shares of a palette are numbers from 0 to 1")
        for name, array in (("colors", colors), ("shares", shares)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.colors)

    def __iter__(self) -> Iterator[tuple[float, float, float]]:
        """The colours, (r, g, b) in [0, 1]."""
        return ((r, g, b) for r, g, b in self.colors.tolist())

    @property
    def hex(self) -> tuple[str, ...]:
        """The colours as `"#rrggbb"`."""
        return tuple(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in self.levels.tolist())

    @property
    def levels(self) -> Array:
        """N×3 uint8."""
        return (self.colors * 255 + 0.5).astype(np.uint8)

    def __repr__(self) -> str:
        return f"Palette.of({list(self.hex)})"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        width, height = 512, 96
        ends = (self.shares.cumsum() / self.shares.sum() * width).round().astype(int)
        which = np.searchsorted(ends, np.arange(width), side="right").clip(0, len(self) - 1)
        Image.fromarray(np.broadcast_to(self.levels[which], (height, width, 3)).copy()).save(buffer, "PNG")
        return buffer.getvalue()


@checked
def palette(
    picture: Picture,
    count: Annotated[int, Range(1, 256), Doc("How many colours.")] = 6,
    seed: Seed = 0,
) -> Palette:
    """The `count` colours that stand for `picture` best, the most frequent first.

        color.palette("painting.jpg", 5).hex

    K-means in CIE L*a*b*, begun by k-means++ (Arthur & Vassilvitskii, SODA 2007), the best of four attempts.

    Args:
        picture: Where to look.
        count: How many; a picture of fewer colours has fewer.
        seed: Of the beginnings.

    Raises:
        BadValue: every pixel is wholly transparent.
    """
    colors = colors_of(load(picture, as_array=True)).reshape(-1, 3)
    if colors.size == 0:
        raise BadValue("every pixel of the picture is transparent; it has no colours")
    means, weights = _cells(colors)
    points = to_lab(means[None])[0]
    generator = np.random.default_rng(seed)
    attempts = [_k_means(points, weights, min(count, len(points)), generator) for _ in range(_RESTARTS)]
    _, centres, nearest = min(attempts, key=lambda attempt: attempt[0])
    shares = np.bincount(nearest, weights, minlength=len(centres)) / weights.sum()
    order = np.argsort(-shares, kind="stable")
    order = order[shares[order] > 0]
    return Palette(from_lab(centres[order][None])[0], shares[order].astype(np.float32))


def _parse(color: Any) -> tuple[float, ...]:
    if isinstance(color, str):
        try:
            return tuple(value / 255 for value in ImageColor.getrgb(color)[:3])
        except ValueError:
            raise BadValue(f"{color!r} is no colour; write a name such as 'tomato' or '#rrggbb'") from None
    try:
        values = tuple(map(float, color))
    except (TypeError, ValueError):
        values = ()
    if len(values) != 3 or not all(0 <= value <= 1 for value in values):
        raise BadValue(f"a colour is a name, '#rrggbb' or (r, g, b) from 0 to 1, not {color!r}")
    return values


def _cells(colors: Array) -> tuple[Array, Array]:
    """The mean colours of the cells of the RGB cube that are not empty, and how many colours each holds."""
    r, g, b = (colors * np.float32(_CELLS - 0.001)).astype(np.int32).T
    cell = (r * _CELLS + g) * _CELLS + b
    counts = np.bincount(cell, minlength=_CELLS**3)
    used = np.flatnonzero(counts)
    sums = [np.bincount(cell, colors[:, channel], minlength=_CELLS**3)[used] for channel in range(3)]
    weights = counts[used]
    return (np.stack(sums, axis=1) / weights[:, None]).astype(np.float32), weights.astype(np.float64)


def _k_means(points: Array, weights: Array, count: int, generator: np.random.Generator) -> tuple[float, Array, Array]:
    """The sum of the squared distances, the centres, and the number of each point's centre."""
    centres = _begin(points, weights, count, generator)
    nearest = np.zeros(len(points), np.int64)
    for number in range(_ROUNDS):
        distances = _distances(points, centres)
        before, nearest = nearest, distances.argmin(axis=1)
        if number and (before == nearest).all():
            break
        held = np.bincount(nearest, weights, minlength=count)
        sums = [np.bincount(nearest, weights * points[:, axis], minlength=count) for axis in range(3)]
        moved = np.stack(sums, axis=1) / np.maximum(held, 1e-9)[:, None]
        centres = np.where(held[:, None] > 0, moved, centres).astype(np.float32)
    spread = float((_distances(points, centres)[np.arange(len(points)), nearest] * weights).sum())
    return spread, centres, nearest


def _begin(points: Array, weights: Array, count: int, generator: np.random.Generator) -> Array:
    """Centres drawn among the points, each the likelier the farther it is from those that are drawn already."""
    centres = [points[generator.choice(len(points), p=weights / weights.sum())]]
    nearest = _distances(points, centres[0][None])[:, 0]
    while len(centres) < count:
        chance = nearest * weights
        if chance.sum() == 0:
            break
        centres.append(points[generator.choice(len(points), p=chance / chance.sum())])
        nearest = np.minimum(nearest, _distances(points, centres[-1][None])[:, 0])
    return np.array(centres, np.float32)


def _distances(points: Array, centres: Array) -> Array:
    """P×K squared distances, float64."""
    points, centres = points.astype(np.float64), centres.astype(np.float64)
    products = points @ centres.T
    return ((points**2).sum(axis=1)[:, None] - 2 * products + (centres**2).sum(axis=1)).clip(0)
