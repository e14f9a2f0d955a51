"""Waves as in a woodblock print: flat blues with dark outlines, claws of foam, a pale sky and a distant mountain."""

from __future__ import annotations

import cv2
import numpy as np

from ._noise import Field, clouds, colour, mix, plane, ramp, smooth, step, through

_OUTLINE = colour("#0c1830")
_SKY = ["#27507c", "#86a5ac", "#ecd9a4", "#f2cf8e", "#eab676"]
_FOAM = colour("#f4eddc")
_BLUES = [colour(code) for code in ("#f3ead2", "#3f7fb4", "#0f3f86", "#7fb2d0", "#1657a0", "#f3ead2", "#2f74b4",
                                      "#0b2f6c", "#5b9cc8", "#12478f", "#0a2658", "#2a68aa")]  # fmt: skip
"""From the crest down: bands of water."""
_BREAKER = ((-3.0, 0.25), (-2.2, 0.12), (-1.5, -0.10), (-0.9, -0.48), (-0.4, -0.92), (0.05, -1.22), (0.48, -1.30),
            (0.84, -1.16), (1.04, -0.86), (1.02, -0.58), (0.92, -0.72), (0.72, -0.90), (0.44, -0.92), (0.20, -0.74),
            (0.10, -0.46), (0.18, -0.18), (0.50, 0.04), (1.1, 0.14), (2.0, 0.10), (3.2, 0.20))  # fmt: skip
"""Points of a breaking wave that runs to the right, y down."""
_LIP = 8.4
"""Which of them is the lip's tip, about."""


def paint(rng: np.random.Generator, side: int) -> Field:
    """A picture of `side` pixels."""
    picture = _sky(rng, side)
    picture = _mountain(rng, picture)
    for crest, foam, size in (
        (*_swell(0.61, 0.035, 2.3, 0.4), 0.6),
        (*_breaker(0.20, 0.66, 0.36, 1), 1.0),
        (*_breaker(0.95, 0.74, 0.20, -1), 0.7),
        (*_swell(0.84, 0.060, 1.6, 2.2), 0.9),
        (*_swell(0.97, 0.070, 1.3, 0.9), 1.0),
    ):
        picture = _wave(rng, picture, crest, size)
        picture = _foam(rng, picture, crest, foam, size)
    return _print(rng, picture)


def _sky(rng: np.random.Generator, side: int) -> Field:
    x, y = plane(side)
    sky = ramp(_SKY, (y * 1.5 + 0.03 * smooth(rng, side, 4)).clip(0, 1))
    sun = step(0.082, 0.078, np.hypot(x - 0.66, y - 0.20))
    return mix(sky, colour("#c8452f"), sun)


def _mountain(rng: np.random.Generator, picture: Field) -> Field:
    side = picture.shape[0]
    x, y = plane(side)
    slope = 0.40 + 0.75 * np.abs(x - 0.60) ** 1.15 + 0.008 * np.abs(np.sin(x * 60)) * (np.abs(x - 0.60) > 0.03)
    inside = step(0, 0.004, y - slope)
    snow = step(0.004, -0.004, y - 0.49 - 0.028 * np.abs(np.sin(x * 46 + 1)) - 0.02 * smooth(rng, side, 12))
    body = mix(colour("#46617f"), colour("#8398a3"), step(0.48, 0.62, y))
    picture = mix(picture, mix(body, _FOAM, snow), inside)
    return mix(picture, _OUTLINE, _line(inside, 2))


def _swell(level: float, height: float, waves: float, phase: float) -> tuple[Field, Field]:
    """The crest of rolling water from the left edge to the right, and how much of it is foam."""
    t = np.linspace(-0.05, 1.05, 400)
    hump = np.abs(np.sin(np.pi * (t * waves + phase))) ** 1.4
    return np.stack([t, level - height * hump], axis=1), 0.45 * hump**3


def _breaker(foot: float, level: float, size: float, towards: int) -> tuple[Field, Field]:
    """The crest of a wave that curls over – up its back, round its lip, down its hollow face – and its foam."""
    curve = through(_BREAKER, 20) * size
    place = np.arange(len(curve)) / 20
    foam = np.exp(-(((place - _LIP) / 1.9) ** 2)) + 0.12
    return np.stack([foot + towards * curve[:, 0], level + curve[:, 1]], axis=1), foam.clip(0, 1)


