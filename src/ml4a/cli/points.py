"""Points of a generator's space, as a command line names them: seeds, and files of latents."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml4a._core.errors import BadValue

_LATENTS = (".safetensors", ".npy", ".npz")
_DIGITS = 4
"""Of a seed in a file's name, at least."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where in a space: a seed, latents, a photograph that is looked for, or anywhere."""

    seed: int | None = None
    latents: Any = None
    picture: str | None = None
    name: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """What an operation takes."""
        found = {"latents": self.latents, "picture": self.picture, "seed": self.seed}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def file_name(self) -> str:
        """What a picture of it is called."""
        return self.name if self.seed is None else str(self.seed).zfill(_DIGITS)


def each(points: Iterable[str]) -> Iterator[Point]:
    """The points, of files as many as are in them.

    Raises:
        BadValue: it is neither a number nor called as such a file is.
        NotFound, BadMedia: a file is missing, or holds no latents.
    """
    from ml4a.media import latents

    for text in points:
        if text.isdecimal():
            yield Point(seed=int(text), name=text)
            continue
        if Path(text).suffix.lower() not in _LATENTS:
            raise BadValue(
                f"{text} is no file of latents ({', '.join(_LATENTS)}); of a photograph: ml4a gan project {text}"
            )
        found = latents.load(text)
        for number in range(len(found)):
            name = Path(text).stem if len(found) == 1 else f"{Path(text).stem}-{number}"
            yield Point(latents=text if len(found) == 1 else found[number], name=name)


def one(points: list[str], *, pictures: bool = False) -> Point:
    """The one point; anywhere, if none is named.

    Args:
        points: One, or none.
        pictures: Whether it may be a photograph.

    Raises:
        BadValue: there are more.
    """
    if pictures and points and not points[0].isdecimal() and Path(points[0]).suffix.lower() not in _LATENTS:
        return Point(picture=points[0])
    found = list(each(points))
    if len(found) > 1:
        raise BadValue(f"{points[0]} holds {len(found)} latents, and one is due here")
    return found[0] if found else Point()


def several(points: list[str], example: str) -> dict[str, Any]:
    """Seeds, or files of latents, as an operation's parameters.

    Raises:
        BadValue: none, both kinds, or latents of several spaces.
    """
    import numpy as np

    from ml4a.media import latents

    seeds = file_of(points) is None
    if not points or (not seeds and any(text.isdecimal() for text in points)):
        raise BadValue(f"name seeds, or files of latents: {example}")
    if seeds:
        return {"seeds": tuple(map(int, points))}
    found = [latents.load(text) for text in points]
    if len(found) == 1:
        return {"latents": points[0]}
    if len({(some.space, some.values.shape[1:]) for some in found}) > 1:
        raise BadValue(f"{', '.join(points)} are of several spaces, and cannot go together")
    return {"latents": latents.Latents(np.concatenate([some.values for some in found]), found[0].space)}


def file_of(points: Iterable[str]) -> str | None:
    """The first that is a file."""
    return next((text for text in points if not text.isdecimal()), None)


def drawn(count: int, seed: int | None) -> list[Point]:
    """Points of `count` seeds in a row, from `seed` on or from anywhere."""
    from ml4a.models._generating import SEEDS

    first = secrets.randbelow(SEEDS - count) if seed is None else seed
    return [Point(seed=first + number, name=str(first + number)) for number in range(count)]
