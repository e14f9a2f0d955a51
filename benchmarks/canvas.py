"""Frames a second of scores at 720p, decoding and encoding excluded; and a warp against plain vectorised NumPy."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np

from ml4a.media import mask
from ml4a.media.canvas import (
    Warp,
    curl,
    expand,
    fan,
    kaleidoscope,
    lens,
    mix,
    noise,
    perspective,
    polar,
    ripple,
    rotate,
    spiral,
    swirl,
    twirl,
    zoom,
)
from ml4a.media.signals import wave

from .race import race

SIZE = WIDTH, HEIGHT = 1280, 720
FRAMES = 30
Array = np.ndarray[Any, Any]


def main() -> None:
    picture = np.random.default_rng(0).random((HEIGHT, WIDTH, 3), dtype=np.float32)
    print(f"\nframes a second at {WIDTH}x{HEIGHT}, float32 RGB; aim: one warp 60, three and a mask 30")
    for title, score in scores().items():
        print(f"  {title:<44} {frames_a_second(score, picture):9.0f}")
    moving = itertools.count()
    race(
        f"a swirl at {WIDTH}x{HEIGHT}",
        {
            "ml4a, places computed anew": lambda: swirl(wave(60, 1, 2))(picture, time=next(moving)),
            "NumPy": lambda: swirled(picture, 1.5),
        },
        rounds=3,
    )
    race(
        f"a swirl that stays the same at {WIDTH}x{HEIGHT}",
        {"ml4a, places kept": lambda: swirl(1.5)(picture), "NumPy": lambda: swirled(picture, 1.5)},
        rounds=3,
    )


def scores() -> dict[str, Warp]:
    """Every one moves, so that every frame is computed anew."""
    slow = wave(60, 0.1, 0.3)
    split = mask.circle(0.3).feathered(0.1)
    return {
        "zoom": zoom(1 + slow),
        "rotate": rotate(slow),
        "expand": expand(slow),
        "spiral": spiral(slow),
        "ripple": ripple(0.02, phase=slow),
        "lens": lens(slow),
        "swirl": swirl(slow),
        "twirl": twirl(slow),
        "fan": fan(slow),
        "polar": polar((slow, 0)),
        "kaleidoscope": kaleidoscope(6, slow),
        "perspective": perspective(slow),
        "noise of a key-framed amount": noise(slow),
        "noise that evolves": noise(0.05, speed=1),
        "noise of 3 octaves that evolves": noise(0.05, octaves=3, speed=1),
        "noise that loops": noise(0.05, speed=1, period=4),
        "currents that evolve": curl(0.02, speed=1),
        "mask: zoom @ swirl, ripple": mix(split, zoom(1 + slow) @ swirl(slow), ripple(0.02, phase=slow)),
        "swirl @ mask: kaleidoscope, rotate": swirl(slow) @ mix(split, kaleidoscope(6, slow), rotate(slow)),
        "mask: zoom @ rotate, evolving noise": mix(split, zoom(1 + slow) @ rotate(slow), noise(0.05, speed=1)),
    }


def frames_a_second(score: Warp, picture: Array) -> float:
    """Of the fastest frame, so that other programs disturb it less."""
    best = float("inf")
    for number in range(FRAMES):
        started = time.perf_counter()
        score(picture, time=number / 30)
        best = min(best, time.perf_counter() - started)
    return 1 / best


def swirled(picture: Array, amount: float) -> Array:
    """The same with NumPy alone: float32, no loop over pixels, a mirrored border."""
    height, width = picture.shape[:2]
    unit = np.float32(min(width, height))
    x = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / unit)[None, :]
    y = ((np.arange(height, dtype=np.float32) + 0.5 - height / 2) / unit)[:, None]
    turn = np.float32(amount) * np.sqrt(x * x + y * y)
    cos, sin = np.cos(turn), np.sin(turn)
    columns = (x * cos - y * sin) * unit + np.float32(width / 2 - 0.5)
    rows = (x * sin + y * cos) * unit + np.float32(height / 2 - 0.5)
    left, top = np.floor(columns), np.floor(rows)
    across, down = (columns - left)[:, :, None], (rows - top)[:, :, None]
    left, top = left.astype(np.int32), top.astype(np.int32)
    x0, x1 = mirrored(left, width), mirrored(left + 1, width)
    y0, y1 = mirrored(top, height), mirrored(top + 1, height)
    above = picture[y0, x0] * (1 - across) + picture[y0, x1] * across
    below = picture[y1, x0] * (1 - across) + picture[y1, x1] * across
    return above * (1 - down) + below * down


def mirrored(places: Array, length: int) -> Array:
    """Indices beyond the border → those that they mirror."""
    inside = places % (2 * length)
    return np.minimum(inside, 2 * length - 1 - inside)
