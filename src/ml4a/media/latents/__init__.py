"""The spaces that generators draw from: points in them, and walks, loops and splines from one to the next.

    from ml4a import latents

    corners = latents.random(4, 512, seed=7)
    path = latents.walk(corners, 60, ease="in_out", loop=True)        # 240 frames that end where they begin
    drift = latents.gaussian_loop(10, 1.5, seed=7)                    # ten seconds, seamless
    face = latents.load("portrait.safetensors")                       # what `gan.project` has found

Paths are arrays N×…: N of any shape, such as N×512 or N×18×512. All results are float32, the numbers of frames first.
`Latents` are such an array with the space that it is from, and with what made it.
"""

from __future__ import annotations

from ._paths import cubic_loop as cubic_loop
from ._paths import ease as ease
from ._paths import gaussian_loop as gaussian_loop
from ._paths import interpolate as interpolate
from ._paths import labels as labels
from ._paths import random as random
from ._paths import slerp as slerp
from ._paths import spline as spline
from ._paths import walk as walk
from ._value import Latents as Latents
from ._value import as_latents as as_latents
from ._value import load as load
from ._value import mean as mean
from ._value import nearest as nearest
from ._value import truncated as truncated

__all__ = [
    "Latents",
    "as_latents",
    "cubic_loop",
    "ease",
    "gaussian_loop",
    "interpolate",
    "labels",
    "load",
    "mean",
    "nearest",
    "random",
    "slerp",
    "spline",
    "truncated",
    "walk",
]
