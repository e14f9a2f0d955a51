"""A swirling night: short strokes that run along the level lines of a stream, round the stars and over the hills."""

from __future__ import annotations

import numpy as np

from ._brush import Canvas
from ._noise import Field, clouds, colour, current, eddies, mix, plane, ramp, smooth, step

_STARS = ((0.16, 0.16, 0.050), (0.40, 0.10, 0.034), (0.60, 0.30, 0.040), (0.33, 0.36, 0.030), (0.12, 0.45, 0.026),
          (0.64, 0.09, 0.028), (0.90, 0.42, 0.034), (0.52, 0.47, 0.022))  # fmt: skip
"""x, y and radius."""
_WHIRLS = ((0.47, 0.29, 0.15, 0.9), (0.66, 0.42, 0.10, -0.75), (0.22, 0.30, 0.09, 0.5))
_MOON = (0.85, 0.15, 0.062)
_FLAME = np.array([0.1, 0.6, 0.9, 1.0, 0.95, 0.8, 0.6, 0.35, 0.05])
"""How hard the brush is pressed along a tongue of the tree."""
_SKY = ["#081640", "#0f2a6b", "#1b4a9a", "#3f7fc0", "#8fbcd6", "#d8e4cf", "#6fa6cf", "#1f55a5", "#0b1f5a"]


def paint(rng: np.random.Generator, side: int) -> Field:
    """A picture of `side` pixels."""
    x, y = plane(side)
    stream = y * 2.2 + 0.55 * smooth(rng, side, 3) + 0.10 * smooth(rng, side, 7)
    stream = stream + eddies(side, _WHIRLS)
    sky = ramp(_SKY, (stream * 1.45 + 0.08 * clouds(rng, side, 8)) % 1)
    sky = mix(sky, colour("#0d2360"), 0.35 * step(0.25, 0.0, y))
    angle = current(stream)
    for star_x, star_y, radius in (*_STARS, _MOON):
        distance = np.hypot(x - star_x, y - star_y)
        glow = np.exp(-((distance / (radius * 1.9)) ** 2))
        rings = 0.5 + 0.5 * np.cos(distance / radius * 5.2)
        sky = mix(sky, mix(colour("#f7d14a"), colour("#fdf3c0"), rings), (glow * 1.15).clip(0, 1))
        sky = mix(sky, colour("#fff6cf"), step(radius * 0.5, radius * 0.36, distance))
        around = np.arctan2(y - star_y, x - star_x) + np.pi / 2
        near = distance < radius * 2.6
        angle = np.where(near, around, angle)
    moon_x, moon_y, radius = _MOON
    bite = step(radius * 0.52, radius * 0.40, np.hypot(x - moon_x - radius * 0.30, y - moon_y + radius * 0.05))
    sky = mix(sky, colour("#fbe9a0"), bite * 0.85)

    picture, angle = _land(rng, side, sky, angle)
    canvas = Canvas(picture * 0.5, rng)
    canvas.strokes(picture, angle, count=2600, width=0.022, length=0.075, jitter=0.05)
    canvas.strokes(picture, angle, count=5200, width=0.012, length=0.055, jitter=0.07)
    canvas.strokes((picture * 1.12).clip(0, 1), angle, count=3000, width=0.006, length=0.045, jitter=0.09)
    _cypress(rng, canvas)
    return canvas.finished(relief=0.9)


def _land(rng: np.random.Generator, side: int, picture: Field, angle: Field) -> tuple[Field, Field]:
    """Hills in front of the sky, the nearer the darker."""
    x, y = plane(side)
    for base, height, cells, tone in (
        (0.66, 0.10, 3, ["#274b86", "#3f6fa8", "#1d3a70"]),
        (0.74, 0.09, 4, ["#16325e", "#2b5a78", "#12284f"]),
        (0.83, 0.10, 3, ["#0c2238", "#1f4a4a", "#3b6b4a", "#0b1c33"]),
    ):
        ridge = base + height * (2 * smooth(rng, side, cells)[side // 2] - 1)
        ridge = ridge - 0.07 * np.exp(-(((x[0] - 0.8) / 0.3) ** 2))
        depth = y - ridge[None, :]
        inside = step(0, 0.004, depth)
        picture = mix(picture, ramp(tone, (depth * 5 + 0.3 * smooth(rng, side, 9)) % 1), inside)
        slope = np.arctan(np.gradient(ridge, 1 / side)) * np.exp(-depth * 6).clip(0, 1)
        angle = np.where(inside > 0.5, slope + 0.3 * (smooth(rng, side, 8) - 0.5), angle)
    lights = rng.random((26, 2)) * (0.62, 0.12) + (0.30, 0.78)
    for light_x, light_y in lights:
        distance = np.maximum(np.abs(x - light_x) * 1.3, np.abs(y - light_y))
        picture = mix(picture, colour("#f4c24a"), step(0.011, 0.006, distance))
    return picture, angle


def _cypress(rng: np.random.Generator, canvas: Canvas) -> None:
    """A dark flame of a tree, in front of everything."""
    tones = [colour(code) for code in ("#0a1a14", "#13291c", "#1f3d24", "#35602f", "#0d1f24", "#4d4a22", "#123a3a")]
    for rise in np.sort(rng.uniform(0, 0.97, 520)):
        t = rise + np.linspace(0, 1, 9) * min(rng.uniform(0.14, 0.34), 1 - rise)
        across = rng.uniform(-1, 1)
        half = 0.095 * (1 - t) ** 0.8 * (0.55 + 0.8 * t)
        sway = 0.020 * np.sin(t * 7) + 0.008 * np.sin(t * 23 + across * 3) * (1 - t)
        points = np.stack([0.13 + across * half + sway, 1.03 - t * 0.84], axis=1)
        tone = tones[rng.integers(len(tones))] * rng.uniform(0.8, 1.3)
        canvas.stroke(points, tone, 0.012 * (1.1 - 0.6 * rise), 0.3, _FLAME)
