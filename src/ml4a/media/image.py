"""Pictures: read, write, resize, lay out, show.

    from ml4a import image

    photo = image.load("photo.jpg", size=768)
    image.save(image.grid([photo, image.sample("chelsea")]), "sheet.png")

A picture may be a path, an http(s) URL, `sample:NAME`, a PIL image, an H×W[×C] array (uint8, uint16, bool, or floats in
[0, 1]) or a C×H×W tensor in [0, 1]. What a function gives back is of the kind that it was given; paths and URLs give
PIL images, arrays come out as float32. Sizes are (width, height); a single number is a height.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ml4a._core.kinds import Picture

from ._display import display
from ._encode import encode, most_bits, save
from ._geometry import aspect_ratio, crop_to_aspect_ratio, resize, size
from ._kinds import KindName, as_kind, is_loaded, kind_of
from ._load import file_input, load, load_deep
from ._metadata import read_record_text
from ._sheets import concatenate, grid

__all__ = [
    "KindName",
    "as_kind",
    "aspect_ratio",
    "concatenate",
    "crop_to_aspect_ratio",
    "display",
    "encode",
    "file_input",
    "grid",
    "is_loaded",
    "kind_of",
    "load",
    "load_deep",
    "most_bits",
    "read_record_text",
    "resize",
    "sample",
    "save",
    "size",
    "to_array",
    "to_picture",
]


def to_array(picture: Picture) -> np.ndarray[Any, Any]:
    """Any picture as H×W×C float32 in [0, 1]: C is 3, or 4 with alpha. Nothing is rounded to 8 bits."""
    return load(picture, as_array=True)


def to_picture(picture: Picture) -> Image.Image:
    """Any picture as a PIL image of mode RGB or RGBA; floats are rounded to the nearest of 256 levels."""
    return load(picture)


def sample(name: str, size: int | tuple[int, int] | None = None) -> Image.Image:
    """One of the pictures that come with ml4a; `ml4a.media.samples.names()` lists them.

    Raises:
        UnknownName: no sample has this name.
        DownloadFailed: it is a photograph, not in the cache, and cannot be had.
    """
    return load(f"sample:{name}", size)
