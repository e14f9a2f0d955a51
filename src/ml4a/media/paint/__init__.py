"""Style pictures, painted by our own code: six hands that differ in colour, line and touch.

A painting is a module with `paint(rng, side)`, which returns side×side×3 floats in [0, 1].
"""

from __future__ import annotations

import importlib
from typing import Any

SIDE = 512
_NAMES = ("embers", "ink", "mosaic", "night", "pastel", "waves")
_SEED = 7
"""They came out well with it."""


def names() -> list[str]:
    """What can be painted."""
    return list(_NAMES)


def paint(name: str) -> Any:
    """The painting `name` as a PIL image, `SIDE` pixels square; the same each time."""
    import numpy as np
    from PIL import Image

    module = importlib.import_module(f"{__name__}.{name}")
    pixels = module.paint(np.random.default_rng(_SEED), 2 * SIDE)
    large = Image.fromarray((pixels.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    return large.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
