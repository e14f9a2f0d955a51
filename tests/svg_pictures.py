"""SVG documents of ours as pixels: as much of SVG as they are made of."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import cv2
import numpy as np

NAMESPACE = "{http://www.w3.org/2000/svg}"
_FINE = 4
_BENDS = 12
"""Points on a curve."""


def elements(document: str, tag: str) -> list[ET.Element]:
    """All elements of one tag; the document must be well formed."""
    return list(ET.fromstring(document.encode()).iter(NAMESPACE + tag))


def size(document: str) -> tuple[int, int]:
    """(width, height), which the viewBox must agree with."""
    root = ET.fromstring(document.encode())
    width, height = int(root.attrib["width"]), int(root.attrib["height"])
    assert root.attrib["viewBox"] == f"0 0 {width} {height}"
    return width, height


def drawn(document: str) -> np.ndarray:
    """What the document shows, on white: H×W×3 float32 in [0, 1], anti-aliased."""
    width, height = size(document)
    canvas = np.full((height * _FINE, width * _FINE, 3), 255, np.uint8)
    _draw(ET.fromstring(document.encode()), canvas, {}, 1.0)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _draw(element: ET.Element, canvas: np.ndarray, style: dict[str, str], scale: float) -> None:
    style = style | element.attrib
    transform = element.attrib.get("transform", "")
    if found := re.fullmatch(r"scale\(([\d.]+)\)", transform):
        scale *= float(found[1])
    if element.tag == NAMESPACE + "path":
        moved = re.fullmatch(r"translate\(([-\d.]+),([-\d.]+)\)", transform)
        offset = np.array([float(moved[1]), float(moved[2])]) if moved else np.zeros(2)
        _draw_path(list(subpaths(element.attrib["d"])), canvas, style, scale, offset)
    for child in element:
        _draw(child, canvas, style, scale)


def _draw_path(paths, canvas, style, scale, offset):
    # fillPoly's coordinates are of pixel centres, with 4 bits behind the point.
    placed = [np.rint((((path + offset) * scale * _FINE) - 0.5) * 16).astype(np.int32) for path, _ in paths]
    if style.get("fill") != "none":
        cv2.fillPoly(canvas, placed, _color(style["fill"]), shift=4)
        return
    thickness = max(1, round(float(style["stroke-width"]) * scale * _FINE))
    for points, (_, closed) in zip(placed, paths, strict=True):
        cv2.polylines(canvas, [points], closed, _color(style["stroke"]), thickness, shift=4)


def subpaths(path: str) -> Iterator[tuple[np.ndarray, bool]]:
    """The polygons of a path, and whether each is closed."""
    points: list[tuple[float, float]] = []
    for command, numbers in re.findall(r"([MLCZh])([^MLCZh]*)", path):
        values = [float(number) for number in re.findall(r"-?[\d.]+", numbers)]
        pairs = list(zip(values[::2], values[1::2], strict=False))
        if command == "M":
            if points:
                yield np.array(points), False
            points = pairs
        elif command == "L":
            points += pairs
        elif command == "C":
            assert len(pairs) % 3 == 0
            for number in range(0, len(pairs), 3):
                points += _curve(points[-1], *pairs[number : number + 3])
        elif command == "h":
            points.append((points[-1][0] + values[0], points[-1][1]))
        else:
            yield np.array(points), True
            points = []
    if points:
        yield np.array(points), False


def _curve(*corners):
    t = np.linspace(0, 1, _BENDS)[1:, None]
    a, b, c, d = map(np.array, corners)
    curve = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
    return [tuple(point) for point in curve]


def _color(text: str) -> tuple[int, int, int]:
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    return tuple(int(digits[place : place + 2], 16) for place in (0, 2, 4))
