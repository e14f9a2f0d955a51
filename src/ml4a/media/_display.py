"""Showing pictures in a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from PIL import Image

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture

from . import _sheets
from ._load import load


def display(images: Picture | Iterable[Picture], columns: int = 4, margin: int = 8, title: str | None = None) -> None:
    """Show a picture, or several as a contact sheet, in a notebook. Elsewhere, say how to save them instead.

    Args:
        images: A picture; a list of pictures; or a stack of them, N×H×W×C or N×C×H×W (tensor).
        columns: Pictures in a row of the sheet.
        margin: White pixels around each.
        title: A line above.

    Raises:
        BadValue: no pictures.
    """
    picture = _one_picture(images, columns, margin)
    if not _in_notebook():
        width, height = picture.size
        print(f"a picture of {width}x{height} px; notebooks show it, elsewhere use image.save(…)")  # noqa: T201
        return
    from IPython.display import display as show  # type: ignore[import-not-found]  # a notebook brings it along

    if title is not None:
        print(title)  # noqa: T201
    show(picture)


def _one_picture(images: Any, columns: int, margin: int) -> Image.Image:
    if not isinstance(images, list | tuple | Iterator) and getattr(images, "ndim", None) != 4:
        return load(images)
    pictures = [load(each) for each in images]
    if not pictures:
        raise BadValue("there are no pictures to show")
    return pictures[0] if len(pictures) == 1 else _sheets.grid(pictures, columns, margin)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
