"""Colours of a picture in clusters: k-means, the same from run to run, and from frame to frame of a film."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

_SAMPLE = 4096
"""Pixels that the clusters are found from; all are then assigned to them."""
_STARTS = 6
_ROUNDS = 100
_LOYALTY = 1.02
"""How much worse the clusters that go on from those before may be than others, and still be kept."""
_BLOCK = 1 << 15
"""Pixels assigned at a time: so many stay in the cache."""


def segment(pixels: Array, n: int, previous: Array | None = None) -> Array:
    """Which of `n` clusters each pixel belongs to (k-means++: Arthur & Vassilvitskii, SODA 2007).

    Args:
        pixels: N×3 float32.
        n: How many clusters.
        previous: N×m weights before, if there are any. The clusters are then numbered so that as many pixels as
            possible keep their number; otherwise the largest is the first.

    Returns:
        N numbers from 0 to n - 1.
    """
    rng = np.random.default_rng(0)
    chosen = np.arange(len(pixels)) if len(pixels) <= _SAMPLE else rng.integers(len(pixels), size=_SAMPLE)
    sample = pixels[chosen].astype(np.float64)
    starts = [_spread_out(sample, n, rng) for _ in range(_STARTS)]
    found = min((_settled(sample, start) for start in starts), key=lambda result: result[0])
    before = None if previous is None else previous[chosen].argmax(axis=1)
    if before is not None:
        again = _settled(sample, _means(sample, before, found[1]))
        found = again if again[0] <= _LOYALTY * found[0] else found
    labels = nearest(pixels, found[1].astype(np.float32))
    if before is None:
        order = np.argsort(-np.bincount(labels, minlength=n), kind="stable")
        return np.argsort(order).astype(labels.dtype)[labels]
    overlap = np.bincount(labels[chosen].astype(np.int64) * n + np.minimum(before, n - 1), minlength=n * n)
    return assignment(overlap.reshape(n, n)).astype(labels.dtype)[labels]


def nearest(pixels: Array, centres: Array) -> Array:
    """The number of the centre that is nearest to each pixel.

    Args:
        pixels: N×3 float32.
        centres: n×3 float32, n up to 64.
    """
    labels = np.zeros(len(pixels), np.uint8)
    bias = np.einsum("nc,nc->n", centres, centres) / 2
    for start in range(0, len(pixels), _BLOCK):
        scores = centres @ pixels[start : start + _BLOCK].T - bias[:, None]
        best, chosen = scores[0], labels[start : start + _BLOCK]
        for number, score in enumerate(scores[1:], start=1):
            better = score > best
            np.maximum(best, score, out=best)
            np.putmask(chosen, better, number)
    return labels


def one_hot(labels: Array, n: int) -> Array:
    """H×W numbers below `n` → H×W×n float32, 1 in the channel of the number."""
    values = np.empty((*labels.shape, n), np.float32)
    for number in range(n):
        values[:, :, number] = labels == number
    return values


def assignment(gain: Array) -> Array:
    """Each row's own column, so that the gains add up to the most (Kuhn–Munkres, by shortest augmenting paths).

    Args:
        gain: n×n numbers.

    Returns:
        The column of each row.
    """
    n = len(gain)
    cost = np.zeros((n + 1, n + 1))
    cost[1:, 1:] = -gain
    row_price, column_price = np.zeros(n + 1), np.zeros(n + 1)
    row_of = np.zeros(n + 1, np.int64)  # of each column; 0 is none
    for row in range(1, n + 1):
        row_of[0], column = row, 0
        least, came_from = np.full(n + 1, np.inf), np.zeros(n + 1, np.int64)
        done = np.zeros(n + 1, bool)
        while row_of[column] != 0:
            done[column] = True
            reduced = cost[row_of[column]] - row_price[row_of[column]] - column_price
            nearer = ~done & (reduced < least)
            nearer[0] = False
            least[nearer], came_from[nearer] = reduced[nearer], column
            following = int(np.where(done, np.inf, least)[1:].argmin()) + 1
            step = least[following]
            row_price[row_of[done]] += step
            column_price[done] -= step
            least[~done] -= step
            column = following
        while column != 0:
            row_of[column] = row_of[came_from[column]]
            column = int(came_from[column])
    columns = np.empty(n, np.int64)
    columns[row_of[1:] - 1] = np.arange(n)
    return columns


def _spread_out(sample: Array, n: int, rng: np.random.Generator) -> Array:
    """`n` of the pixels, each drawn with a chance that grows with its squared distance from those before."""
    centres = sample[rng.integers(len(sample), size=n)]
    distance = np.full(len(sample), np.inf)
    for number in range(n - 1):
        distance = np.minimum(distance, np.square(sample - centres[number]).sum(axis=1))
        cumulated = np.cumsum(distance)
        if cumulated[-1] == 0:
            break  # there are fewer colours than clusters
        centres[number + 1] = sample[min(np.searchsorted(cumulated, rng.random() * cumulated[-1]), len(sample) - 1)]
    return centres


def _settled(sample: Array, centres: Array) -> tuple[float, Array]:
    """Lloyd's iteration: the sum of squared distances, and the centres."""
    norms, labels = np.square(sample).sum(), None
    for _ in range(_ROUNDS):
        scores = sample @ centres.T - np.square(centres).sum(axis=1) / 2
        now = scores.argmax(axis=1)
        if labels is not None and np.array_equal(now, labels):
            break
        labels = now
        centres = _means(sample, labels, centres)
    scores = sample @ centres.T - np.square(centres).sum(axis=1) / 2
    return float(norms - 2 * scores.max(axis=1).sum()), centres


def _means(sample: Array, labels: Array, otherwise: Array) -> Array:
    """n×3: the mean of each cluster; of an empty one what is in `otherwise`."""
    n = len(otherwise)
    counts = np.bincount(labels, minlength=n)[:n]
    sums = np.stack([np.bincount(labels, column, minlength=n)[:n] for column in sample.T], axis=1)
    return np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], otherwise)
