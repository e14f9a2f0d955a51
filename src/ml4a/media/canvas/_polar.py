"""Directions and distances, several times as fast as NumPy has them."""

from __future__ import annotations

import math

import numpy as np

from ._points import Array

_NEAR = 1e-9
"""Distance from the centre below which there is no direction."""


def distance(x: Array, y: Array) -> Array:
    """√(x² + y²), never quite 0."""
    import cv2

    length = cv2.magnitude(x, y).reshape(x.shape)
    length += np.float32(_NEAR)
    return length


def to_polar(x: Array, y: Array) -> tuple[Array, Array]:
    """Distance, never quite 0, and atan2(y, x) in (-π, π]: clockwise on the screen, since y points down."""
    import cv2

    length = distance(x, y)
    angle = np.float32(math.pi) - cv2.phase(-x, y).reshape(x.shape)
    # OpenCV is 1e-4 off, a tenth of a pixel at the border; a step of Newton's makes it exact.
    cos, sin = directions(angle)
    cos *= y
    sin *= x
    cos -= sin
    cos /= length
    angle += cos
    return length, angle


def directions(angles: Array) -> tuple[Array, Array]:
    """Cosine and sine."""
    return at_polar(None, angles)


def at_polar(lengths: Array | None, angles: Array) -> tuple[Array, Array]:
    """The x and y at these distances (1 if None) in these directions."""
    import cv2

    nothing: object = lengths
    x, y = cv2.polarToCart(nothing, angles)  # type: ignore[call-overload]
    return x.reshape(angles.shape), y.reshape(angles.shape)
