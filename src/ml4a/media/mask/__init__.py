"""Masks: how much of something shows where, and when.

    from ml4a import mask

    spot = mask.circle(0.3, soft=0.1) - mask.text("ml4a", size=0.15)
    mask.composite(photo, "sky.jpg", spot)                       # the photo in the spot, the sky around it
    mask.view(mask.arcs(3, period=2), seconds=6).save("rings.mp4")

A mask is a value without a size: calling it with one, and a time, gives H×W×n floats in [0, 1]. Masks are combined by
`&`, `|`, `~` and `-`, feathered, grown and stacked; what mixes several things by a mask weighs the k-th by channel k.
Lengths are in canvas units (the picture's shorter side is 1, the origin in the middle, x right, y down), angles in
radians, counter-clockwise. A number may be a `Signal` of `ml4a.media.signals`; then the mask moves.
"""

from __future__ import annotations

from ._apply import apply, composite, cutout, to_image
from ._classic import classic
from ._edges import foreground_colors, refine
from ._mask import Mask, from_data, stack
from ._noise import Noise
from ._segments import bands, kmeans, threshold
from ._shapes import Checker, Circle, Gradient, Polygon, Rectangle, Solid
from ._stored import foreground, from_alpha, from_array, from_image, from_luminance
from ._text import Text
from ._turns import Arcs, Interpolation, Rays, Rects, Stripes
from ._view import COLOURS, film, view

__all__ = [
    "COLOURS",
    "Mask",
    "apply",
    "arcs",
    "bands",
    "checker",
    "circle",
    "classic",
    "composite",
    "cutout",
    "film",
    "foreground",
    "foreground_colors",
    "from_alpha",
    "from_array",
    "from_data",
    "from_image",
    "from_luminance",
    "gradient",
    "interpolation",
    "kmeans",
    "noise",
    "polygon",
    "rays",
    "rectangle",
    "rects",
    "refine",
    "solid",
    "stack",
    "stripes",
    "text",
    "threshold",
    "to_image",
    "view",
]

# Called like functions, and nothing else: their names are functions' names.
arcs = Arcs
checker = Checker
circle = Circle
gradient = Gradient
interpolation = Interpolation
noise = Noise
polygon = Polygon
rays = Rays
rectangle = Rectangle
rects = Rects
solid = Solid
stripes = Stripes
text = Text
