"""Simple changes of colour, made to be steps of a loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .._checked import checked
from ._colors import LUMA, Array, from_lab, recolored, to_lab, weighted
from ._palette import Palette


@checked
def hue(picture: Picture, angle: Annotated[float, Doc("Radians around the colour circle.")]) -> Any:
    """Turn all colours around the circle of hues, from red by yellow, green and blue back to red.

    In CIE L*a*b*, so that all stays about as bright; colours that no screen shows at their new hue are clipped.

        canvas.loop(photo, canvas.zoom(1.02), lambda p: color.hue(p, 0.05))
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]], np.float32)

    def change(colors: Array) -> Array:
        import cv2

        return from_lab(cv2.transform(to_lab(colors), turn))

    return recolored(picture, change)


@checked
def temperature(
    picture: Picture, amount: Annotated[float, Range(-1, 1), Doc("Above 0 warmer, below 0 cooler.")]
) -> Any:
    """Make `picture` warmer, towards candle light, or cooler, towards the shade. Its luma stays, but where it clips."""
    gains = 2.0 ** (np.array([0.35, 0.0, -0.35]) * amount)

    def change(colors: Array) -> Array:
        tinted = colors * gains.astype(np.float32)
        before, after = weighted(colors, LUMA), weighted(tinted, LUMA)
        return tinted * (before / np.maximum(after, np.float32(1e-6)))[:, :, None]

    return recolored(picture, change)


@checked
def duotone(picture: Picture, colors: Palette | Sequence[Any] = ("#1b1464", "#ffd166")) -> Any:
    """Draw `picture` in the colours between two, or along several: the first for black, the last for white.

        color.duotone(photo, ["#0b132b", "#d90368", "#f7f7f7"])

    Args:
        picture: What to draw; its luma chooses the colour.
        colors: A `Palette`, or colours as in `Palette.of`.
    """
    stops = (colors if isinstance(colors, Palette) else Palette.of(colors)).colors
    at = np.linspace(0, 1, len(stops))
    table = np.stack([np.interp(np.linspace(0, 1, 1025), at, stops[:, c]) for c in range(3)], axis=1).astype(np.float32)

    def change(before: Array) -> Array:
        return table[(weighted(before, LUMA) * 1024 + np.float32(0.5)).astype(np.int32).clip(0, 1024)]

    return recolored(picture, change)
