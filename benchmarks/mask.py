"""Masks at 512 × 512 and 720p: rings and bands against plain vectorised float32 NumPy, and what else takes time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ml4a import image
from ml4a.media import mask

from .race import race

N, RADIUS, BLEND, TIME = 3, 0.2, 0.25, 3.0


def main() -> None:
    for size in ((512, 512), (1280, 720)):
        title = f"{N} channels, {size[0]}x{size[1]}"
        old = {"num_channels": N, "blend": BLEND, "period": 10}
        rings, bands = mask.arcs(N, RADIUS, 10, BLEND), mask.rects(N, (-0.5, 0.3), (0.5, -0.3), 0.6, 10, BLEND)
        race(
            f"rings, {title}",
            {
                "mask.arcs": lambda m=rings, s=size: m(s, TIME),
                "mask.classic": lambda s=size, o=old: mask.classic({"type": "arcs", "radius": RADIUS} | o, s, TIME),
                "plain NumPy": lambda s=size: plain_rings(s),
            },
        )
        race(
            f"bands, {title}",
            {
                "mask.rects": lambda m=bands, s=size: m(s, TIME),
                "mask.classic": lambda s=size, o=old: mask.classic({"type": "rects"} | o, s, TIME),
                "plain NumPy": lambda s=size: plain_bands(s),
            },
        )
    photo = image.load("sample:astronaut", size=(1280, 720), as_array=True)
    before, negative = mask.kmeans(photo, 5), 1 - photo
    works: dict[str, Callable[[], Any]] = {
        "kmeans of 5 colours": lambda: mask.kmeans(photo, 5),
        "kmeans, going on from the frame before": lambda: mask.kmeans(photo, 5, previous=before),
        "bands of 5": lambda: mask.bands(photo, 5),
        "noise, moving": lambda: mask.noise(0.3, period=4)((1280, 720), TIME),
        "a disc": lambda: mask.circle()((1280, 720)),
        "a disc, feathered by 0.1": lambda: mask.circle().feathered(0.1)((1280, 720)),
        "a disc, grown by 0.1": lambda: mask.circle().grown(0.1)((1280, 720)),
        "composite": lambda: mask.composite(photo, negative, before.channel(0)),
    }
    for name, work in works.items():
        race(name, {"ml4a, 1280x720": work})


def plain_rings(size: tuple[int, int]) -> np.ndarray:
    """Rings as one would write them down."""
    x, y = plain_places(size)
    progress = np.float32(1 + TIME / 10) - np.hypot(x, y) / np.float32(RADIUS)
    return plain_turns(progress)


def plain_bands(size: tuple[int, int]) -> np.ndarray:
    """Bands as one would write them down."""
    x, y = plain_places(size)
    start, end = np.array([-0.5, 0.3], np.float32), np.array([0.5, -0.3], np.float32)
    length = np.float32(math.dist(start, end))
    right, down = (end - start) / length
    along = (x - start[0]) * right + (y - start[1]) * down
    across = (x - start[0]) * down - (y - start[1]) * right
    within = (along >= 0) & (along <= length) & (np.abs(across) <= 0.3)
    return np.where(within[:, :, None], plain_turns(np.float32(TIME / 10) - along * np.float32(N) / length), 0)


def plain_places(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    x, y = (((np.arange(side) + 0.5 - side / 2) / min(size)).astype(np.float32) for side in size)
    columns, rows = np.meshgrid(x, y)
    return columns, rows


def plain_turns(progress: np.ndarray) -> np.ndarray:
    channels = []
    for channel in range(N):
        distance = np.abs(np.mod(progress - np.float32(channel + 0.5), np.float32(N)))
        distance = np.minimum(distance, np.float32(N) - distance)
        channels.append(np.clip(0.5 + (0.5 - distance) / np.float32(BLEND), 0, 1))
    return np.stack(channels, axis=2)
