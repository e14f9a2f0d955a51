"""Lines one pixel wide to strokes: what a pen draws without being lifted."""

from __future__ import annotations

import math
from typing import TypeAlias

import cv2
import numpy as np

from ._thinning import Array

_End: TypeAlias = tuple[int, bool]
"""A path, by number, and which of its ends: the last pixel, or the first."""

_STRAIGHT = -0.5
"""Strokes that meet are drawn on as one if they bend by less than 60°: the cosine of the angle between them."""
_WEIGHTS = np.array([1, 6, 15, 20, 15, 6, 1], np.float32) / 64
_AHEAD = 6
"""Pixels over which a stroke's direction is measured where it ends."""


def strokes(thin: Array, tolerance: float) -> list[Array]:
    """The lines of a thinned drawing, each of them once.

    Args:
        thin: H×W, bool.
        tolerance: How far, in pixels, a stroke may be from its line, which is smoothed by less than a pixel; 0 keeps
            the middle of every pixel.

    Returns:
        For each stroke N×2 float64, x and y, pixel centres at half-integers. A stroke that ends where it begins is
        closed; a dot is one point.
    """
    beside = _beside(thin)
    dots = [[pixel] for pixel, links in beside.items() if not links]
    found = dots + _joined(_walked(beside), thin.shape[1])
    return [_simplified(pixels, thin.shape[1], tolerance) for pixels in found]


def _beside(thin: Array) -> dict[int, list[int]]:
    """The neighbours of each pixel of ink, by index; a diagonal counts where no way around its corner does."""
    height, width = thin.shape
    index = np.arange(height * width).reshape(height, width)
    right = thin[:, :-1] & thin[:, 1:]
    down = thin[:-1] & thin[1:]
    falling = thin[:-1, :-1] & thin[1:, 1:] & ~thin[:-1, 1:] & ~thin[1:, :-1]
    rising = thin[1:, :-1] & thin[:-1, 1:] & ~thin[:-1, :-1] & ~thin[1:, 1:]
    links = [
        (index[:, :-1][right], index[:, 1:][right]),
        (index[:-1][down], index[1:][down]),
        (index[:-1, :-1][falling], index[1:, 1:][falling]),
        (index[1:, :-1][rising], index[:-1, 1:][rising]),
    ]
    beside: dict[int, list[int]] = {pixel: [] for pixel in np.flatnonzero(thin).tolist()}
    for one, other in links:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            beside[a].append(b)
            beside[b].append(a)
    return beside


def _walked(beside: dict[int, list[int]]) -> list[list[int]]:
    """The pixels from each end or crossing to the next, and then those of what has neither: loops."""
    walked: set[tuple[int, int]] = set()

    def walk(start: int, following: int) -> list[int]:
        path = [start, following]
        walked.update(((start, following), (following, start)))
        while len(beside[path[-1]]) == 2 and path[-1] != start:
            here = path[-1]
            one, other = beside[here]
            ahead = other if one == path[-2] else one
            walked.update(((here, ahead), (ahead, here)))
            path.append(ahead)
        return path

    ends = [pixel for pixel, links in beside.items() if links and len(links) != 2]
    others = [pixel for pixel, links in beside.items() if len(links) == 2]
    return [
        walk(pixel, following)
        for pixel in [*ends, *others]
        for following in beside[pixel]
        if (pixel, following) not in walked
    ]


def _joined(paths: list[list[int]], width: int) -> list[list[int]]:
    """Paths that go straight on where they meet as one, the straightest first."""
    meeting: dict[int, list[_End]] = {}
    for number, path in enumerate(paths):
        if path[0] != path[-1]:  # a loop is whole already
            meeting.setdefault(path[0], []).append((number, False))
            meeting.setdefault(path[-1], []).append((number, True))
    going_on: dict[_End, _End] = {}
    for ends in meeting.values():
        for one, other in _straight(ends, paths, width):
            going_on[one], going_on[other] = other, one
    # From those whose beginning or end is one of a stroke; what is left then goes round in a circle.
    starts = [(number, last) for number in range(len(paths)) for last in (False, True)]
    starts.sort(key=lambda end: end in going_on)
    taken: set[int] = set()
    return [_along(start, paths, going_on, taken) for start in starts if start[0] not in taken]


def _straight(ends: list[_End], paths: list[list[int]], width: int) -> list[tuple[_End, _End]]:
    """The ends at one place that go on in each other, each at most once."""
    away = [_direction(paths[number], last, width) for number, last in ends]
    bends = sorted(
        (x0 * x1 + y0 * y1, one, other)
        for one, (x0, y0) in enumerate(away)
        for other, (x1, y1) in enumerate(away[:one])
    )
    pairs, taken = [], set()
    for cosine, one, other in bends:
        if cosine < _STRAIGHT and not taken & {one, other}:
            taken |= {one, other}
            pairs.append((ends[one], ends[other]))
    return pairs


def _direction(path: list[int], last: bool, width: int) -> tuple[float, float]:
    """The unit vector (x, y) from a path's end into it."""
    ahead = path[-1 - _AHEAD :][::-1] if last else path[: _AHEAD + 1]
    (y0, x0), (y1, x1) = divmod(ahead[0], width), divmod(ahead[-1], width)
    far = max(1.0, math.hypot(x1 - x0, y1 - y0))
    return (x1 - x0) / far, (y1 - y0) / far


def _along(start: _End, paths: list[list[int]], going_on: dict[_End, _End], taken: set[int]) -> list[int]:
    """The pixels from the end of one path on, as long as they go on."""
    pixels: list[int] = []
    here: _End | None = start
    while here is not None and here[0] not in taken:
        number, last = here
        taken.add(number)
        path = paths[number][::-1] if last else paths[number]
        pixels += path[1:] if pixels else path
        here = going_on.get((number, not last))
    return pixels


def _simplified(pixels: list[int], width: int, tolerance: float) -> Array:
    y, x = np.divmod(np.array(pixels), width)
    points = np.stack([x, y], axis=1).astype(np.float32)
    closed = len(pixels) > 1 and pixels[0] == pixels[-1]
    if closed:
        points = points[:-1]
    if tolerance > 0:
        points = _smoothed(points, closed=closed)
    points = cv2.approxPolyDP(points[:, None], tolerance, closed)[:, 0].astype(float) + 0.5
    return np.concatenate([points, points[:1]]) if closed else points


def _smoothed(points: Array, *, closed: bool) -> Array:
    """A stroke without the stairs that its pixels make: each point is the weighted mean of those around it."""
    side = len(_WEIGHTS) // 2
    if len(points) <= side:
        return points
    if closed:
        around = np.concatenate([points[-side:], points, points[:side]])
    else:  # mirrored in its ends, which therefore stay where they are
        before, after = points[side:0:-1], points[-2 : -2 - side : -1]
        around = np.concatenate([2 * points[0] - before, points, 2 * points[-1] - after])
    return np.stack([np.convolve(around[:, axis], _WEIGHTS, "valid") for axis in (0, 1)], axis=1)
