"""The clusters of the library of 2021: k-means as scikit-learn computes it from the seed that was written there."""

from __future__ import annotations

import numpy as np

from . import _clusters
from ._planes import Array

_SEED = 3425
_ROUNDS = 300
_TOLERANCE = 1e-4
"""Of the pixels' variance: how far centres may still move when it stops."""


def segment(pixels: Array, n: int, previous: Array | None = None) -> Array:
    """Which of `n` clusters each pixel belongs to.

    Args:
        pixels: N×3.
        n: How many clusters.
        previous: N×m weights before, if there are any: clusters are then numbered so that as many pixels as possible
            keep their number. Otherwise the largest is the first, and of equal ones the later.

    Returns:
        N numbers from 0 to n - 1.
    """
    labels = _settled(pixels - pixels.mean(axis=0, dtype=np.float64), n)
    if previous is None:
        order = np.argsort(np.bincount(labels, minlength=n), kind="stable")[::-1]
        return np.argsort(order)[labels]
    before = np.minimum(previous.argmax(axis=1), n - 1)
    return _clusters.assignment(np.bincount(labels * n + before, minlength=n * n).reshape(n, n))[labels]


def _settled(pixels: Array, n: int) -> Array:
    centres = _spread_out(pixels, n, np.random.RandomState(_SEED))  # its very numbers are wanted
    still = pixels.var(axis=0).mean() * _TOLERANCE
    labels = np.full(len(pixels), -1)
    for _ in range(_ROUNDS):
        now = _nearest(pixels, centres)
        counts = np.bincount(now, minlength=n)
        sums = np.stack([np.bincount(now, column, minlength=n) for column in pixels.T], axis=1)
        moved = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
        step = np.square(moved - centres).sum()
        centres = moved
        if np.array_equal(now, labels):
            return labels
        labels = now
        if step <= still:
            break
    return _nearest(pixels, centres)


def _spread_out(pixels: Array, n: int, rng: np.random.RandomState) -> Array:
    """Greedy k-means++: of a few candidates, each drawn by its distance from those before, the one that helps most."""
    count, tries = len(pixels), 2 + int(np.log(n))
    chosen = [rng.choice(count, p=np.full(count, 1 / count))]
    distance = _distances(pixels[chosen], pixels)[0]
    for _ in range(n - 1):
        drawn = rng.uniform(size=tries) * distance.sum()
        candidates = np.searchsorted(np.cumsum(distance), drawn).clip(max=count - 1)
        nearer = np.minimum(distance, _distances(pixels[candidates], pixels))
        best = nearer.sum(axis=1).argmin()
        chosen.append(candidates[best])
        distance = nearer[best]
    return pixels[chosen]


def _distances(some: Array, pixels: Array) -> Array:
    """K×3, N×3 → K×N squared distances."""
    return np.stack([np.square(pixels - one).sum(axis=1) for one in some])


def _nearest(pixels: Array, centres: Array) -> Array:
    return (pixels @ centres.T - np.square(centres).sum(axis=1) / 2).argmax(axis=1)
