"""Where a film goes through a generator's space: from point to point, and around a loop that a sound drives.

Everything here is arrays of NumPy; points are N×D or N×L×D.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue

if TYPE_CHECKING:
    from ml4a.media.audio import Sound

Array: TypeAlias = np.ndarray[Any, Any]
Mode: TypeAlias = Literal["linear", "ease", "slerp", "spline"]

BANDS = ("bass", "mid", "treble")
"""What moves the coarse, the middle and the fine layers."""
_FEWEST_OF_A_LOOP = 3
_CUBIC = 3
_CALM = 0.1
"""The pace in silence, where 1 is that of a sound as loud as it gets."""


class Between:
    """`frames` points on the way from the first to the last; in a loop back to the first, which is not repeated.

    They are computed when they are asked for, `path[10:20]`, since all of a long film's may be gigabytes.

    Args:
        points: Two or more; three where a spline is to close.
        frames: How many there are.
        mode: How to go from one to the next.
        loop: Whether to go back.

    Raises:
        BadValue: there are too few points.
    """

    def __init__(self, points: Array, frames: int, mode: Mode, *, loop: bool) -> None:
        from ml4a.media import latents

        if len(points) < 2:
            raise BadValue("name two seeds or more, or latents of two points or more, to go from one to the next")
        if mode == "spline" and loop and len(points) < _FEWEST_OF_A_LOOP:
            raise BadValue("a spline that closes has three points or more; name more seeds, or take another mode")
        self._mode, self._frames = mode, frames
        self._spline = None
        if mode == "spline":
            self._spline = latents.spline(points, frames, degree=min(_CUBIC, len(points) - 1), loop=loop)
        self._points = np.concatenate([points, points[:1]]) if loop else points
        steps = frames if loop else frames - 1
        self._starts = np.round(np.linspace(0, steps, len(self._points))).astype(int)

    def __getitem__(self, some: slice) -> Array:
        from ml4a.media import latents

        if self._spline is not None:
            return self._spline[some]
        numbers = np.arange(*some.indices(self._frames))
        legs = np.clip(np.searchsorted(self._starts, numbers, "right") - 1, 0, len(self._starts) - 2)
        lengths = np.maximum(1, self._starts[legs + 1] - self._starts[legs])
        shares = (numbers - self._starts[legs]) / lengths
        shares = latents.ease(shares) if self._mode == "ease" else shares
        ends = zip(self._points[legs], self._points[legs + 1], shares, strict=True)
        if self._mode == "slerp":
            return np.stack([latents.slerp(a, b, share) for a, b, share in ends])
        return np.stack([a + np.float32(share) * (b - a) for a, b, share in ends])


def driven(sound: Sound, frames: int, rate: float, react: float) -> dict[str, Array]:
    """For each of `BANDS`, where on a loop of `frames` points each frame is: it goes faster where the band is loud.

    Args:
        sound: What is heard.
        frames: Of the film, which goes around as often as the sound makes it, and not to the end of a round.
        rate: Frames per second.
        react: 0 is an even pace; 1 all but stands still in silence; above 1 loud moments leap.
    """
    from ml4a.media import listen

    levels = listen.bands(sound, rate)
    return {name: _positions(np.array([levels[name].at(n / rate) for n in range(frames)]), react) for name in BANDS}


def at(loop: Array, positions: Array) -> Array:
    """Points of a closed path, N×D, at positions between its frames."""
    before = np.floor(positions).astype(int)
    share = (positions - before).astype(np.float32)[:, None]
    return (1 - share) * loop[before % len(loop)] + share * loop[(before + 1) % len(loop)]


def _positions(levels: Array, react: float) -> Array:
    pace = max(0, 1 - react) + react * (_CALM + (1 - _CALM) * levels**2)
    return np.concatenate([[0], np.cumsum(pace[:-1])])
