"""Ink on rice paper: mountains in mist, bamboo and birds, a red seal."""

from __future__ import annotations

import cv2
import numpy as np

from ._brush import Canvas
from ._noise import Field, clouds, colour, mix, plane, smooth, step

_INK = colour("#15161a")
_RANGES = ((0.38, 0.34, 2.2, 0.30), (0.56, 0.30, 3.0, 0.50), (0.74, 0.26, 3.6, 0.75), (0.97, 0.20, 4.0, 0.97))
"""Mountains from the farthest: y of the foot, height, peaks, and how dark."""
_STALKS = ((0.30, 0.05, 0.016, 0.45), (0.09, 0.09, 0.030, 0.92), (0.19, 0.02, 0.021, 0.75), (0.97, -0.10, 0.024, 0.85))
"""Bamboo from the farthest: x of the foot, lean, width, and how dark."""
_BIRDS = ((0.46, 0.16, 0.022), (0.52, 0.195, 0.019), (0.58, 0.17, 0.016), (0.505, 0.25, 0.018), (0.63, 0.22, 0.013))
"""x, y and half the span."""
_LEAF = np.array([0.25, 0.75, 1.0, 0.95, 0.78, 0.52, 0.25, 0.0])
"""How hard the brush is pressed along a leaf."""


def paint(rng: np.random.Generator, side: int) -> Field:
    """A picture of `side` pixels."""
    paper = _paper(rng, side)
    ink = np.zeros((side, side), np.float32)
    for base, height, cells, tone in _RANGES:
        ink = _range(rng, ink, base, height, cells, tone)
    grain = clouds(rng, side, 60, octaves=3)
    brush = Canvas(np.zeros((side, side, 3), np.float32), rng)
    _bamboo(rng, brush)
    _birds(brush)
    wet = brush.finished(relief=0)[:, :, 0]
    ink = np.maximum(ink * (0.80 + 0.4 * grain), wet * step(0.02, 0.30, grain + wet * 0.35)).clip(0, 0.97)
    sun = step(0.075, 0.072, np.hypot(plane(side)[0] - 0.72, plane(side)[1] - 0.19))
    picture = mix(paper, colour("#b8392c"), sun * (0.75 + 0.2 * grain))
    return _seal(rng, mix(picture, _INK, ink))


def _paper(rng: np.random.Generator, side: int) -> Field:
    fibres = np.full((side, side), 128, np.uint8)
    for _ in range(900):
        start = rng.random(2) * side
        way = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 8))
        points = start + np.cumsum(np.stack([np.cos(way), np.sin(way)], axis=1) * side * 0.008, axis=0)
        cv2.polylines(fibres, [points.astype(np.int32)], False, int(rng.integers(100, 160)), 1, cv2.LINE_AA)
    texture = (cv2.GaussianBlur(fibres, (0, 0), 0.8).astype(np.float32) / 255 - 0.5) * 0.35
    tone = mix(colour("#efe6d2"), colour("#dccfb2"), clouds(rng, side, 3) * 0.7)
    return (tone + texture[..., None]).clip(0, 1)


