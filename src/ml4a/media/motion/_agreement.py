"""How far flows can be trusted: there and back, and of pictures that look alike along them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

from ._dis import dis
from ._flow import Array, Flow, positions, squared_length, warp

Engine: TypeAlias = Callable[[Array, Array], Flow]
"""What finds the flow from one picture to another of its size, H×W×C, uint8 or floats in [0, 1]: `dis`, a FlowNet."""


@dataclass(frozen=True, slots=True)
class BothWays:
    """The motion between two pictures, looked for from either of them."""

    forward: Flow
    """From the first to the second."""
    backward: Flow
    """From the second to the first."""
    visible: Array
    """H×W float32: 1 where a pixel of the first picture is seen in the second, 0 where it is hidden or outside."""
    visible_back: Array
    """H×W float32: the same of the second picture's pixels in the first."""


def bidirectional(a: Array, b: Array, engine: Engine = dis) -> BothWays:
    """The flows between two pictures both ways, and what is hidden in the other.

    Args:
        a: H×W×C floats in [0, 1].
        b: Another of the same size.
        engine: What finds the flow.

    Raises:
        BadValue: the sizes differ.
    """
    if a.shape[:2] != b.shape[:2]:
        raise BadValue(f"the pictures of a flow have one size, not {a.shape[:2]} and {b.shape[:2]}")
    return both_ways(engine(a, b), engine(b, a))


def both_ways(forward: Flow, backward: Flow) -> BothWays:
    """Two flows that were found already, and what they say of each other."""
    return BothWays(forward, backward, consistency(forward, backward), consistency(backward, forward))


def consistency(forward: Flow, backward: Flow) -> Array:
    """How far a flow can be trusted: 1 where the flow back leads back, 0 where it does not or leads outside.

    A pixel that is hidden in the other picture has no match there; its flow leads to what hides it, whose flow back
    leads elsewhere (Sundaram et al., ECCV 2010).

    Returns:
        H×W float32 in [0, 1], for the pixels of the picture where `forward` begins.
    """
    back = warp(backward.vectors, forward, interpolation="linear")
    error = squared_length(forward.vectors + back)
    tolerance = 0.01 * (squared_length(forward.vectors) + squared_length(back)) + 0.5
    width, height = forward.size
    x, y = np.moveaxis(positions(width, height) + forward.vectors, 2, 0)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return np.exp(-((error / tolerance) ** 2)) * inside
