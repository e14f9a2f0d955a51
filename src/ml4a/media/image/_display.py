"""Showing pictures, films and sounds in a notebook."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from PIL import Image

from ml4a._core.errors import BadMedia, BadValue
from ml4a._core.kinds import Picture

from .. import _containers, sources
from . import _formats, _resample, _sheets
from ._load import load

_OWN_LOOKS = ("_repr_mimebundle_", "_repr_html_", "_repr_png_")
"""How a value says that notebooks can show it."""


def display(
    images: Picture | Iterable[Picture],
    columns: int = 4,
    margin: int = 8,
    title: str | None = None,
    *,
    titles: Sequence[str] | None = None,
    animate: bool = False,
    rate: float = 30,
) -> None:
    """Show a picture in a notebook, or several as a contact sheet or a film. Elsewhere, say how to save them instead.

    The path of a film or a sound shows that, with a player; so do the values that ml4a hands around: clips, sounds,
    palettes, masks, warps.

        image.display([photo, *(style(photo, style=n) for n in range(3))], titles=["photo", "0", "1", "2"])
        image.display(frames, animate=True, rate=12)

    Args:
        images: A picture; a list of pictures; a stack of them, N×H×W×C or N×C×H×W (tensor); a path or URL of a film or
            sound; or any value that shows itself.
        columns: Pictures in a row of the sheet.
        margin: White pixels around each; 0 for none.
        title: A line above.
        titles: A line below each picture of a sheet.
        animate: Whether several pictures follow each other, at the size of the first, instead of lying on a sheet.
        rate: Frames per second then.

    Raises:
        BadValue: no pictures, or not as many titles.
        NotFound, BadMedia: a file that is not there or cannot be read.
    """
    shown = _as_one(images, columns, margin, titles, rate if animate else None)
    if not _in_notebook():
        if isinstance(shown, Image.Image):
            width, height = shown.size
            print(f"a picture of {width}x{height} px; notebooks show it, elsewhere use image.save(…)")  # noqa: T201
        else:
            print(f"{shown!r}; notebooks show it")  # noqa: T201
        return
    from IPython.display import display as show  # type: ignore[import-not-found]  # a notebook brings it along

    if title is not None:
        print(title)  # noqa: T201
    show(shown)


def _as_one(images: Any, columns: int, margin: int, titles: Sequence[str] | None, rate: float | None) -> Any:
    """What is to be shown as a PIL image, or as a value that shows itself."""
    if isinstance(images, str | bytes | os.PathLike):
        return _opened(images)
    if isinstance(images, Image.Image):
        pictures = [load(images)]
    elif isinstance(images, list | tuple | Iterator) or getattr(images, "ndim", None) == 4:
        pictures = [load(each) for each in images]
    elif any(hasattr(images, look) for look in _OWN_LOOKS):
        return images
    else:
        pictures = [load(images)]
    if not pictures:
        raise BadValue("there are no pictures to show")
    if rate is not None:
        return _animated(pictures, rate)
    if len(pictures) == 1 and titles is None:
        return pictures[0]
    return _sheets.grid(pictures, columns, margin, titles)


def _animated(pictures: list[Image.Image], rate: float) -> Any:
    from .. import video

    size = pictures[0].size
    mode = "RGBA" if any(picture.mode == "RGBA" for picture in pictures) else "RGB"
    return video.from_frames([_resample.resample(picture.convert(mode), size, "auto") for picture in pictures], rate)


def _opened(source: str | bytes | os.PathLike[str]) -> Any:
    """A file as what it holds: a picture, a clip or a sound."""
    from .. import audio, video

    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        is_moving = _containers.sniff(file) is not None
        file.seek(0)
        is_picture = _formats.sniff(file.read(32)) is not None
    if is_picture and not is_moving:
        return load(found)
    try:
        return video.open(found)
    except BadMedia as error:
        try:
            return audio.load(found)
        except BadMedia:
            raise error from None


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
