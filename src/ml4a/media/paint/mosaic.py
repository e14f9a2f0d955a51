"""Stained glass: a rose window of jewel colours between lines of lead."""

from __future__ import annotations

import cv2
import numpy as np

from ._noise import Field, clouds, colour, mix, plane, smooth, step

_RINGS = (
    (0.00, ("#ffd24a",)),
    (0.09, ("#e0311f", "#f08a1d")),
    (0.17, ("#1b4fc0", "#2a86d8", "#14307c")),
    (0.26, ("#f2b21b", "#e8611a", "#f6d860")),
    (0.35, ("#0f8f78", "#17b090", "#0b5e66")),
    (0.44, ("#7a1fa0", "#b03bb0", "#4a1a86")),
    (0.54, ("#c8152f", "#e84a50", "#8e0f2e")),
    (0.66, ("#153a9a", "#2f74d0", "#0d2460", "#58b0e0")),
)
"""Distance from the middle, and the glass from there on."""

_REACH = 0.2
"""Farther than this from its middle no pane reaches."""


def paint(rng: np.random.Generator, side: int) -> Field:
    """A picture of `side` pixels."""
    seeds, glass = _panes(rng)
    labels, edge = _cells(seeds, side, rng)
    picture = np.stack(glass)[labels]
    x, y = plane(side)
    streaks = clouds(rng, side, 9, octaves=4, stretch=(1, 2.5))
    lit = 0.72 + 0.5 * np.exp(-(((x - 0.42) / 0.5) ** 2 + ((y - 0.36) / 0.5) ** 2))
    within = step(0.0, 0.016, edge)
    picture = picture * (0.62 + 0.55 * within * lit + 0.30 * (streaks - 0.5))[..., None]
    bubbles = smooth(rng, side, 90)
    picture = picture + 0.10 * step(0.72, 0.95, bubbles)[..., None] * within[..., None]
    slant = np.sin((x * 0.8 + y) * 60 + 6 * smooth(rng, side, 5)) * 0.03
    return _leaded(rng, (picture + slant[..., None]).clip(0, 1), edge)


def _panes(rng: np.random.Generator) -> tuple[Field, list[Field]]:
    """Where each pane's middle is, and its colour: in rings of petals round the middle."""
    seeds, glass = [(0.5, 0.5)], [colour(_RINGS[0][1][0])]
    counts = (8, 16, 16, 24, 24, 32, 40)
    for (radius, tones), count in zip(_RINGS[1:], counts, strict=True):
        turn = rng.uniform(0, 2 * np.pi)
        for number in range(count):
            angle = turn + 2 * np.pi * (number + rng.normal(0, 0.06)) / count
            reach = radius * (1 + 0.05 * (-1) ** number) + rng.normal(0, 0.004)
            seeds.append((0.5 + reach * np.cos(angle), 0.5 + reach * np.sin(angle)))
            tone = colour(tones[number % len(tones)]) * rng.uniform(0.85, 1.12)
            glass.append((tone + rng.normal(0, 0.025, 3)).clip(0, 1).astype(np.float32))
    return np.array(seeds), glass


def _cells(seeds: Field, side: int, rng: np.random.Generator) -> tuple[Field, Field]:
    """The nearest pane of every pixel, and the distance from its border, in units of the side."""
    x, y = plane(side)
    x = x + 0.006 * (smooth(rng, side, 14) - 0.5)
    y = y + 0.006 * (smooth(rng, side, 14) - 0.5)
    nearest = np.full((side, side), _REACH, np.float32)
    second = nearest.copy()
    labels = np.zeros((side, side), np.int64)
    for number, seed in enumerate(seeds):
        columns, rows = (slice(*(np.array([at - _REACH, at + _REACH]) * side).astype(int).clip(0, side)) for at in seed)
        here = rows, columns
        distance = np.hypot(x[here] - seed[0], y[here] - seed[1])
        closer = distance < nearest[here]
        second[here] = np.where(closer, nearest[here], np.minimum(second[here], distance))
        labels[here] = np.where(closer, number, labels[here])
        nearest[here] = np.minimum(nearest[here], distance)
    return labels, (second - nearest) / 2


def _leaded(rng: np.random.Generator, picture: Field, edge: Field) -> Field:
    """Round strips of lead over the borders, lit from the upper left."""
    side = picture.shape[0]
    width = 0.0062 + 0.002 * (smooth(rng, side, 10) - 0.5)
    lead = step(width * 1.15, width * 0.85, edge)
    crown = np.sqrt((1 - (edge / width) ** 2).clip(0, 1))
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(crown, (0, 0), 1.5))
    shine = ((slope_x + slope_y) * 5).clip(-1, 1)
    metal = colour("#15151c") + 0.22 * shine.clip(0, 1)[..., None] + 0.05 * clouds(rng, side, 30)[..., None]
    return mix(picture, metal.clip(0, 1), lead)
