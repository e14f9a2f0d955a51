"""Perlin's gradient noise in 2 and 3 dimensions: K. Perlin, Improving Noise (SIGGRAPH 2002)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ._lattice import PERIOD, Array, Lattice, total

_GAIN = {2: 1.0, 3: 0.965}
"""By dimensions: what keeps the noise between -1 and 1."""


def add(values: Array, slopes: Sequence[Array], point: Sequence[Array], lattice: Lattice, weight: float) -> None:
    """Add `weight` times noise to `values`. All are flat float32 arrays of one length; `slopes` is empty."""
    floors = [np.floor(place) for place in point]
    within = [place - floor for place, floor in zip(point, floors, strict=True)]
    cell = [floor.astype(np.int32) & (PERIOD - 1) for floor in floors]
    fades = [_fade(way) for way in within]
    shares = [(1 - fade, fade) for fade in fades]
    for steps in itertools.product((0, 1), repeat=len(point)):
        gradient = lattice.gradients([base + np.int32(step) for base, step in zip(cell, steps, strict=True)])
        offsets = [way - np.float32(step) for way, step in zip(within, steps, strict=True)]
        slope = total([along * offset for along, offset in zip(gradient, offsets, strict=True)])
        slope *= np.float32(weight * _GAIN[len(point)])
        for share, step in zip(shares, steps, strict=True):
            slope *= share[step]
        values += slope


def _fade(way: Array) -> Array:
    """From 0 to 1 with no slope and no curvature at either end."""
    return way * way * way * (way * (way * 6 - 15) + 10)
