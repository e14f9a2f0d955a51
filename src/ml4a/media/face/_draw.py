"""Faces drawn over their picture: boxes, points, landmarks, the mesh's contours, numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .. import image
from .._checked import checked
from ..image import _kinds
from ._cover import several
from ._face import Face
from ._layout import GROUPS, OVAL, Array

What: TypeAlias = Literal["box", "points", "landmarks", "mesh", "number"]
Line: TypeAlias = tuple[Array, bool]
"""Places, N×2, and whether the line through them is closed."""

WHAT = ("box", "points", "landmarks", "mesh", "number")
_LINES = ("left_eye", "right_eye", "top_lip", "bottom_lip", "nose_bridge", "nose_tip")
_CLOSED = ("left_eye", "right_eye", "top_lip", "bottom_lip")
_HEAD = (*GROUPS["chin"], *reversed(GROUPS["right_eyebrow"]), *reversed(GROUPS["left_eyebrow"]))
_CONTOURS = (
    OVAL,
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
    (46, 53, 52, 65, 55, 107, 66, 105, 63, 70),
    (276, 283, 282, 295, 285, 336, 296, 334, 293, 300),
    (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
)
"""Closed lines through the mesh's vertices: the rim, eyes, brows, both rims of the lips."""
_PIXELS_A_LINE = 300
"""Of the picture's shorter side."""


@checked
def drawn(
    picture: Picture,
    faces: Any,
    what: Any = WHAT,
    *,
    color: Annotated[str, Doc("Name or #rrggbb.")] = "white",
    width: Annotated[float, Range(0, 1000), Doc("Of lines, in pixels; 0 chooses by the picture's size.")] = 0.0,
) -> Any:
    """A picture with what is known of its faces drawn over it, in smooth lines.

        face.drawn(photo, found, ("box", "number"), color="yellow")

    Args:
        picture: Any picture.
        faces: One face or several; they are numbered from 1.
        what: Any of "box", "points" (five discs), "landmarks" (eyes, lips, nose, and chin and brows as one line),
            "mesh" (rim, eyes, brows and lips) and "number". What is not known of a face is not drawn.
        color: Of the lines.
        width: Of the lines, in pixels; 0 takes a 300th of the picture's shorter side.

    Returns:
        A picture of the same kind. What was transparent is not where a line is.

    Raises:
        UnknownName: nothing of that name can be drawn.
        BadValue: no such colour.
    """
    names = (what,) if isinstance(what, str) else tuple(what)
    for name in names:
        if name not in WHAT:
            raise UnknownName("thing to draw", str(name), WHAT)
    array = image.to_array(picture).copy()
    size = array.shape[1], array.shape[0]
    width = width or max(1.0, min(size) / _PIXELS_A_LINE)
    ink = np.zeros(size[::-1], np.uint8)
    known = several(faces)
    for each in known:
        for places, closed in _lines(each, names):
            _stroke(ink, places, closed, width)
        if "points" in names and each.points is not None:
            _discs(ink, each.points, 1.5 * width)
    if "number" in names:
        _number(ink, known, width)
    share = ink[:, :, None].astype(np.float32) / 255
    array[:, :, :3] += share * (_color(color) - array[:, :, :3])
    if array.shape[2] == 4:
        array[:, :, 3:] = np.maximum(array[:, :, 3:], share)
    return _kinds.as_kind(array, _kinds.kind_of(picture))


def _lines(face: Face, names: Iterable[str]) -> list[Line]:
    lines: list[Line] = []
    if "box" in names:
        x1, y1, x2, y2 = face.box
        lines.append((np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]), True))
    if "landmarks" in names and face.landmarks is not None:
        lines += [(face.landmarks[list(GROUPS[name])], name in _CLOSED) for name in _LINES]
        lines.append((face.landmarks[list(_HEAD)], True))
    if "mesh" in names and face.mesh is not None:
        lines += [(face.mesh[list(contour), :2], True) for contour in _CONTOURS]
    return lines


def _stroke(ink: Array, places: Array, closed: bool, width: float) -> None:
    """Draw a line of any width, its ends round, in H×W uint8."""
    ends = np.concatenate([places, places[:1]]) if closed else places
    for a, b in itertools.pairwise(ends.astype(np.float64)):
        _segment(ink, a, b, width / 2)


def _discs(ink: Array, places: Array, radius: float) -> None:
    for place in places.astype(np.float64):
        _segment(ink, place, place, radius)


def _segment(ink: Array, a: Array, b: Array, radius: float) -> None:
    """Cover the pixels nearer than `radius` to the way from a to b, those on the rim in part; what is darker stays."""
    height, width = ink.shape
    low = np.floor(np.minimum(a, b) - radius - 1).clip(0, (width, height)).astype(int)
    high = np.ceil(np.maximum(a, b) + radius + 1).clip(0, (width, height)).astype(int)
    if (low >= high).any():
        return
    x = np.arange(low[0], high[0])[None, :] + 0.5 - a[0]
    y = np.arange(low[1], high[1])[:, None] + 0.5 - a[1]
    way = b - a
    along = ((x * way[0] + y * way[1]) / max(float(way @ way), 1e-12)).clip(0, 1)
    distance = np.hypot(x - along * way[0], y - along * way[1])
    cover = ((radius + 0.5 - distance).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    part = ink[low[1] : high[1], low[0] : high[0]]
    np.maximum(part, cover, out=part)


def _number(ink: Array, faces: Sequence[Face], width: float) -> None:
    """Write 1, 2, 3 … within the upper left corners of the boxes."""
    font = ImageFont.load_default(max(10.0, 7 * width))
    sheet = Image.new("L", (ink.shape[1], ink.shape[0]))
    pen = ImageDraw.Draw(sheet)
    for number, face in enumerate(faces, 1):
        corner = (max(face.box[0], 0) + 2 * width, max(face.box[1], 0) + 2 * width)
        pen.text(corner, str(number), 255, font, anchor="lt")
    np.maximum(ink, np.asarray(sheet), out=ink)


def _color(color: str) -> Array:
    from PIL import ImageColor

    try:
        return np.array(ImageColor.getrgb(color)[:3], np.float32) / 255
    except (ValueError, AttributeError):
        raise BadValue(f"a colour is a name or #rrggbb, not {color!r}") from None
