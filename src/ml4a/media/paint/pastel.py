"""Soft pastels on toned paper: a pond of lilies, its chalk caught by the paper's tooth."""

from __future__ import annotations

import numpy as np

from ._brush import Canvas
from ._noise import Field, clouds, colour, mix, plane, ramp, smooth, step

_WATER = ["#2f5f9a", "#3f8fa0", "#6cc2ae", "#8f7fd0", "#e088b4", "#f7b98c", "#f4dca0", "#5fa8d0", "#4a62b8"]
_PAPER = colour("#d9c7ac")


def paint(rng: np.random.Generator, side: int) -> Field:
    """A picture of `side` pixels."""
    _, y = plane(side)
    ripples = clouds(rng, side, 5, octaves=4, stretch=(3.2, 1))
    water = ramp(_WATER, (0.62 * ripples + 0.5 * (1 - y) + 0.18 * smooth(rng, side, 3)).clip(0, 1))
    willow = step(0.45, 0.75, clouds(rng, side, 7, octaves=3, stretch=(1, 4))) * step(0.5, 0.0, y)
    water = mix(water, mix(colour("#6fa36a"), colour("#c4d88a"), smooth(rng, side, 20)), willow * 0.85)
    angle = 0.25 * (smooth(rng, side, 5) - 0.5) + np.where(willow > 0.4, np.pi / 2, 0)

    canvas = Canvas(np.broadcast_to(_PAPER, (side, side, 3)), rng)
    canvas.strokes(water, angle, count=2600, width=0.026, length=0.10, jitter=0.07, dry=0.6)
    canvas.strokes((water * 1.06).clip(0, 1), angle, count=3000, width=0.013, length=0.075, jitter=0.10, dry=0.7)
    for pad_y in np.sort(rng.uniform(0.30, 1.0, 26)):
        _lily(rng, canvas, rng.uniform(0.02, 0.98), pad_y)
    chalk = canvas.finished(relief=0.35)
    tooth = clouds(rng, side, 150, octaves=2) * 0.7 + 0.3 * rng.random((side, side)).astype(np.float32)
    bare = step(0.60, 0.78, tooth) * 0.45
    return mix(chalk, _PAPER * 0.92, bare) * 0.98 + 0.02


def _lily(rng: np.random.Generator, canvas: Canvas, at_x: float, at_y: float) -> None:
    """A pad, flat with the water, and on some a flower; the nearer, the larger."""
    size = 0.025 + 0.075 * (at_y - 0.25)
    greens = [colour(code) for code in ("#4f8f6a", "#78b07a", "#a8cf8c", "#3f7a72", "#9ac4a8")]
    tone = greens[rng.integers(len(greens))]
    for shift in np.linspace(-1, 1, 9):
        half = np.sqrt(1 - min(abs(shift), 0.97) ** 2) * size
        t = np.linspace(-1, 1, 9)
        points = np.stack([at_x + half * t, at_y + shift * size * 0.36 + 0.006 * (1 - t**2)], axis=1)
        canvas.stroke(points, tone * rng.uniform(0.82, 1.18), size * 0.17, dry=0.4)
    if rng.random() < 0.6:
        petals = [colour(code) for code in ("#f6c6d4", "#fbe6ea", "#ee9db8", "#fff4ea", "#d98bb0")]
        for angle in rng.permutation(np.linspace(np.pi * 1.04, np.pi * 1.96, 11)):
            way = np.array([np.cos(angle), np.sin(angle) * 0.9]) * size * rng.uniform(0.45, 0.62)
            t = np.linspace(0, 1, 6)[:, None]
            points = np.array([at_x, at_y - 0.1 * size]) + way * t + np.array([0, -0.05 * size]) * np.sin(t * np.pi)
            canvas.stroke(points, petals[rng.integers(len(petals))] * rng.uniform(0.95, 1.05), size * 0.22, dry=0.3)
        heart = [(at_x + shift * size, at_y - 0.16 * size) for shift in (-0.08, -0.03, 0.03, 0.08)]
        canvas.stroke(np.array(heart), colour("#f2c14a"), size * 0.14)