def _wave(rng: np.random.Generator, picture: Field, crest: Field, size: float) -> Field:
    """One body of water below `crest`, in bands that follow it, outlined."""
    side = picture.shape[0]
    outline = np.concatenate([crest, [[crest[-1, 0], 1.2], [crest[0, 0], 1.2]]])
    mask = np.zeros((side, side), np.uint8)
    cv2.fillPoly(mask, [(outline * side * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    inside = mask.astype(np.float32) / 255
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5) / side
    wobble = 0.010 * (smooth(rng, side, 10, (2, 1)) - 0.5)
    band = ((depth + wobble) / (0.016 * size + 0.010)).clip(0) ** 0.82
    number = band.astype(int)
    index = np.where(number < len(_BLUES), number, 6 + (number - 6) % (len(_BLUES) - 6))
    water = np.stack(_BLUES)[index]
    water = mix(water, water * 0.90, step(0.35, 0.65, clouds(rng, side, 5, stretch=(1, 3))))
    edges = np.diff(number, axis=0, prepend=number[:1]) != 0
    edges |= np.diff(number, axis=1, prepend=number[:, :1]) != 0
    lines = cv2.GaussianBlur(edges.astype(np.float32), (0, 0), 1.6).clip(0, 0.32) * 3.1
    water = mix(water, _OUTLINE, lines * step(0.0, 0.02, depth) * 0.9)
    picture = mix(picture, water, inside)
    return mix(picture, _OUTLINE, _line(inside, 5))


def _foam(rng: np.random.Generator, picture: Field, crest: Field, foam: Field, size: float) -> Field:
    """Foam along the crest, as much as `foam` says of each of its points, and spray thrown off it."""
    image = np.ascontiguousarray((picture * 255).clip(0, 255).astype(np.uint8))
    side = len(image)
    places = [k for k in range(4, len(crest) - 4) if rng.random() < 0.5 * foam[k]]
    drops = _drops(rng, crest, foam, size, places)
    _discs(image, [(place, radius + 0.002) for place, radius in drops], _OUTLINE)
    _discs(image, drops, _FOAM)
    for place, radius in drops[::3]:  # a little shade below
        centre = tuple(int(v) for v in (place + 0.3 * radius) * side)
        axes = (int(radius * side * 0.55),) * 2
        cv2.ellipse(image, centre, axes, 0, 20, 160, (_BLUES[1] * 255).tolist(), 2, cv2.LINE_AA)
    spray = []
    for _ in range(int(120 * size * foam.max()) if places else 0):
        thrown = rng.normal(0, 0.05, 2) * size - (0, 0.03 * size)
        spray.append((crest[places[rng.integers(len(places))]] + thrown, rng.uniform(0.0012, 0.0038)))
    _discs(image, spray, _FOAM)
    return image.astype(np.float32) / 255


def _drops(
    rng: np.random.Generator, crest: Field, foam: Field, size: float, places: list[int]
) -> list[tuple[Field, float]]:
    """Where foam is, and its radius: bubbles at the given points of the crest, and claws that bend over."""
    tangent = np.gradient(crest, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1) * np.sign(crest[-1, 0] - crest[0, 0])
    drops = []
    for k in places:
        for _ in range(3):
            off = normal[k] * rng.uniform(-0.020, 0.030) + rng.normal(0, 0.012, 2)
            drops.append((crest[k] + off * size, rng.uniform(0.004, 0.017) * size))
        if rng.random() < 0.35 * foam[k] ** 2:
            at, heading = crest[k], np.arctan2(normal[k, 1], normal[k, 0])
            bend = rng.uniform(0.12, 0.30) * np.sign(tangent[k, 0])
            for part in range(8):
                at = at + 0.017 * size * np.array([np.cos(heading), np.sin(heading)])
                heading += bend
                drops.append((at, 0.015 * size * (1 - part / 8.5)))
    return drops


def _discs(image: Field, discs: list[tuple[Field, float]], shade: Field) -> None:
    for place, radius in discs:
        centre = tuple(int(v) for v in place * len(image) * 16)
        cv2.circle(image, centre, int(radius * len(image) * 16), (shade * 255).tolist(), -1, cv2.LINE_AA, 4)


def _line(inside: Field, width: float) -> Field:
    """A line along the edge of a mask in [0, 1]."""
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(inside, (0, 0), width * 0.6))
    return (np.hypot(slope_x, slope_y) * width * 2.2).clip(0, 1)


def _print(rng: np.random.Generator, picture: Field) -> Field:
    """The grain of the wood and of the paper."""
    side = picture.shape[0]
    _, y = plane(side)
    rings = np.sin((y * 46 + 5 * smooth(rng, side, 2, (3, 1)) + 1.2 * smooth(rng, side, 6, (5, 1))) * 2 * np.pi)
    fibres = rng.normal(0, 1, (side, side)).astype(np.float32)
    fibres = cv2.GaussianBlur(fibres, (0, 0), 1.2) * 2
    worn = clouds(rng, side, 6)
    grain = 1 + 0.022 * rings + 0.020 * fibres
    return (picture * grain[..., None] + 0.035 * (worn[..., None] - 0.5)).clip(0, 1)
