"""Smooth random fields, and the currents that run along them. Coordinates: x right, y down, in units of the side."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

Field = np.ndarray[Any, Any]


def plane(side: int) -> tuple[Field, Field]:
    """The x and y of every pixel's centre, in [0, 1]."""
    steps = (np.arange(side, dtype=np.float32) + 0.5) / side
    x, y = np.meshgrid(steps, steps)
    return x, y


def smooth(rng: np.random.Generator, side: int, cells: float, stretch: tuple[float, float] = (1, 1)) -> Field:
    """Value noise in [0, 1] with about `cells` hills across; `stretch` > 1 draws them out along x or y."""
    columns, rows = (max(2, round(cells / factor)) + 3 for factor in stretch)
    grid = rng.random((rows, columns)).astype(np.float32)
    # Larger than needed, then cropped: the border of an enlargement is flat.
    size = (round(side * columns / (columns - 3)), round(side * rows / (rows - 3)))
    wide = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    top, left = (wide.shape[0] - side) // 2, (wide.shape[1] - side) // 2
    return wide[top : top + side, left : left + side].clip(0, 1)


def clouds(
    rng: np.random.Generator, side: int, cells: float, octaves: int = 5, stretch: tuple[float, float] = (1, 1)
) -> Field:
    """Fractal noise in [0, 1]: hills upon hills, each octave half as large and half as high."""
    hills = [smooth(rng, side, cells * 2**octave, stretch) / 2**octave for octave in range(octaves)]
    return spread(np.sum(hills, axis=0))


def spread(field: Field) -> Field:
    """`field` stretched to [0, 1]."""
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-9)


def current(stream: Field) -> Field:
    """The angle, in radians, of the current along the level lines of `stream`."""
    gradient_y, gradient_x = np.gradient(cv2.GaussianBlur(stream, (0, 0), stream.shape[0] / 256))
    return np.arctan2(-gradient_x, gradient_y)


def eddies(side: int, whirls: tuple[tuple[float, float, float, float], ...]) -> Field:
    """What whirls add to a stream; each is x, y, radius, and how strongly and which way it turns."""
    x, y = plane(side)
    parts = [turn * np.exp(-((np.hypot(x - at_x, y - at_y) / radius) ** 2)) for at_x, at_y, radius, turn in whirls]
    return np.sum(parts, axis=0)


def mix(low: Any, high: Any, amount: Field) -> Field:
    """From the colour (or field) `low` to `high` by `amount` in [0, 1]."""
    amount = amount[..., None] if np.ndim(low) == 1 or np.ndim(low) == 3 else amount
    return np.asarray(low, np.float32) * (1 - amount) + np.asarray(high, np.float32) * amount


def ramp(colours: list[str], position: Field) -> Field:
    """H×W×3 colours along a row of hex colours, `position` 0 being the first and 1 the last."""
    stops = np.linspace(0, 1, len(colours))
    table = np.array([colour(code) for code in colours])
    return np.stack([np.interp(position, stops, table[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def step(low: float | Field, high: float | Field, field: Field) -> Field:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = ((field - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def colour(code: str) -> Field:
    """`"#ff8000"` as floats in [0, 1]."""
    return np.array([int(code[place : place + 2], 16) for place in (1, 3, 5)], np.float32) / 255


def through(points: Any, between: int) -> Field:
    """A smooth curve through K×2 points, `between` steps from one to the next (Catmull-Rom)."""
    known = np.asarray(points, np.float64)
    known = np.concatenate([2 * known[:1] - known[1:2], known, 2 * known[-1:] - known[-2:-1]])
    before, start, end, after = known[:-3], known[1:-2], known[2:-1], known[3:]
    t = np.linspace(0, 1, between, endpoint=False)[:, None, None]
    curve = 0.5 * (2 * start + (end - before) * t + (2 * before - 5 * start + 4 * end - after) * t**2
                   + (3 * start - before - 3 * end + after) * t**3)  # fmt: skip
    return np.concatenate([curve.transpose(1, 0, 2).reshape(-1, 2), known[-2:-1]])
