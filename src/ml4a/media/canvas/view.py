"""Seeing what a score does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image, signals
from ml4a.media.image import _resample

from ._points import Array
from ._warp import Warp
from .apply import apply
from .film import play

_SIZE = (320, 240)
_SECONDS = 4.0
"""Shown of what moves without an end."""
_RED, _GREEN = (1, 0, 0), (0, 1, 0)
_ARM = 8
"""Pixels from the middle of the cross to its ends."""


def test_grid(  # no test of pytest's
    size: int | tuple[int, int] = _SIZE,  # noqa: PT028
    spacing: int = 15,  # noqa: PT028
    thickness: int = 3,  # noqa: PT028
) -> Array:
    """Red lines on black, and a green cross in the middle: a picture on which every warp is seen.

    Args:
        size: (width, height) in pixels, or the side of a square.
        spacing: Pixels from one line to the next.
        thickness: Pixels across a line.

    Returns:
        H×W×3 float32.

    Raises:
        BadValue: no such size; a spacing or thickness that is no whole number from 1 up.
    """
    width, height = _resample.target_size((1, 1), size)
    for name, value in (("spacing", spacing), ("thickness", thickness)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
            raise BadValue(f"{name} must be a whole number of pixels from 1 up, not {value!r}")
    grid = np.zeros((height, width, 3), np.float32)
    grid[:, np.arange(width) % spacing < thickness] = _RED
    grid[np.arange(height) % spacing < thickness] = _RED
    steps = np.arange(-_ARM, _ARM)
    for rows in (steps, -steps):
        row, column = height // 2 + rows, width // 2 + steps
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        grid[row[inside], column[inside]] = _GREEN
    return grid


def view(
    warp: Warp,
    picture: Picture | None = None,
    *,
    seconds: float | None = None,
    rate: float = 30.0,
    count: int = 6,
    size: int | tuple[int, int] | None = None,
) -> Any:
    """What a score makes of a picture, or of the test grid.

        canvas.view(zoom(1.5) @ swirl(2), "sample:astronaut")

    Args:
        warp: The score.
        picture: Of any kind; None for `test_grid`.
        seconds: None for a picture: of a score that moves a contact sheet. Else a clip of this length.
        rate: Frames per second of the clip.
        count: Moments on the contact sheet.
        size: As in `apply`.

    Returns:
        A PIL image, or a `Clip`.

    Raises:
        BadValue: the warp or the picture is none; a count below 1.
    """
    if not isinstance(warp, Warp):
        raise BadValue(f"a warp such as zoom(1.02) is needed, not {type(warp).__name__}")
    if picture is None:
        picture = test_grid(_SIZE if size is None else _resample.target_size(_SIZE, size))
    if seconds is not None:
        return play(picture, warp, seconds, rate, size=size)
    if not warp.moving:
        return image.to_picture(apply(picture, warp, size=size))
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise BadValue(f"count must be a whole number from 1 up, not {count!r}")
    span = max((leaf.span for leaf in warp.leaves_within() if isinstance(leaf, signals.Signal)), default=0) or _SECONDS
    times = [span * number / count for number in range(count)]
    moments = [image.to_picture(apply(picture, warp, time=time, size=size)) for time in times]
    return image.grid(moments, columns=min(count, 3), labels=[f"{time:.3g} s" for time in times])
