"""Several pictures as one: rows, columns and contact sheets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture

from . import _kinds, _resample
from ._load import load, load_deep

_INK = 0.2


def concatenate(images: Iterable[Picture], margin: int = 0, vertical: bool = False) -> Any:
    """Pictures side by side (or one below the other), all at the size of the first, `margin` black pixels around each.

    Returns:
        One picture of the first one's kind. If any has alpha, it has alpha and its margins are transparent.

    Raises:
        BadValue: no pictures, or a negative margin.
    """
    pictures, kind = _load_all(images, margin)
    height, width = _kinds.to_array(pictures[0]).shape[:2]
    arrays = [_kinds.to_array(_resample.resample(picture, (width, height), "auto")) for picture in pictures]
    channels = max(array.shape[2] for array in arrays)
    columns, rows = (1, len(arrays)) if vertical else (len(arrays), 1)
    shape = (margin + rows * (height + margin), margin + columns * (width + margin), channels)
    canvas = np.zeros(shape, np.float32)
    for number, array in enumerate(arrays):
        row, column = (number, 0) if vertical else (0, number)
        _paste(canvas, array, margin + column * (width + margin), margin + row * (height + margin))
    return _kinds.as_kind(canvas, kind)


def grid(
    images: Iterable[Picture],
    columns: int | None = None,
    margin: int = 8,
    labels: Sequence[str] | None = None,
) -> Any:
    """A contact sheet on white: cells of the first picture's size, the others scaled to fit in, captions below.

    Args:
        images: The pictures, row by row.
        columns: Pictures in a row; by default as many as make the sheet about square.
        margin: White pixels around each.
        labels: One caption for each picture.

    Returns:
        One opaque picture of the first one's kind.

    Raises:
        BadValue: no pictures, fewer or more labels than pictures, a negative margin, no columns.
    """
    pictures, kind = _load_all(images, margin)
    arrays = [_kinds.to_array(picture) for picture in pictures]
    if labels is not None and len(labels) != len(arrays):
        raise BadValue(f"there are {len(arrays)} pictures and {len(labels)} labels; give one for each")
    columns = math.ceil(math.sqrt(len(arrays))) if columns is None else min(columns, len(arrays))
    if columns < 1:
        raise BadValue(f"columns must be 1 or more, not {columns!r}")
    height, width = arrays[0].shape[:2]
    type_size = max(10, height // 14)
    caption = 0 if labels is None else type_size * 2
    rows = math.ceil(len(arrays) / columns)
    shape = (margin + rows * (height + caption + margin), margin + columns * (width + margin), 3)
    canvas = np.ones(shape, np.float32)
    for number, array in enumerate(arrays):
        row, column = divmod(number, columns)
        left, top = margin + column * (width + margin), margin + row * (height + caption + margin)
        fitted = _fit(array, (width, height))
        _paste(canvas, fitted, left + (width - fitted.shape[1]) // 2, top + (height - fitted.shape[0]) // 2)
        if labels is not None:
            _paste(canvas, _caption(labels[number], (width, caption), type_size), left, top + height)
    return _kinds.as_kind(canvas, kind)


def _load_all(images: Iterable[Picture], margin: int) -> tuple[list[Any], _kinds.KindName]:
    """The pictures as PIL images, or arrays where these would lose something, and the kind of the first."""
    pictures = list(images)
    if not pictures:
        raise BadValue("there are no pictures to put together")
    if margin < 0:
        raise BadValue(f"margin must be 0 or more, not {margin!r}")
    loaded = [load_deep(picture)[0] for picture in pictures]
    return [load(each, as_array=_kinds.kind_of(each) != "pil") for each in loaded], _kinds.kind_of(pictures[0])


def _paste(canvas: np.ndarray[Any, Any], array: np.ndarray[Any, Any], left: int, top: int) -> None:
    """Lay `array` on `canvas`: over an opaque canvas its alpha blends, in a transparent one it is kept."""
    height, width, channels = array.shape
    place = canvas[top : top + height, left : left + width]
    if channels == canvas.shape[2]:
        place[:] = array
    elif channels == 4:
        alpha = array[:, :, 3:]
        place[:] = place * (1 - alpha) + array[:, :, :3] * alpha
    else:
        place[:, :, :3], place[:, :, 3] = array, 1


def _fit(array: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    height, width = array.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    return array if fitted == (width, height) else _resample.resample(array, fitted, "auto")


def _caption(text: str, size: tuple[int, int], type_size: int) -> np.ndarray[Any, Any]:
    font = ImageFont.load_default(type_size)
    while text and font.getlength(text) > size[0]:
        text = text.rstrip("…")[:-1] + "…" if len(text) > 1 else ""
    strip = Image.new("L", size, 0)
    ImageDraw.Draw(strip).text((size[0] / 2, size[1] / 2), text, fill=255, font=font, anchor="mm")
    ink = np.asarray(strip, np.float32)[:, :, None] / 255
    return np.repeat(1 - ink * (1 - _INK), 3, axis=2)
