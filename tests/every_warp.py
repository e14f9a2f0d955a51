"""One of each warp, doing something."""

from __future__ import annotations

import numpy as np

from ml4a.media import canvas, motion
from ml4a.media.canvas import Warp

PIXELS = ("displace", "flow")
"""Those that hold pixels."""


def every_warp() -> list[Warp]:
    """Of those that are not made of others; `identity` does nothing."""
    rng = np.random.default_rng(5)
    return [
        canvas.shift(0.1, -0.2),
        canvas.stretch(1.5, 0.7, center=(0.1, 0)),
        canvas.zoom(1.3),
        canvas.rotate(0.4, center=(0.2, -0.1)),
        canvas.shear(0.2, -0.1),
        canvas.expand(0.1),
        canvas.spiral(0.2, periods=5),
        canvas.ripple(0.02, 0.3, phase=0.2),
        canvas.lens(0.8, radius=0.3),
        canvas.swirl(1.5),
        canvas.twirl(2, radius=0.4),
        canvas.fan(0.2),
        canvas.polar(),
        canvas.unpolar((0.1, 0.2)),
        canvas.kaleidoscope(5, angle=0.3),
        canvas.perspective(0.4, -0.3),
        canvas.noise(0.1, 0.4, octaves=2, seed=3),
        canvas.curl(0.05, 0.4, seed=3),
        canvas.displace(rng.random((9, 11, 3), dtype=np.float32), 0.1),
        canvas.flow(motion.Flow(rng.normal(size=(20, 30, 2)).astype(np.float32))),
    ]
