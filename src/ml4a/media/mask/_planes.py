"""What masks are drawn with: the pixels' places, the slopes of edges, channels that take turns, blurring and growing.

Pictures are computed some rows at a time, so that what is needed in between stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_BLOCK = 1 << 15
"""Pixels computed at a time."""
_BLUR = 4.0
"""Deviation, in pixels, from whose double on a mask is blurred at half the size: what is so soft needs no more."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where pixels are, in canvas units."""

    x: Array
    """1×W float32."""
    y: Array
    """H×1 float32, down."""
    pixel: float
    """The side of a pixel: edges are so soft at least, and look smooth."""

    @classmethod
    def of(cls, size: tuple[int, int]) -> Grid:
        """A whole picture's."""
        pixel = 1 / min(size)
        x, y = ((np.arange(side) + (0.5 - side / 2)) * pixel for side in size)
        return cls(x.astype(np.float32)[None, :], y.astype(np.float32)[:, None], pixel)

    def rows(self, rows: slice) -> Grid:
        """Some rows of it."""
        return Grid(self.x, self.y[rows], self.pixel)

    def seen_from(self, point: tuple[float, float]) -> Grid:
        """With the origin at `point`."""
        return Grid(self.x - point[0], self.y - point[1], self.pixel)

    def distance(self) -> Array:
        """H×W: how far each pixel is from the origin."""
        squares = np.square(self.x) + np.square(self.y)
        return np.sqrt(squares, out=squares)

    def along(self, angle: float) -> Array:
        """H×W: how far each pixel is in the direction of `angle`, counter-clockwise from the right."""
        return self.x * np.float32(np.cos(angle)) - self.y * np.float32(np.sin(angle))


def blocks(size: tuple[int, int]) -> Iterator[slice]:
    """The rows of a picture of (width, height), some at a time."""
    step = max(1, _BLOCK // size[0])
    return (slice(start, min(start + step, size[1])) for start in range(0, size[1], step))


def inside(distance: Array, softness: float) -> Array:
    """1 where the (signed) distance is below 0, 0 where above, linear over `softness` around 0. In place."""
    distance *= -1 / softness
    distance += 0.5
    return np.clip(distance, 0, 1, out=distance)


def band(position: Array, middle: float, blend: float | Array, edge: float, out: Array, around: int = 0) -> Array:
    """A band of width 1 around `middle`: 1 within, 0 without, linear over `blend` at its edges.

    Args:
        position: Of the pixels, in widths of a band.
        middle: Of the band.
        blend: Width of the slope, above 0.
        edge: What the band is on its edge: 0.5 for a slope in the middle of it, 1 for one outside.
        out: Where it goes; returned.
        around: After how many bands positions begin anew, if they do.
    """
    np.subtract(position, middle, out=out)
    np.abs(out, out=out)
    if around:
        np.minimum(out, around - out, out=out)
    np.subtract(0.5, out, out=out)
    out *= 1 / blend
    out += edge
    return np.clip(out, 0, 1, out=out)


def turns(progress: Array, n: int, blend: float | Array) -> Iterator[Array]:
    """Channels that take turns: channel k has its turn where floor(progress) mod n is k; they sum to one.

    Args:
        progress: H×W float32, overwritten.
        n: How many channels.
        blend: How long one fades into the next, in turns, above 0 and at most 1.

    Yields:
        H×W for each channel, overwritten by the next.
    """
    rest = np.ones_like(progress)
    if n > 1:
        wrap(progress, n)
        plane = np.empty_like(progress)
        for channel in range(n - 1):
            yield band(progress, channel + 0.5, blend, 0.5, plane, around=0 if channel else n)
            rest -= plane
    yield np.maximum(rest, 0, out=rest)


def wrap(position: Array, length: float) -> Array:
    """`position` modulo `length`, in place; many times as fast as `np.mod`."""
    whole = position * (1 / length)
    np.floor(whole, out=whole)
    whole *= length
    position -= whole
    return position


def resized(values: Array, size: tuple[int, int]) -> Array:
    """H×W×n at another size: bilinear where it grows, averaged where it shrinks."""
    import cv2

    height, width, n = values.shape
    if size == (width, height):
        return values
    how = cv2.INTER_AREA if size[0] <= width and size[1] <= height else cv2.INTER_LINEAR
    planes = [np.ascontiguousarray(values[:, :, start : start + 4]) for start in range(0, n, 4)]
    return np.concatenate([cv2.resize(p, size, interpolation=how).reshape(*size[::-1], -1) for p in planes], axis=2)


def blurred(values: Array, deviation: float) -> Array:
    """H×W×n through a Gaussian of `deviation` pixels; beyond the border it goes on as at it."""
    import cv2

    if deviation <= 0:
        return values
    height, width, _ = values.shape
    factor = 1
    while deviation / factor >= 2 * _BLUR and min(width, height) > 2 * factor:
        factor *= 2
    if factor > 1:
        small = resized(values, (-(-width // factor), -(-height // factor)))
        return resized(blurred(small, deviation / factor), (width, height))
    soft = cv2.GaussianBlur(np.ascontiguousarray(values), (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    return np.minimum(soft, 1, out=soft).reshape(values.shape)  # its weights sum to one but for rounding


def grown(plane: Array, radius: float) -> Array:
    """H×W with its edge, where it passes one half, moved outwards by `radius` pixels (inwards if below 0)."""
    import cv2

    within = plane >= 0.5
    if within.all() or not within.any():
        return within.astype(np.float32)  # there is no edge that could move
    others = ~within if radius > 0 else within
    distance = cv2.distanceTransform(others.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).reshape(plane.shape)
    distance -= 0.5 + radius if radius > 0 else 0.5  # to the edge it is half a pixel less than to the next centre
    if radius > 0:
        return inside(distance, 1)
    np.subtract(-radius, distance, out=distance)
    return inside(distance, 1)
