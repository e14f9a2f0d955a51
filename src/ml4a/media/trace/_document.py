"""The text of an SVG document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ._thinning import Array

_DECIMALS = 2


def document(size: tuple[int, int], body: Iterable[str], *, paper: bool) -> str:
    """A drawing of (width, height) units, one for each pixel.

    Args:
        size: The picture's.
        body: Elements, from behind to before.
        paper: Whether there is a white rectangle behind them.
    """
    width, height = size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    sheet = [f'<rect width="{width}" height="{height}" fill="#fff"/>'] if paper else []
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *sheet, *body, "</svg>", ""])


def stroked(strokes: Sequence[Array], width: float) -> list[str]:
    """Open and closed lines, a path each; dots are as wide as the lines."""
    if not strokes:
        return []
    style = f'fill="none" stroke="#000" stroke-width="{_number(width)}" stroke-linecap="round" stroke-linejoin="round"'
    return [f"<g {style}>", *(f'<path d="{_path(stroke)}"/>' for stroke in strokes), "</g>"]


def filled(areas: Sequence[tuple[str, str, str]], *, scale: float = 1.0, one_color: bool = False) -> list[str]:
    """Areas: path, colour and place of each; of one colour, they are a single group in black."""
    if not areas:
        return []
    transform = "" if scale == 1 else f' transform="scale({_number(scale)})"'
    style = ' fill="#000"' if one_color else ""
    paths = []
    for path, color, place in areas:
        own = "" if one_color else f' fill="{color}"'
        paths.append(f'<path d="{path}"{own} transform="translate({place})"/>')
    return [f"<g{style}{transform}>", *paths, "</g>"]


def _path(stroke: Array) -> str:
    (x, y), *others = stroke.tolist()
    begin = f"M{_number(x)} {_number(y)}"
    if not others:
        return f"{begin}h0"
    closed = len(others) > 2 and others[-1] == [x, y]
    lines = " ".join(f"L{_number(x)} {_number(y)}" for x, y in (others[:-1] if closed else others))
    return f"{begin} {lines}{'Z' if closed else ''}"


def _number(value: float) -> str:
    return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
