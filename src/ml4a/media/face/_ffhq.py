"""The crop of FFHQ: what networks of faces, StyleGAN's above all, expect a portrait to be.

Karras et al., A Style-Based Generator Architecture for Generative Adversarial Networks, CVPR 2019, appendix; the
figures are those of the data set's own program.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture

from .. import image
from ..image import _kinds, _resample
from ._face import Face, one
from ._layout import Array
from ._sampling import inverse, sampled, scale_of

_EYES, _MOUTH = 2.0, 1.8
"""Half the crop's side: so many distances of the eyes, or from eyes to mouth, whichever is more."""
_DOWN = 0.1
"""How far the middle is below the eyes, as a share of the way to the mouth."""
_BORDER, _PAD, _BLUR = 0.1, 0.3, 0.02
"""Shares of the crop's side: what is kept around it, what is mirrored at least, and the deviation of the blur there."""
_LEAST_BORDER, _SLACK = 3, 4
"""Pixels: the least of what is kept around, and how much of it may be missing before any is mirrored."""


def ffhq_alignment(face: Face, size: int = 1024) -> Array:
    """The matrix that brings a face to where it is in FFHQ's pictures.

    Args:
        face: One that has eyes and a mouth: a mesh, landmarks or five points.
        size: The side of the square, in pixels.

    Returns:
        2×3 float64: where (x, y, 1) goes.

    Raises:
        BadValue: the face has a box only, eyes and mouth are at one place, or there is no such size.
    """
    size = _side(size)
    middle, x, y = _frame(face)
    turn = np.stack([x, y]) * (size / (2 * np.dot(x, x)))
    return np.column_stack([turn, size / 2 - turn @ middle])


def ffhq(picture: Picture, face: Face, size: int = 1024) -> Any:
    """A portrait as FFHQ's are: the square around eyes and mouth, turned upright.

    What is beyond the picture is the picture mirrored, which gets more and more blurred outwards and at last fades to
    its median colour, so that no black corners mislead a network.

        portrait = face.ffhq("group.jpg", found[0], 512)
        face.pasted("group.jpg", paint(portrait), face.ffhq_alignment(found[0], 512))

    Args:
        picture: Any picture.
        face: A face in it that has eyes and a mouth: a mesh, landmarks or five points.
        size: The side of the square, in pixels.

    Returns:
        A picture of the same kind.

    Raises:
        BadValue: the face has a box only, eyes and mouth are at one place, or there is no such size.
    """
    loaded = image.loaded(picture)
    size = _side(size)
    matrix = ffhq_alignment(face, size)
    array, matrix = _padded(image.to_array(loaded), matrix, size)
    return _kinds.as_kind(sampled(array, matrix, (size, size), "clamp"), _kinds.kind_of(loaded))


def _frame(face: Face) -> tuple[Array, Array, Array]:
    """The crop's middle, and the ways from there to its right and its lower side."""
    face = one(face)
    eyes, mouth = face.eyes.astype(np.float64), face.mouth.astype(np.float64)
    across, down = eyes[1] - eyes[0], mouth.mean(axis=0) - eyes.mean(axis=0)
    x = across + np.array([down[1], -down[0]])  # halfway between level eyes and an upright nose
    length = np.hypot(*x)
    if length < 1e-6:
        raise BadValue("eyes and mouth are at the same place; there is no telling how the face is turned")
    x *= max(_EYES * np.hypot(*across), _MOUTH * np.hypot(*down)) / length
    return eyes.mean(axis=0) + _DOWN * down, x, np.array([-x[1], x[0]])


def _padded(array: Array, matrix: Array, size: int) -> tuple[Array, Array]:
    """The part of a picture that the crop needs, mirrored outwards where it has no more, and the matrix from there."""
    array, matrix = _reduced(array, matrix, size)
    quad, border = _quad(matrix, size), _margin(size / scale_of(matrix))
    low, high = np.floor(quad.min(axis=0)).astype(int), np.ceil(quad.max(axis=0)).astype(int)
    within = array.shape[1], array.shape[0]
    first, last = np.maximum(low - border, 0), np.minimum(high + border, within)
    if (first >= last).any():
        raise BadValue("the face is outside the picture; was it found in another one?")
    before, after = np.maximum(border - (low - first), 0), np.maximum(border + high - last, 0)
    part = array[first[1] : last[1], first[0] : last[0]]
    if max(*before, *after) <= border - _SLACK:
        return part, _after_moving(matrix, first)
    before, after = (np.maximum(pad, max(1, round(_PAD * size / scale_of(matrix)))) for pad in (before, after))
    return _faded(part, before, after, _BLUR * size / scale_of(matrix)), _after_moving(matrix, first - before)


def _reduced(array: Array, matrix: Array, size: int) -> tuple[Array, Array]:
    """Of a picture much finer than the result a smaller one: so what is computed is bounded by the result's size."""
    shrink = int(0.5 / scale_of(matrix))
    if shrink <= 1:
        return array, matrix
    now = array.shape[1], array.shape[0]
    smaller = max(1, round(now[0] / shrink)), max(1, round(now[1] / shrink))
    grow = np.diag([now[0] / smaller[0], now[1] / smaller[1]])
    return _resample.resample(array, smaller, "lanczos"), np.column_stack([matrix[:, :2] @ grow, matrix[:, 2]])


def _faded(part: Array, before: Array, after: Array, blur: float) -> Array:
    """H×W×C mirrored outwards by so many pixels left and top, right and bottom; more and more blurred, at last grey."""
    import cv2

    pads = (before[1], after[1]), (before[0], after[0]), (0, 0)
    padded = np.pad(part, pads, "reflect")
    height, width = padded.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    out_x = 1 - np.minimum(x / before[0], (width - 1 - x) / after[0])
    out_y = 1 - np.minimum(y / before[1], (height - 1 - y) / after[1])
    out = np.maximum(out_x, out_y)[:, :, None].astype(np.float32)
    soft = cv2.GaussianBlur(padded, (0, 0), blur, borderType=cv2.BORDER_REFLECT)
    padded += (soft - padded) * (3 * out + 1).clip(0, 1)
    padded += (np.median(padded, axis=(0, 1)).astype(np.float32) - padded) * out.clip(0, 1)
    return padded.clip(0, 1)


def _quad(matrix: Array, size: int) -> Array:
    """4×2: the crop's corners in the picture."""
    back = inverse(matrix)
    return np.array([(0, 0), (size, 0), (size, size), (0, size)]) @ back[:, :2].T + back[:, 2]


def _margin(side: float) -> int:
    return max(round(_BORDER * side), _LEAST_BORDER)


def _after_moving(matrix: Array, corner: Array) -> Array:
    """The matrix for a part of the picture that begins at this corner."""
    return np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ corner])


def _side(size: int) -> int:
    return _resample.target_size((1, 1), size)[1]
