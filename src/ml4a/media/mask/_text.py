"""Words as masks."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ml4a._core.errors import BadValue, NotFound, TooLarge
from ml4a._core.params import Doc, Range
from ml4a.media._value import Number, Point, at

from ._mask import Mask
from ._planes import Array

_MOST_LETTERS = 10_000
_LARGEST = 8192
"""Pixels that letters may be high."""
_FINE = 96
"""Pixels from which on the height of letters is not felt to be whole."""
_PAGE = 1 << 25
"""Pixels of the page on which small letters are drawn larger."""
_MARGIN = 4
"""Pixels around letters, as small ones may be wider than large ones."""


@dataclass(frozen=True, repr=False)
class Text(Mask, kind="text"):
    """Words: 1 inside the letters. Lines are parted by line breaks, and centred.

        title = mask.text("ml4a", size=0.4)
        mask.composite(day, night, title)

    Gives one channel.

    Raises:
        BadValue: nothing to write, more than 10,000 letters, or letters that the font has not.
        NotFound: there is no such font.
    """

    text: Annotated[str, Doc("What it says.")]
    size: Annotated[Number, Range(0, 4), Doc("Height of the letters, in canvas units.")] = 0.2
    font: Annotated[
        str | Path | None, Doc("An installed font's file name, or a Path; the built-in one knows English only.")
    ] = None
    center: Annotated[Point, Doc("The middle of the text, (x, y) in canvas units.")] = (0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.text.strip() or len(self.text) > _MOST_LETTERS:
            raise BadValue(f"mask.text: text must be 1 to {_MOST_LETTERS:,} letters, not {len(self.text.strip())}")
        missing = _missing(self.text, _font(self.font, 16.0))
        if missing:
            raise BadValue(f"mask.text: the font has no {missing!r}; give another font, such as 'DejaVuSans.ttf'")

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        height = at(self, "size", time) * min(size)
        if height > _LARGEST:
            raise TooLarge(f"letters {height:.0f} px high are more than the limit of {_LARGEST}")
        out[:] = 0
        if height >= 1:
            x, y = at(self, "center", time)
            place = (x * min(size) + size[0] / 2, y * min(size) + size[1] / 2)
            _write(self.text, self.font, height, place, out[:, :, 0])

    def to_data(self) -> Any:
        """What `mask.from_data` reads.

        Raises:
            BadValue: the font is a file of its own, which data from elsewhere may not name.
        """
        if isinstance(self.font, Path):
            raise BadValue(f"mask.text has the font {self.font.name} from a file; data can only name installed fonts")
        return super().to_data()


def _write(text: str, font: str | Path | None, height: float, place: tuple[float, float], out: Array) -> None:
    """Write lines of letters so many pixels high around a place in pixels to `out`, H×W.

    Small letters are drawn larger and averaged, since fonts fit small letters to whole pixels.
    """
    import cv2

    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    box = pen.textbbox(place, text, font=_font(font, height), anchor="mm", align="center")
    left, top = (max(0, math.floor(edge) - _MARGIN) for edge in box[:2])
    right, bottom = (min(side, math.ceil(edge) + _MARGIN) for side, edge in zip(out.shape[::-1], box[2:], strict=True))
    width, rows = right - left, bottom - top
    if width <= 0 or rows <= 0:
        return
    factor = max(1, min(math.ceil(_FINE / height), math.isqrt(_PAGE // (width * rows))))
    page = Image.new("L", (width * factor, rows * factor))
    corner = ((place[0] - left) * factor, (place[1] - top) * factor)
    fine = _font(font, height * factor)
    ImageDraw.Draw(page).text(corner, text, fill=255, font=fine, anchor="mm", align="center")
    drawn = cv2.resize(np.asarray(page), (width, rows), interpolation=cv2.INTER_AREA).reshape(rows, width)
    np.multiply(drawn, np.float32(1 / 255), out=out[top:bottom, left:right])


def _missing(text: str, font: Any) -> str:
    """The letters that the font shows as a box only."""
    box = bytes(font.getmask("\uffff"))
    return "".join(sorted({c for c in text if c.isprintable() and not c.isspace() and bytes(font.getmask(c)) == box}))


@functools.lru_cache(maxsize=32)
def _font(name: str | Path | None, size: float) -> Any:
    if name is None:
        return ImageFont.load_default(size)
    if isinstance(name, str) and Path(name).name != name:
        raise BadValue(f"mask.text: font must be the name of an installed font or a Path, not {name!r}")
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        raise NotFound(f"there is no font {str(name)!r} that can be read; leave it out for the one of ml4a") from None
