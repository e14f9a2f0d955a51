"""Jobs of many files: what a worker more gains, and what the journal and the workers cost for each picture."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import ml4a
from ml4a import image, video

from .race import race

_SMALL = 500
_BUSY = 12


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overhead(folder)
        scaling(folder)
        film(folder)


def overhead(folder: Path) -> None:
    """A function that does nothing, on pictures that are nearly nothing."""
    photos = _photos(folder / "small", _SMALL, 16)
    outputs = _numbered(folder / "small-out")

    def plainly() -> None:
        out = next(outputs)
        for path in sorted(photos.iterdir()):
            image.save(image.to_array(path), out / path.name)

    times = race(
        f"{_SMALL} pictures of 16x16 px, read and written",
        {
            "ml4a.apply": lambda: ml4a.apply(_as_it_is, photos, next(outputs)),
            "image.to_array and image.save": plainly,
            "ml4a.apply, one worker (with its start)": lambda: ml4a.apply(_as_it_is, photos, next(outputs), workers=1),
        },
        rounds=2,
    )
    extra = times["ml4a.apply"] - times["image.to_array and image.save"]
    print(f"  the journal costs {1000 * extra / _SMALL:.2f} ms a picture")


def scaling(folder: Path) -> None:
    """A function that computes for a second, so that starting workers does not count."""
    photos = _photos(folder / "busy", _BUSY, 64)
    outputs = _numbered(folder / "busy-out")
    race(
        f"{_BUSY} pictures, each a second of computing",
        {
            f"{workers} worker{'s' * (workers > 1)}": lambda workers=workers: ml4a.apply(
                _busy, photos, next(outputs), workers=workers
            )
            for workers in (2, 1)
        },
        rounds=1,
    )


def film(folder: Path) -> None:
    """A film that could be gone on with, against one that could not."""
    rng = np.random.default_rng(0)
    whole = image.resize(rng.random((90, 240, 3), dtype=np.float32), (2000, 720))
    clip = folder / "film.mp4"
    video.from_frames(lambda: (whole[:, 3 * n : 3 * n + 1280] for n in range(240)), 24, count=240).save(clip)
    outputs = _numbered(folder / "films")
    race(
        "240 frames of 1280x720 px, turned negative",
        {
            "ml4a.apply, kept in segments": lambda: ml4a.apply(_negative, clip, next(outputs).with_suffix(".mp4")),
            "Clip.map and Clip.save": lambda: video.open(clip).map(_negative).save(next(outputs).with_suffix(".mp4")),
            "ml4a.apply, two workers": lambda: ml4a.apply(
                _negative, clip, next(outputs).with_suffix(".mp4"), workers=2
            ),
        },
        rounds=3,
    )


def _negative(frame: Any) -> Any:
    return 1 - frame


def _photos(folder: Path, count: int, side: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        image.save(rng.random((side, side, 3), dtype=np.float32), folder / f"{number}.png")
    return folder


def _numbered(folder: Path) -> Iterator[Path]:
    """A folder for the results of each run."""
    return (folder / str(number) for number in itertools.count())


def _as_it_is(picture: Any) -> Any:
    return picture


def _busy(picture: Any) -> Any:
    """A second of Python."""
    total = 0
    for number in range(20_000_000):
        total += number & 1
    return picture
