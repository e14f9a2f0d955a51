"""Label maps made visible: in colours, over a photo, with a legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image, signals

from ._labels import Array, Label, LabelSet

_ROWS = 18
"""Lines that a legend has room for, unless they would be unreadable."""
_LOWEST = 256
"""Pixels that a legend beside a picture is high, at least."""
_SMALLEST_TYPE = 11
_LARGEST_TYPE = 28
_PAPER, _INK, _RIM = (255, 255, 255), (34, 34, 34), (170, 170, 170)


def colored(labels: Array, known: LabelSet) -> Array:
    """H×W labels → H×W×3 uint8 in the set's colours; -1 is black."""
    return np.concatenate([known.colors, np.zeros((1, 3), np.uint8)])[labels]


def nearest(labels: Array, size: tuple[int, int]) -> Array:
    """Labels at another size, each from the pixel in which its middle lies."""
    if labels.shape == size[::-1]:
        return labels
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size[::-1], labels.shape, strict=True)
    )
    return labels[rows[:, None], columns]


def overlay(labels: Array, known: LabelSet, photo: Picture, opacity: float) -> Any:
    """`photo` under the labels' colours, of its own kind."""
    share = signals.number("opacity", opacity)
    if not 0 <= share <= 1:
        raise BadValue(f"opacity must be between 0 and 1, not {opacity!r}")
    photo = image.loaded(photo)
    array = image.to_array(photo).copy()
    fitted = nearest(labels, (array.shape[1], array.shape[0]))
    colors = colored(fitted, known).astype(np.float32) / 255
    shares = np.where(fitted >= 0, np.float32(share), np.float32(0))[:, :, None]
    array[:, :, :3] += shares * (colors - array[:, :, :3])
    return image.as_kind(array, image.kind_of(photo))


def legend(present: Sequence[tuple[Label, float]], known: LabelSet, height: int) -> Image.Image:
    """A swatch, a name and a share a line, as many as fit."""
    if isinstance(height, bool) or not isinstance(height, int | np.integer) or not 16 <= height <= 10_000:
        raise BadValue(f"a legend's height is 16 to 10000 pixels, not {height!r}")
    size = min(max(int(height / _ROWS / 1.6), _SMALLEST_TYPE), _LARGEST_TYPE)
    font = ImageFont.load_default(size)
    line, swatch, gap = round(size * 1.6), round(size * 1.1), round(size * 0.6)
    names = max(font.getlength(text) for text in [*(label.title for label in known), "and 100 more, 100 %"])
    shares = font.getlength("< 0.1 %")
    picture = Image.new("RGB", (round(gap * 4 + swatch + names + shares), int(height)), _PAPER)
    pen = ImageDraw.Draw(picture)
    fitting = max(1, (int(height) - gap) // line)
    shown = present if len(present) <= fitting else present[: fitting - 1]
    for number, (label, share) in enumerate(shown):
        top = gap / 2 + number * line
        middle = top + line / 2
        box = (gap, round(middle - swatch / 2), gap + swatch, round(middle + swatch / 2))
        pen.rectangle(box, fill=label.color, outline=_RIM)
        pen.text((gap * 2 + swatch, middle), label.title, _INK, font, anchor="lm")
        pen.text((picture.width - gap, middle), _percent(share), _INK, font, anchor="rm")
    if len(shown) < len(present):
        rest = present[len(shown) :]
        middle = gap / 2 + (len(shown) + 0.5) * line
        pen.text((gap * 2 + swatch, middle), f"and {len(rest)} more", _INK, font, anchor="lm")
        pen.text((picture.width - gap, middle), _percent(sum(share for _, share in rest)), _INK, font, anchor="rm")
    return picture


def explained(picture: Picture, legend: Callable[[int], Image.Image]) -> Any:
    """A picture with the legend that its height asks for to its right, of its own kind."""
    picture = image.loaded(picture)
    array = image.to_array(picture)
    height, width, channels = array.shape
    words = image.to_array(legend(max(height, _LOWEST)))
    sheet = np.ones((len(words), width + words.shape[1], channels), np.float32)
    sheet[:height, :width] = array
    sheet[:, width:, :3] = words
    return image.as_kind(sheet, image.kind_of(picture))


def _percent(share: float) -> str:
    percent = 100 * share
    return "< 0.1 %" if percent < 0.1 else f"{percent:.1f} %" if percent < 9.95 else f"{percent:.0f} %"
