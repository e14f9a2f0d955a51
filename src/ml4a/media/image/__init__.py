"""Pictures: read, write, resize, lay out, show.

    from ml4a import image

    photo = image.load("photo.jpg", size=768)
    image.save(image.grid([photo, image.sample("chelsea")]), "sheet.png")

A picture may be a path, an http(s) URL, `sample:NAME`, a PIL image, an H×W[×C] array (uint8, uint16, bool, or floats in
[0, 1]) or a C×H×W tensor in [0, 1]. What a function gives back is of the kind that it was given; paths and URLs give
PIL images, arrays come out as float32. Sizes are (width, height); a single number is a height.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Range

from .. import samples as _samples
from .._checked import Seed, checked
from . import _resample
from ._display import display
from ._encode import encode, most_bits, save
from ._geometry import aspect_ratio, crop_to_aspect_ratio, resize, size
from ._kinds import KindName, as_kind, is_loaded, kind_of
from ._load import file_input, load, load_deep, loaded
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
    "loaded",
    "most_bits",
    "random",
    "read_record_text",
    "resize",
    "sample",
    "samples",
    "save",
    "save_frame",
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
    """One of the pictures that come with ml4a; `image.samples()` lists them.

    Raises:
        UnknownName: no sample has this name.
        DownloadFailed: it is a photograph, not in the cache, and cannot be had.
    """
    return load(f"sample:{name}", size)


def samples() -> list[str]:
    """The names of the pictures that come with ml4a: photographs, painted styles and a small detail."""
    return sorted([*_samples.photographs(), *_samples.paintings(), "eye"])


@checked
def random(
    size: Any,
    margin: Annotated[float, Range(0, 1)] = 0.5,
    bias: Annotated[float, Range(0, 1)] = 0.5,
    seed: Seed = None,
) -> np.ndarray[Any, Any]:
    """A picture of noise: each value is drawn evenly from bias ± margin, as something to begin from.

        image.random((512, 256), margin=0.1, seed=7)

    Args:
        size: (width, height), or one number for a square.
        margin: How far values are from `bias` at most; those beyond [0, 1] are clipped.
        bias: The mean; 0.5 is grey.
        seed: 0 to 2³² − 1; None draws one. (The generator is that of the library of 2021, which let none be given.)

    Returns:
        H×W×3 float32 in [0, 1].

    Raises:
        BadValue: no such size.
    """
    width, height = _resample.target_size((1, 1), size)
    if seed is not None and seed >= 1 << 32:
        raise BadValue(f"the seed of a random picture is below 2**32, not {seed}")
    noise = np.random.RandomState(seed).uniform(-1, 1, (height, width, 3))
    return (bias + margin * noise).clip(0, 1).astype(np.float32)


def save_frame(picture: Picture, number: int, folder: str | os.PathLike[str] = ".", *, overwrite: bool = False) -> Path:
    """Write `picture` as one frame of a series: `f00001.png`, `f00002.png` … in `folder`, which is made if missing.

        for number, frame in enumerate(clip):
            image.save_frame(frame, number, "frames")

    Returns:
        Where it is.

    Raises:
        BadValue: `number` is no whole number from 0 up.
        OutputExists, CannotWrite: as `save`.
    """
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise BadValue(f"the number of a frame is a whole number, 0 or more, not {number!r}")
    return save(picture, Path(folder) / f"f{number:05d}.png", overwrite=overwrite)
