"""True colour → the 256 colours of a GIF."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

TRANSPARENT = 255
"""The index that stays free of colour."""

_HALF_OPAQUE = 128
_TOLERANCE = 1.25
_STRIDE = 4


class Palette:
    """Turns the frames of one animation into indices, with the same colours for as long as these fit.

    Colours that change from frame to frame would flicker, and leave nothing for the GIF to save between frames.
    """

    def __init__(self) -> None:
        self._colors = np.zeros((0, 3), np.uint8)
        self._error = 0.0

    def __call__(self, picture: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Dither a frame.

        Args:
            picture: H×W×3 or H×W×4 uint8.

        Returns:
            H×W uint8 indices, and 256×4 uint8 colours: alpha, red, green, blue.
        """
        image = Image.fromarray(np.ascontiguousarray(picture[:, :, :3]))
        if len(self._colors):
            indices = _dither(image, self._colors)
            if _error(indices, self._colors, picture) <= self._error * _TOLERANCE + 0.5:
                return self._transparent(indices, picture)
        self._colors = _choose(image)
        indices = _dither(image, self._colors)
        self._error = _error(indices, self._colors, picture)
        return self._transparent(indices, picture)

    def _transparent(
        self, indices: np.ndarray[Any, Any], picture: np.ndarray[Any, Any]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        if picture.shape[2] == 4:
            indices[picture[:, :, 3] < _HALF_OPAQUE] = TRANSPARENT
        table = np.full((256, 4), 255, np.uint8)
        table[:TRANSPARENT, 1:] = self._colors
        table[TRANSPARENT] = 0
        return indices, table


def _choose(image: Image.Image) -> np.ndarray[Any, Any]:
    """255×3: the very colours of the image if they are so few, else the best for it."""
    counted = image.getcolors(TRANSPARENT)
    if counted is None:
        chosen = image.quantize(TRANSPARENT, method=Image.Quantize.FASTOCTREE).getpalette() or []
        colors = np.array(chosen, np.uint8).reshape(-1, 3)[:TRANSPARENT]
    else:
        colors = np.array([color for _, color in counted], np.uint8)
    return np.concatenate([colors, np.repeat(colors[-1:], TRANSPARENT - len(colors), axis=0)])


def _dither(image: Image.Image, colors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    palette = Image.new("P", (1, 1))
    palette.putpalette([*colors.tobytes(), *colors[-1].tobytes()])
    indices = np.array(image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))
    return np.minimum(indices, TRANSPARENT - 1)  # the last colour is there twice


def _error(indices: np.ndarray[Any, Any], colors: np.ndarray[Any, Any], picture: np.ndarray[Any, Any]) -> float:
    """Mean difference in levels, on a sixteenth of the pixels."""
    shown = colors[indices[::_STRIDE, ::_STRIDE]].astype(np.int16)
    return float(np.abs(shown - picture[::_STRIDE, ::_STRIDE, :3]).mean())