def _range(rng: np.random.Generator, ink: Field, base: float, height: float, cells: float, tone: float) -> Field:
    """A range of mountains: dark at the ridge, lost in the mist below, with the brush's texture on its flanks."""
    side = ink.shape[0]
    _, y = plane(side)
    ridge = 0.7 * smooth(rng, side, cells)[side // 2] + 0.22 * smooth(rng, side, cells * 4)[side // 2]
    ridge = ridge + 0.06 * smooth(rng, side, cells * 14)[side // 2]
    depth = y - (base - height * (ridge - 0.25))[None, :]
    fade = np.exp(-(depth / (0.11 + 0.06 * smooth(rng, side, 4))).clip(0))
    folds = clouds(rng, side, 9, octaves=4, stretch=(1, 2.4))
    slope = np.gradient(ridge, 1 / side)[None, :]
    cracked = step(0.42, 0.62, folds + 0.05 * np.tanh(slope)) * step(0.0, 0.02, depth)
    rim = np.exp(-((depth / 0.006) ** 2))
    wash = step(0, 0.004, depth) * fade * (0.42 + 0.58 * cracked) + 0.5 * rim
    mist = step(0.02, 0.22, depth) * 0.8
    return ink * (1 - step(0, 0.004, depth) * (1 - 0.2 * mist)) + tone * wash.clip(0, 1)


def _bamboo(rng: np.random.Generator, brush: Canvas) -> None:
    """Stalks drawn upwards joint by joint, with leaves that hang in the wind; the canvas holds the ink's wetness."""
    for foot, lean, width, tone in _STALKS:
        height, joint = 1.06, 0
        while height > -0.1:
            length = 0.13 + 0.03 * joint**0.5
            t = np.linspace(0, 1, 9)
            points = np.stack([foot + lean * (1.06 - height + length * t) ** 1.3, height - length * t], axis=1)
            brush.stroke(points[:-1], _wet(tone * rng.uniform(0.85, 1.0)), width * rng.uniform(0.9, 1.05), dry=0.5)
            knot = points[-1] + np.array([[-0.6, 0.1], [0, -0.1], [0.6, 0.1]]) * width
            brush.stroke(knot, _wet(min(1, tone * 1.25)), 0.006)
            if joint > 1:
                for _ in range(rng.integers(1, 4)):
                    _spray(rng, brush, points[-1], tone, rng.choice([-1, 1]))
            height, joint = height - length - 0.006, joint + 1


def _spray(rng: np.random.Generator, brush: Canvas, at: Field, tone: float, way: int) -> None:
    """A twig and its leaves, each one press and lift of the brush."""
    reach = rng.uniform(0.05, 0.13)
    t = np.linspace(0, 1, 6)
    twig = at + np.stack([way * reach * t, -0.35 * reach * t + 0.5 * reach * t**2], axis=1)
    brush.stroke(twig, _wet(tone), 0.004)
    for _ in range(rng.integers(4, 7)):
        start = twig[rng.integers(2, 6)]
        angle = np.pi / 2 - way * rng.uniform(-0.2, 1.35)
        length = rng.uniform(0.07, 0.16)
        bend = np.array([np.cos(angle + 0.3 * way), np.sin(angle + 0.3 * way)])
        t = np.linspace(0, 1, 8)[:, None]
        leaf = start + length * t * (np.array([np.cos(angle), np.sin(angle)]) * (1 - 0.4 * t) + 0.4 * bend * t)
        brush.stroke(leaf, _wet(min(1, tone * rng.uniform(0.8, 1.15))), 0.019, dry=0, pressure=_LEAF)


def _birds(brush: Canvas) -> None:
    t = np.linspace(0, 1, 6)
    for x, y, span in _BIRDS:
        for way in (-1, 1):
            wing = np.stack([x + way * span * t, y - 0.8 * span * np.sin(t * 2.4)], axis=1)
            brush.stroke(wing, _wet(0.9), 0.0035, dry=0.5)


def _wet(amount: float) -> Field:
    return np.full(3, amount, np.float32)


def _seal(rng: np.random.Generator, picture: Field) -> Field:
    """A small square stamp with carved lines."""
    side = picture.shape[0]
    x, y = plane(side)
    u, v = (x - 0.78) / 0.034, (y - 0.70) / 0.034
    block = step(1.06, 1.0, np.maximum(np.abs(u), np.abs(v)) + 0.06 * smooth(rng, side, 40))
    carved = (np.abs(np.abs(u) - 0.45) < 0.09) & (np.abs(v) < 0.7)
    carved |= (np.abs(np.abs(v) - 0.35) < 0.09) & (np.abs(u) < 0.75)
    worn = step(0.20, 0.35, clouds(rng, side, 50, octaves=3))
    return mix(picture, colour("#b02a20"), block * np.where(carved, 0.08, 0.92) * worn)
