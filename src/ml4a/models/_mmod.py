"""dlib's face detector around its network: the picture's pyramid in one tensor, and boxes of the scores.

Boxes agree with dlib's to the pixel, since the network sees neighbouring sizes beside each other as it does there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ml4a.media.face import Face, largest_first

if TYPE_CHECKING:
    import torch

    from ml4a.networks.dlib_mmod import DlibDetector

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_Rectangle: TypeAlias = tuple[int, int, int, int]
"""Left, top, width, height."""

SMALLEST = 40
"""Side, in pixels, of faces below which enlarging a picture shows nothing more."""
_MOST = 12e6
"""Pixels of the picture that is looked at; its pyramid has three times as many."""
_WINDOW = 80
"""Side of the faces that the network knows, in pixels."""
_GAP, _BORDER = 10, 11
"""Pixels between the sizes, and around them all."""
_SHRINK = 5 / 6
"""From one size to the next."""
_LOWEST = 5
"""Pixels; the pyramid ends above that."""
_SHIFT = 0.3
"""How far, in dlib's pyramid, a place moves from size to size besides."""
_OVERLAP = 0.3382761351109955
"""Intersection over union above which two boxes are of one face; from the official file."""


def find(picture: Array, network: DlibDetector, *, threshold: float = 0.5, smallest: float = _WINDOW) -> list[Face]:
    """The faces in a picture, the largest first: boxes alone.

    In training scores of faces were pushed above 1 and all others below -1. A face's `score` is 0 for -1 and 1 for 1.

    Args:
        picture: H×W×3 float32 in [0, 1].
        network: On its device.
        threshold: The least score of a face. 0.5 is dlib's own; less finds more, and what is none.
        smallest: Side of the smallest faces to look for, in pixels. The picture is enlarged or reduced to suit, and
            that takes time and memory by the square: no further than to 12 megapixels.
    """
    import torch
    from torch.nn import functional as F

    height, width = picture.shape[:2]
    factor = min(_WINDOW / smallest, math.sqrt(_MOST / (height * width)))
    x = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float()
    x = x.to(next(network.parameters()).device)
    with torch.inference_mode():
        if factor != 1:
            size = [max(1, round(side * factor)) for side in (height, width)]
            x = F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=factor < 1)
        pyramid, places = tiled(network.normalised(x))
        if min(pyramid.shape[-2:]) < network.shortest:
            return []
        scores = network(pyramid)[0, 0].cpu().numpy()
    found = boxes(scores, places, 2 * threshold - 1)
    return largest_first(
        [
            Face((x1 / factor, y1 / factor, x2 / factor, y2 / factor), min(1.0, (score + 1) / 2))
            for (x1, y1, x2, y2), score in found
        ]
    )


def tiled(picture: torch.Tensor) -> tuple[torch.Tensor, list[_Rectangle]]:
    """A picture in ever smaller sizes, side by side, and 0 between them.

    Args:
        picture: 1×3×H×W.

    Returns:
        1×3×h×w, and where in it each size is.
    """
    from torch.nn import functional as F

    height, width = picture.shape[-2:]
    places, rows = _layout(height, width)
    whole = picture.new_zeros((1, 3, rows, width + 2 * _BORDER))
    level = picture
    for left, top, columns, lines in places:
        if (lines, columns) != level.shape[-2:]:
            level = F.interpolate(level, size=(lines, columns), mode="bilinear", align_corners=True)
        whole[..., top : top + lines, left : left + columns] = level
    return whole, places


def boxes(
    scores: Array, places: list[_Rectangle], threshold: float = 0.0, overlap: float = _OVERLAP
) -> list[tuple[tuple[float, float, float, float], float]]:
    """The box (x1, y1, x2, y2) and score of each face, the surest first."""
    from ml4a.networks.dlib_mmod import OFFSET, STRIDE

    above = np.argwhere(scores > threshold)
    order = np.argsort(-scores[tuple(above.T)], kind="stable")
    found: list[tuple[tuple[float, float, float, float], float]] = []
    taken = np.empty((len(above), 4))
    for row, column in above[order].tolist():
        box = _in_picture(STRIDE * column + OFFSET, STRIDE * row + OFFSET, places)
        if not (_shares(np.array(box), taken[: len(found)]) > overlap).any():
            taken[len(found)] = box
            found.append((box, float(scores[row, column])))
    return found


def _layout(height: int, width: int) -> tuple[list[_Rectangle], int]:
    """Where the sizes go: down the left side, and up again on the right where they fit beside the others.

    Returns:
        The rectangles, and how many rows there are in all.
    """
    sizes = [(width, height)]
    while True:
        smaller = int(_SHRINK * sizes[-1][0]), int(_SHRINK * sizes[-1][1])
        if smaller[0] == 0 or smaller[1] < _LOWEST:
            break
        sizes.append(smaller)
    total = sum(lines + _GAP for _, lines in sizes) - 2 * _GAP
    down, before = 0, 0
    for columns, lines in sizes:
        if columns <= width - before - _GAP and (down - height) * 2 >= total - height:
            break
        down += lines + _GAP
        before = columns
    down -= _GAP
    places: list[_Rectangle] = []
    y = _BORDER
    while y < down + _BORDER and len(places) < len(sizes):
        columns, lines = sizes[len(places)]
        places.append((_BORDER, y, columns, lines))
        y += lines + _GAP
    y -= _GAP
    for columns, lines in sizes[len(places) :]:
        left, top = _BORDER + width - columns, y - lines
        if top < _BORDER + height:  # it would cover the picture itself
            break
        places.append((left, top, columns, lines))
        y -= lines + _GAP
    return places, down + 2 * _BORDER


def _in_picture(x: float, y: float, places: list[_Rectangle]) -> tuple[float, float, float, float]:
    """The box, to whole pixels, of a face whose middle is at a place of the tiled pyramid."""
    level = min(range(len(places)), key=lambda index: _distance(x, y, places[index]))
    half = (_WINDOW - 1) / 2
    left, top, _, _ = places[level]
    corners = np.array([x - half - left, y - half - top, x + half - left, y + half - top])
    for _ in range(level):
        corners = corners / _SHRINK + _SHIFT
    x1, y1, x2, y2 = np.copysign(np.floor(np.abs(corners) + 0.5), corners)
    return float(x1), float(y1), float(x2) + 1, float(y2) + 1


def _distance(x: float, y: float, place: _Rectangle) -> float:
    left, top, columns, lines = place
    across = max(left - x, 0, x - (left + columns - 1))
    down = max(top - y, 0, y - (top + lines - 1))
    return across**2 + down**2


def _shares(box: Array, others: Array) -> Array:
    """Of N×4 others: the area in common, relative to that of the smallest box around both, as dlib measures overlap."""
    common = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    around = np.maximum(box[2:], others[:, 2:]) - np.minimum(box[:2], others[:, :2])
    return common.clip(min=0).prod(axis=1) / around.prod(axis=1)
