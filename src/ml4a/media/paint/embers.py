"""Embers: thick strokes of the palette knife, from ash and maroon to gold, in a rising draught."""

from __future__ import annotations

import numpy as np

from ._brush import Canvas
from ._noise import Field, clouds, colour, current, eddies, mix, plane, ramp, smooth, step

_HEAT = ["#120a12", "#2b0b1c", "#5a0f1f", "#9c1b1c", "#d33b16", "#ee7214", "#f7a823", "#fbd65c", "#fff3c4"]

_WHIRLS = ((0.30, 0.35, 0.16, 0.6), (0.72, 0.22, 0.14, -0.6), (0.62, 0.60, 0.12, 0.45))


def paint(rng: np.random.Generator, side: int) -> Field:
    """A picture of `side` pixels."""
    x, y = plane(side)
    draught = (x - 0.5) * 2.4 + 0.55 * (smooth(rng, side, 3) - 0.5) * 2 + 0.22 * (smooth(rng, side, 6) - 0.5) * 2
    draught = draught + eddies(side, _WHIRLS)
    angle = current(draught)
    hearth = np.exp(-(((x - 0.46) / 0.30) ** 2 + ((y - 0.78) / 0.46) ** 2))
    tongues = clouds(rng, side, 4, octaves=4, stretch=(1, 2.2))
    heat = (0.80 * hearth + 0.62 * (tongues - 0.45) + 0.14 * np.cos(draught * 7)).clip(0, 1)
    picture = ramp(_HEAT, heat)
    smoke = step(0.62, 0.9, clouds(rng, side, 3)) * step(0.45, 0.1, heat)
    picture = mix(picture, colour("#1d4a5a"), smoke * 0.8)
    picture = mix(picture, colour("#6d2a5c"), step(0.55, 0.8, clouds(rng, side, 5)) * step(0.5, 0.2, heat) * 0.6)

    canvas = Canvas(picture * 0.6, rng)
    canvas.strokes(picture, angle, count=700, width=0.060, length=0.20, jitter=0.05, dry=0.5)
    canvas.strokes(picture, angle, count=1500, width=0.034, length=0.13, jitter=0.08, dry=0.5)
    canvas.strokes((picture * 1.1 + 0.02).clip(0, 1), angle, count=1500, width=0.018, length=0.10, jitter=0.10, dry=0.6)
    bright = ramp(_HEAT, (heat * 1.15 + 0.16).clip(0, 1))
    canvas.strokes(bright, angle, count=900, width=0.009, length=0.09, jitter=0.10, where=step(0.3, 0.8, heat), dry=0.7)
    _sparks(rng, canvas, angle)
    return canvas.finished(relief=1.3)


def _sparks(rng: np.random.Generator, canvas: Canvas, angle: Field) -> None:
    """Short bright dashes that rise from the hearth."""
    for _ in range(150):
        place = np.array([rng.normal(0.47, 0.22), rng.uniform(0.02, 0.75)]).clip(0.02, 0.98)
        row, column = (place[::-1] * canvas.side).astype(int)
        way = np.array([np.cos(angle[row, column]), np.sin(angle[row, column])]) * rng.uniform(0.004, 0.014)
        tone = colour(("#ffe9a0", "#ffc84a", "#ff9a2a")[rng.integers(3)])
        canvas.stroke(np.linspace(place - way, place + way, 4), tone, rng.uniform(0.003, 0.006))
