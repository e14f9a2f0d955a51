"""Motion between pictures: found, checked, shown, followed; pictures in between, and films held steady.

    from ml4a.media import motion

    flow = motion.dis(this, before)            # where each pixel of this picture was in the one before
    again = motion.warp(before, flow)          # the picture before, moved into the place of this one
    flow.to_image().save("flow.png")           # its directions as hues
    half = motion.between(before, this, 0.5)   # what was to be seen halfway

Coordinates are in pixels, x to the right, y down, pixel centres at half-integers; a flow says how far, so that it does
not matter where they begin.
"""

from __future__ import annotations

from ._agreement import BothWays, Engine, bidirectional, both_ways, consistency
from ._between import between
from ._dis import Preset, dis
from ._flo import load
from ._flow import Array, Border, Colors, Flow, warp
from ._steady import Steady, blend

__all__ = [
    "Array",
    "Border",
    "BothWays",
    "Colors",
    "Engine",
    "Flow",
    "Preset",
    "Steady",
    "between",
    "bidirectional",
    "blend",
    "both_ways",
    "consistency",
    "dis",
    "load",
    "warp",
]
