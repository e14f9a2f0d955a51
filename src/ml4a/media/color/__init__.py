"""Colour: histograms, matching, transfer, palettes, dithering and the tones of pictures and films.

    from ml4a import color, image

    photo, painting = image.sample("coffee"), image.sample("waves")
    color.match_color(photo, painting, method="transport")
    color.dither(photo, color.palette(painting, 5))

Everything takes a picture and gives one of the same kind, its alpha untouched, and so is a step of a feedback loop or
of `ml4a.apply`. Grey pictures become RGB. What is wholly transparent has no colour: it counts in no histogram, mean or
palette. Floats stay floats; only PIL images are rounded to 8 bits.
"""

from __future__ import annotations

from ._brightness import level_brightness
from ._dither import dither
from ._enhance import enhance
from ._grading import duotone, hue, temperature
from ._histogram import Histogram, average_histogram, histogram
from ._matching import match_histogram
from ._palette import Palette, palette
from ._tones import adjust_range, equalize
from ._transfer import match_color, optimal_transport, reinhard

__all__ = [
    "Histogram",
    "Palette",
    "adjust_range",
    "average_histogram",
    "dither",
    "duotone",
    "enhance",
    "equalize",
    "histogram",
    "hue",
    "level_brightness",
    "match_color",
    "match_histogram",
    "optimal_transport",
    "palette",
    "reinhard",
    "temperature",
]
