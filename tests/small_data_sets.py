"""Small data sets: photographs of few pixels, and what was made of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from picture_files import scene
from PIL import Image

from ml4a import dataset
from ml4a.dataset import Augmentation, Summary

SIZE = (24, 18)
VARIED = Augmentation(per_picture=2, crop=0.7, crop_vary=0.1, rotate=10, stretch=0.1)


def photo(number: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """One of many pictures that do not look alike."""
    rng = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), np.uint8))
    return Image.blend(coarse.resize(size, Image.Resampling.BICUBIC), Image.fromarray(scene(*size, seed=number)), 0.3)


def write_photos(folder: Path, names: str = "abcdef") -> Path:
    """A folder with `a.png`, `b.png` …"""
    folder.mkdir()
    for number, name in enumerate(names):
        photo(number).save(folder / f"{name}.png")
    return folder


def build(source: object, target: Path, **options: object) -> Summary:
    """`dataset.build` with a seed and without a report, unless told otherwise."""
    return dataset.build(source, target, **{"seed": 1, "report": False, **options})  # type: ignore[arg-type]


def files(folder: Path) -> list[str]:
    """The names of all files in a folder, from there."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, str]:
    """The same with what is in them."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)}


def pixels(path: Path) -> np.ndarray:
    """A picture file as an array."""
    with Image.open(path) as picture:
        return np.asarray(picture)
