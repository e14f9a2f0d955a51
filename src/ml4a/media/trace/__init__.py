"""Drawings as vectors: pictures to SVG, lines to strokes that a pen plotter draws.

from ml4a import image, trace

image.save(drawing, "drawing.svg")                       # = trace.svg(drawing), with the record of what made it
svg = trace.svg("scan.jpg", mode="lines", width=0.7)     # an ink drawing as the middles of its lines
for stroke in trace.strokes(drawing):                    # N×2 arrays of x and y, in pixels
    plotter.draw(stroke)
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .. import image
from .._checked import checked
from . import _filled, _strokes, _thinning
from ._document import document, filled, stroked
from ._thinning import Array, skeleton, thinned, without_specks

__all__ = ["skeleton", "strokes", "svg", "thinned"]

Mode: TypeAlias = Annotated[
    Literal["auto", "lines", "shapes", "colors"],
    Doc("Strokes along the middle of lines, black shapes, or areas of colour; by default what the picture looks like."),
]
Threshold: TypeAlias = Annotated[
    float | None, Range(0, 1), Doc("How dark ink is at least; by default half as dark as the darkest pixel.")
]
Tolerance: TypeAlias = Annotated[
    float, Range(0, 100), Doc("How far, in pixels, a stroke may leave the line it follows.")
]
Speck: TypeAlias = Annotated[int, Range(0, None), Doc("What has fewer pixels is left out.")]
Width: TypeAlias = Annotated[float, Range(0.01, 1000), Doc("Width of strokes, in pixels.")]
Levels: TypeAlias = Annotated[int, Range(1, 8), Doc("Bits of red, green and blue that tell colours apart.")]
Paper: TypeAlias = Annotated[bool | None, Doc("White behind it; by default, unless the picture has transparency.")]

_GREY = 16 / 255
"""How far apart red, green and blue are at most in what counts as grey; JPEG shifts them a little."""
_COLORED = 0.005
"""The share of pixels that may be farther apart."""
_FAINTEST = 0.02
"""Darkness of what still counts as ink where the darkest pixel decides."""
_FINE = (4, 2)
"""How many times as large shapes are cut out, so that soft edges tell where between two pixels they are."""
_FINE_PIXELS = 16_000_000
"""The largest picture, when enlarged, for which that is done."""


@checked
def svg(
    picture: Picture,
    *,
    mode: Mode = "auto",
    threshold: Threshold = None,
    tolerance: Tolerance = 0.4,
    speck: Speck = 4,
    width: Width = 1.0,
    levels: Levels = 6,
    paper: Paper = None,
) -> str:
    """Trace a picture: an SVG document of the picture's size, one unit a pixel.

    Args:
        picture: What to trace; what is transparent is paper.
        mode: `"lines"`: strokes along the middle of every line, each drawn once, without a fill: for plotters, cutters
            and embroidery. `"shapes"`: what is dark, filled with black. `"colors"`: stacked areas of colour. `"auto"`
            takes `"colors"` for coloured pictures, `"lines"` for grey ones whose lines are one pixel wide (`thin=True`
            makes such), and `"shapes"` for other grey ones.
        threshold: Ink is what is at least as dark as this, 0 being white; None is half of the darkest pixel's. Not for
            `"colors"`.
        tolerance: How far, in pixels, a stroke may be from its line, which is smoothed by less than a pixel; 0 keeps
            the middle of every pixel. For `"lines"`.
        speck: What is connected to fewer pixels is left out (in `"colors"`, it becomes part of what is around it).
        width: Width of strokes in pixels, for `"lines"`.
        levels: Bits of red, green and blue that tell colours apart, for `"colors"`.
        paper: Whether there is a white rectangle behind it; None, unless the picture has transparency.

    Raises:
        BadValue: a parameter is out of its bounds.
        NotFound, BadMedia, …: as `image.load`.
    """
    array = image.to_array(picture)
    height, across = array.shape[:2]
    transparent = array.shape[2] == 4 and bool(array[:, :, 3].min() < 1)
    dark = _darkness(array)
    limit = _limit(dark, threshold)
    ink = dark >= limit
    if mode == "auto":
        mode = "colors" if _is_colored(array) else "lines" if _thinning.are_lines(ink) else "shapes"
    if mode == "lines":
        body = stroked(_strokes.strokes(thinned(without_specks(ink, speck)), tolerance), width)
    elif mode == "shapes":
        body = _shapes(dark, ink, limit, speck)
    else:
        body = _areas(array, speck, levels)
    has_paper = not transparent if paper is None else paper
    return document((across, height), body, paper=has_paper)


@checked
def strokes(
    picture: Picture, *, threshold: Threshold = None, tolerance: Tolerance = 0.4, speck: Speck = 4
) -> list[np.ndarray[Any, Any]]:
    """The middles of a drawing's lines, as strokes that a pen draws without being lifted.

    Args:
        picture: The drawing: dark on light, or on transparency.
        threshold: As in `svg`.
        tolerance: As in `svg`.
        speck: As in `svg`.

    Returns:
        For each stroke N×2 float64, x and y in pixels, pixel centres at half-integers. A stroke that ends where it
        begins is closed; a dot is one point.
    """
    dark = _darkness(image.to_array(picture))
    ink = without_specks(dark >= _limit(dark, threshold), speck)
    return _strokes.strokes(thinned(ink), tolerance)


def _darkness(array: Array) -> Array:
    """How dark each pixel is on white paper: H×W float32 in [0, 1]."""
    luma = array[:, :, :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    dark = 1 - luma
    return dark * array[:, :, 3] if array.shape[2] == 4 else dark


def _limit(dark: Array, threshold: float | None) -> float:
    """The darkness from which on something is ink."""
    return max(_FAINTEST, float(dark.max()) / 2) if threshold is None else max(threshold, 1e-6)


def _is_colored(array: Array) -> bool:
    spread = np.ptp(array[:, :, :3], axis=2)
    if array.shape[2] == 4:
        spread = spread * array[:, :, 3]
    return float((spread > _GREY).mean()) > _COLORED


def _shapes(dark: Array, ink: Array, limit: float, speck: int) -> list[str]:
    """What is dark, as black areas."""
    height, width = dark.shape
    fine = next((fine for fine in _FINE if height * width * fine**2 <= _FINE_PIXELS), 1)
    if fine > 1:
        ink = image.resize(dark[:, :, None], (width * fine, height * fine), "bicubic")[:, :, 0] >= limit
    ink = without_specks(ink, speck * fine**2)
    pixels = np.full((*ink.shape, 4), 255, np.uint8)
    pixels[ink, :3] = 0
    return filled(_filled.outlines(pixels, "binary"), scale=1 / fine, one_color=True)


def _areas(array: Array, speck: int, levels: int) -> list[str]:
    """Areas of colour; what is less than half opaque is in none."""
    pixels = np.full((*array.shape[:2], 4), 255, np.uint8)
    pixels[:, :, :3] = np.rint(array[:, :, :3] * 255)
    if array.shape[2] == 4:
        pixels[array[:, :, 3] < 0.5] = 0
    fine = 1 if min(pixels.shape[:2]) > 1 else 2  # a single pixel has no outline for vtracer
    pixels = pixels.repeat(fine, axis=0).repeat(fine, axis=1)
    return filled(_filled.outlines(pixels, "color", speck=speck, levels=levels), scale=1 / fine)
