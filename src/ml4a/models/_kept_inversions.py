"""Inversions that have been made, so that none is made twice: `<cache>/inversions/<sha256>.safetensors`.

They are named by all that decides them. Like everything in the cache, they can be thrown away at any time.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core import paths, record
from ml4a._core.errors import BadMedia, CannotWrite, NotFound

if TYPE_CHECKING:
    import numpy as np

    from ml4a.media.latents import Latents

log = logging.getLogger("ml4a")

_VERSION = 1
"""Of the way in which pictures are inverted: raised when the same picture would come out otherwise."""


def place(pixels: np.ndarray[Any, Any], digests: Mapping[str, str], parameters: Mapping[str, Any]) -> Path:
    """Where the inversion of a picture is or would be.

    Args:
        pixels: As the networks see them.
        digests: SHA-256 of the weights' files, by role.
        parameters: All others that count, in plain values.
    """
    about = json.dumps([_VERSION, pixels.shape, dict(digests), dict(parameters)], sort_keys=True)
    name = record.digest(about.encode(), pixels.tobytes())
    return paths.cache_dir() / "inversions" / f"{name}.safetensors"


def find(path: Path, shape: tuple[int, ...]) -> Latents | None:
    """The inversion at a place, if there is a whole one of w+ of this shape."""
    from ml4a.media import latents

    try:
        found = latents.load(path)
    except (NotFound, BadMedia):
        return None
    return found if found.space == "w+" and found.values.shape == shape else None


def keep(path: Path, found: Latents) -> None:
    """Write an inversion; where the cache cannot be written, it is made again the next time."""
    try:
        found.save(path, overwrite=True)
    except CannotWrite as error:
        log.debug("the inversion is not kept: %s", error)
