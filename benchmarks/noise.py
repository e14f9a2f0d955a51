"""Noise fields, and the warps of 2021, against the plain NumPy forms: whole float32 arrays, no loop over pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml4a.media import image, noise
from ml4a.media.canvas import classic

from .race import race

Array = np.ndarray[Any, Any]

SIZE = (512, 512)
RATE, MARGIN = (2.0, 3.0), (3.0, 5.0)


def main() -> None:
    for octaves in (1, 3):
        x, y = np.meshgrid(np.linspace(0, 3, SIZE[0], dtype=np.float32), np.linspace(0, 3, SIZE[1], dtype=np.float32))
        race(
            f"simplex noise, {SIZE[0]}x{SIZE[1]}, octaves: {octaves}",
            {
                "a grid": lambda x=x, y=y, n=octaves: noise.grid(x[0], y[:, 0], octaves=n),
                "a grid, error 0.001": lambda x=x, y=y, n=octaves: noise.grid(x[0], y[:, 0], octaves=n, error=1e-3),
                "points": lambda x=x, y=y, n=octaves: noise.simplex(x, y, octaves=n),
                "plain NumPy": lambda x=x, y=y, n=octaves: plain_noise(x, y, n),
            },
            rounds=3,
        )
    moving = {"octaves": 3, "seed": 1, "scale": 0.3, "time": 1.0}
    fields = {
        "over time": lambda: noise.field((1280, 720), **moving, error=1e-3),
        "in a loop": lambda: noise.field((1280, 720), **moving, period=8, error=1e-3),
        "of currents": lambda: noise.curl_field((1280, 720), **moving, error=0.05),
    }
    for name, make in fields.items():
        race(f"a field {name}, 1280x720, octaves: 3", {"ml4a": make}, rounds=3)
    picture = np.asarray(image.load("sample:astronaut", size=SIZE)).astype(np.float32) / 255
    race(
        f"rotation, {SIZE[0]}x{SIZE[1]}",
        {"ml4a": lambda: classic(picture, {"rot_const": 0.03}), "plain NumPy": lambda: plain_rotation(picture, 0.03)},
    )
    race(
        f"a noise warp, {SIZE[0]}x{SIZE[1]}",
        {
            "ml4a, as in a film": lambda: classic(picture, {"noise_rate": RATE, "noise_margin": MARGIN}),
            "plain NumPy": lambda: plain_noise_warp(picture),
        },
        rounds=3,
    )


def plain_noise(x: Array, y: Array, octaves: int) -> Array:
    """2-D simplex noise as its papers write it."""
    order = np.random.default_rng(0).permutation(256)
    order = np.concatenate([order, order])
    gradients = np.array([(1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)], np.float32)
    total = np.zeros_like(x)
    for number in range(octaves):
        total += plain_octave(x * 2**number, y * 2**number, order, gradients) / 2**number
    return total / (2 - 2 ** (1 - octaves))


def plain_octave(x: Array, y: Array, order: Array, gradients: Array) -> Array:
    """One octave."""
    skew, unskew = np.float32(0.3660254), np.float32(0.21132487)
    i, j = np.floor(x + (x + y) * skew), np.floor(y + (x + y) * skew)
    x0, y0 = x - i + (i + j) * unskew, y - j + (i + j) * unskew
    step = x0 > y0
    i, j = i.astype(int) & 255, j.astype(int) & 255
    total = np.zeros_like(x)
    for number, (a, b) in enumerate(((0, 0), (step, ~step), (1, 1))):
        dx, dy = x0 - a + number * unskew, y0 - b + number * unskew
        gradient = gradients[order[i + a + order[j + b]] % 8]
        bell = np.maximum(0.5 - dx * dx - dy * dy, 0)
        total += bell**4 * (gradient[..., 0] * dx + gradient[..., 1] * dy)
    return 70 * total


def plain_rotation(picture: Array, angle: float) -> Array:
    """A picture turned about its middle."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    dx, dy = x - width / 2, y - height / 2
    radius, turned = np.hypot(dx, dy), np.arctan2(dy, dx) + angle
    return plain_sampling(picture, width / 2 + radius * np.cos(turned), height / 2 + radius * np.sin(turned))


def plain_noise_warp(picture: Array) -> Array:
    """A picture moved by two noises of three octaves."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moves = [plain_noise(10 + rate * y / height, 10 + rate * x / width, 3) for rate in RATE]
    return plain_sampling(picture, x + MARGIN[1] * moves[0], y + MARGIN[0] * moves[1])


def plain_sampling(picture: Array, x: Array, y: Array) -> Array:
    """Bilinear, with the border of 2021."""
    places = []
    for place, length in ((x, picture.shape[1]), (y, picture.shape[0])):
        folded = np.mod(place, 2 * length)
        places.append(np.minimum(np.where(folded < length, folded, 2 * length - folded), length - 1))
    (left, top), (right, bottom) = ([step(place).astype(int) for place in places] for step in (np.floor, np.ceil))
    dx, dy = (places[0] - left)[..., None], (places[1] - top)[..., None]
    above = (1 - dx) * picture[top, left] + dx * picture[top, right]
    below = (1 - dx) * picture[bottom, left] + dx * picture[bottom, right]
    return (1 - dy) * above + dy * below


if __name__ == "__main__":
    main()
