"""The canvas as a score: warps, mixed by masks and moved by signals, of pictures, films and feedback loops.

    from ml4a.media import canvas, image
    from ml4a.media.canvas import kaleidoscope, noise, rotate, zoom
    from ml4a.media.signals import wave

    score = zoom(1.02) @ rotate(0.01) & noise(0.1, speed=0.5)
    score(image.load("photo.jpg"))                                   # the picture through it
    canvas.play("photo.jpg", kaleidoscope(6, wave(4, 0, 3)), seconds=8).save("turning.mp4")
    canvas.loop("photo.jpg", zoom(1.02), seconds=10).save("tunnel.mp4")       # fed back, frame after frame
    canvas.loads(canvas.dumps(score)) == score

A score has no size: lengths are in canvas units, of which the shorter side is one, and the origin is in the middle; x
goes right, y down, angles are in radians, counter-clockwise on the screen. Pictures may be of any kind, and what comes
out is of the kind that went in.
"""

from __future__ import annotations

from ._warp import Border, Interpolation, Warp
from .affine import Identity, Rotate, Shear, Shift, Stretch, Zoom
from .apply import apply, blend, coordinates, map_image
from .classic import classic, classic_frames, classic_map
from .combine import compose, interpolate, mix, together
from .fields import Curl, Displace, Flow, Noise
from .film import loop, play
from .folding import Kaleidoscope, Perspective, Polar, Unpolar
from .radial import Expand, Fan, Lens, Ripple, Spiral, Swirl, Twirl
from .text import dumps, from_data, loads
from .view import test_grid, view

identity, shift, stretch, zoom, rotate, shear = Identity, Shift, Stretch, Zoom, Rotate, Shear
expand, spiral, ripple, lens, swirl, twirl, fan = Expand, Spiral, Ripple, Lens, Swirl, Twirl, Fan
polar, unpolar, kaleidoscope, perspective = Polar, Unpolar, Kaleidoscope, Perspective
noise, curl, displace, flow = Noise, Curl, Displace, Flow

__all__ = [
    "Border",
    "Interpolation",
    "Warp",
    "apply",
    "blend",
    "classic",
    "classic_frames",
    "classic_map",
    "compose",
    "coordinates",
    "curl",
    "displace",
    "dumps",
    "expand",
    "fan",
    "flow",
    "from_data",
    "identity",
    "interpolate",
    "kaleidoscope",
    "lens",
    "loads",
    "loop",
    "map_image",
    "mix",
    "noise",
    "perspective",
    "play",
    "polar",
    "ripple",
    "rotate",
    "shear",
    "shift",
    "spiral",
    "stretch",
    "swirl",
    "test_grid",
    "together",
    "twirl",
    "unpolar",
    "view",
    "zoom",
]
