"""Smooth randomness: simplex and Perlin noise as arrays, currents along it, and fields of it for pictures.

    from ml4a.media import noise

    hills = noise.field((1280, 720), scale=0.3, octaves=4, seed=1)                  # H×W, between -1 and 1
    drift = noise.field((1280, 720), seed=1, time=2.5, period=10)                    # the same again after 10 seconds
    dx, dy = noise.curl(x, y, seed=1)                                                # at places of one's own

One hill or hollow of noise is about one unit of its coordinates wide. Noise of one seed is the same everywhere, always.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue

from ..image import _resample
from . import _perlin, _simplex
from ._lattice import Array
from ._octaves import Octaves, Seed, at_points, on_grid

__all__ = ["curl", "curl_field", "field", "grid", "perlin", "simplex"]

_EXACT = 1e-5
"""What float32 leaves uncertain anyway."""


def simplex(
    x: Any,
    y: Any,
    z: Any = None,
    w: Any = None,
    *,
    octaves: int = 1,
    persistence: float = 0.5,
    lacunarity: float = 2.0,
    seed: Seed = None,
) -> Array:
    """Simplex noise at places in 2, 3 or 4 dimensions (K. Perlin, Noise Hardware, 2001).

        x, y = np.meshgrid(np.linspace(0, 4, 512), np.linspace(0, 4, 512))
        clouds = noise.simplex(x, y, octaves=5)

    Args:
        x: Coordinates: numbers or arrays that broadcast with each other. A hill is about one unit wide.
        y: The same.
        z: The same, for noise in space, or in a plane over time.
        w: The same. To loop, let z and w walk a circle; its circumference is how far the noise moves.
        octaves: Noises laid upon each other, from 1 to 16.
        persistence: The weight of each octave in that of the one before, from 0 to 1.
        lacunarity: The frequency of each octave in that of the one before, from 1 to 8.
        seed: Which noise: a whole number from 0 up, or a tuple of such. None is no chance either: it is the noise with
            Ken Perlin's published permutation, equal to `snoise2` of PyPI's `noise` in the plane.

    Returns:
        float32 of the shape of the coordinates, between -1 and 1. The mean is 0; the standard deviation of one octave
        is 0.44 in 2 dimensions, 0.39 in 3 and 0.25 in 4, at any z and w. It repeats after 256 cells of its lattice.

    Raises:
        BadValue: coordinates that are no numbers, too large, or of shapes that do not go together; a parameter out of
            bounds.
    """
    return at_points(_simplex.add, _point(x, y, z, w), Octaves(octaves, persistence, lacunarity, seed))[0]


def perlin(
    x: Any,
    y: Any,
    z: Any = None,
    *,
    octaves: int = 1,
    persistence: float = 0.5,
    lacunarity: float = 2.0,
    seed: Seed = None,
) -> Array:
    """Perlin's gradient noise at places in 2 or 3 dimensions (K. Perlin, Improving Noise, SIGGRAPH 2002).

    It has more of a grain along the axes than simplex noise, and is 0 wherever all coordinates are whole; so in a plane
    over time it pulses, where simplex noise is steady.

    Args:
        x: Coordinates: numbers or arrays that broadcast with each other. A hill is about one unit wide.
        y: The same.
        z: The same, for noise in space, or in a plane over time.
        octaves: As in `simplex`.
        persistence: As in `simplex`.
        lacunarity: As in `simplex`.
        seed: As in `simplex`.

    Returns:
        float32 of the shape of the coordinates, between -1 and 1. The mean is 0, the standard deviation of one octave
        0.26. It repeats after 256 units along each axis.

    Raises:
        BadValue: as in `simplex`.
    """
    return at_points(_perlin.add, _point(x, y, z), Octaves(octaves, persistence, lacunarity, seed))[0]


def curl(
    x: Any,
    y: Any,
    z: Any = None,
    w: Any = None,
    *,
    octaves: int = 1,
    persistence: float = 0.5,
    lacunarity: float = 2.0,
    seed: Seed = None,
) -> tuple[Array, Array]:
    """Currents that neither gather nor scatter: along the level lines of simplex noise (Bridson et al., SIGGRAPH 2007).

    What is carried along them is stirred and never piles up: their divergence is 0. They are computed from the noise's
    exact derivatives.

    Args:
        x: As in `simplex`.
        y: As in `simplex`.
        z: As in `simplex`.
        w: As in `simplex`.
        octaves: As in `simplex`; each makes eddies within the eddies of the one before, no slower than those.
        persistence: As in `simplex`.
        lacunarity: As in `simplex`.
        seed: As in `simplex`.

    Returns:
        (dx, dy): the current's direction and speed, the derivatives (∂n/∂y, -∂n/∂x) of the noise n: float32 of the
        shape of the coordinates. The speed of one octave is 2.7 on average in 2 dimensions, 2.2 in 3 and 1.3 in 4; at
        most it is 8.

    Raises:
        BadValue: as in `simplex`.
    """
    _, along_x, along_y = at_points(
        _simplex.add, _point(x, y, z, w), Octaves(octaves, persistence, lacunarity, seed), slopes=2
    )
    return along_y, np.negative(along_x, out=along_x)


def grid(
    x: Any,
    y: Any,
    z: float | None = None,
    w: float | None = None,
    *,
    octaves: int = 1,
    persistence: float = 0.5,
    lacunarity: float = 2.0,
    seed: Seed = None,
    error: float = _EXACT,
) -> Array:
    """Simplex noise on a grid: `simplex(x, y[:, None], z, w)`, only faster.

        rows = noise.grid(np.linspace(0, 4, 1280), np.linspace(0, 2.25, 720), octaves=3)

    Noise is smooth. Where the grid is fine for an octave, that is evaluated at some points only, and interpolated
    between them by polynomials of the fifth degree.

    Args:
        x: W evenly spaced numbers: the first coordinate of each column.
        y: H evenly spaced numbers: the second coordinate of each row.
        z: The third coordinate of all points.
        w: The fourth.
        octaves: As in `simplex`.
        persistence: As in `simplex`.
        lacunarity: As in `simplex`.
        seed: As in `simplex`.
        error: How far values may be off for being interpolated; by default as far as float32 itself leaves them.

    Returns:
        H×W float32 between -1 and 1.

    Raises:
        BadValue: as in `simplex`; x or y is not evenly spaced.
    """
    octave = Octaves(octaves, persistence, lacunarity, seed)
    axes = [_axis(axis) for axis in (x, y)]
    rest = [_number("a coordinate", place) for place in _point(0.0, 0.0, z, w)[2:]]
    return on_grid(_simplex.add, axes[0], axes[1], rest, octave, _checked_error(error))[0]


def field(
    size: tuple[int, int],
    *,
    scale: float = 0.25,
    octaves: int = 1,
    persistence: float = 0.5,
    lacunarity: float = 2.0,
    seed: Seed = None,
    time: float | None = None,
    period: float | None = None,
    error: float = _EXACT,
) -> Array:
    """Simplex noise over a picture: the same hills at the same places of pictures of any size.

        height = noise.field((640, 360), scale=0.5, octaves=4, seed=7)
        loop = [noise.field((640, 360), seed=7, time=t / 30, period=4) for t in range(120)]

    Args:
        size: (width, height) in pixels.
        scale: How wide a hill is; the picture's shorter side is 1.
        octaves: As in `simplex`.
        persistence: As in `simplex`.
        lacunarity: As in `simplex`.
        seed: As in `simplex`.
        time: None for a noise that stands still. Otherwise hills turn to hollows within about one unit of time, and the
            fine octaves faster, as they are smaller.
        period: The noise at `time + period` is the noise at `time` again. It walks a circle in two further dimensions,
            so it is as lively, and as strong, at every moment of the loop.
        error: How far values may be off. Noise is smooth, and with an error of 0.001 most pixels can be interpolated.

    Returns:
        H×W float32 between -1 and 1.

    Raises:
        BadValue: a parameter is out of bounds.
        TooLarge: more pixels than a picture may have.
    """
    octave = Octaves(octaves, persistence, lacunarity, seed)
    x, y, rest = _grid(size, scale, time, period)
    return on_grid(_simplex.add, x, y, rest, octave, _checked_error(error))[0]


def curl_field(
    size: tuple[int, int],
    *,
    scale: float = 0.25,
    octaves: int = 1,
    persistence: float = 0.5,
    lacunarity: float = 2.0,
    seed: Seed = None,
    time: float | None = None,
    period: float | None = None,
    error: float = 1e-3,
) -> tuple[Array, Array]:
    """The currents of `curl` over a picture: (dx, dy), each H×W float32.

    Args:
        size: As in `field`.
        scale: As in `field`; speeds do not depend on it.
        octaves: As in `simplex`.
        persistence: As in `simplex`.
        lacunarity: As in `simplex`.
        seed: As in `simplex`.
        time: As in `field`.
        period: As in `field`.
        error: How far dx and dy may be off for being interpolated.

    Raises:
        BadValue: a parameter is out of bounds.
        TooLarge: more pixels than a picture may have.
    """
    octave = Octaves(octaves, persistence, lacunarity, seed)
    x, y, rest = _grid(size, scale, time, period)
    along_x, along_y = on_grid(_simplex.add, x, y, rest, octave, _checked_error(error), slopes=2)
    return along_y, np.negative(along_x, out=along_x)


def _point(x: Any, y: Any, z: Any, w: Any = None) -> list[Any]:
    if z is None and w is not None:
        raise BadValue("noise in four dimensions needs z as well as w")
    return [place for place in (x, y, z, w) if place is not None]


def _grid(
    size: tuple[int, int], scale: float, time: float | None, period: float | None
) -> tuple[Array, Array, list[float]]:
    """The columns' x, the rows' y and the further coordinates, in hills."""
    if not isinstance(size, tuple | list):
        raise BadValue(f"the size of a field is (width, height), not {size!r}")
    width, height = _resample.target_size((1, 1), size)
    if not 0 < _number("scale", scale) < math.inf:
        raise BadValue(f"scale must be more than 0, not {scale!r}")
    unit = min(width, height) * scale
    x, y = ((np.arange(side) + 0.5 - side / 2) / unit for side in (width, height))
    if period is None:
        return x, y, [] if time is None else [_number("time", time)]
    if not 0 < _number("period", period) < math.inf:
        raise BadValue(f"period must be more than 0, not {period!r}")
    radius = period / math.tau
    angle = math.tau * (_number("time", time or 0) / period % 1)
    return x, y, [radius * math.cos(angle), radius * math.sin(angle)]


def _axis(places: Any) -> Array:
    axis = np.asarray(places, np.float64)
    if axis.ndim != 1 or not axis.size or not np.isfinite(axis).all():
        raise BadValue("the x and y of a grid are lists of finite numbers, one for each column and row")
    even = np.linspace(axis[0], axis[-1], axis.size)
    if np.abs(axis - even).max() > 1e-6 * max(1.0, float(np.abs(axis).max())):
        raise BadValue("the x and y of a grid are evenly spaced; noise at other places is what simplex(x, y) is for")
    return axis


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not math.isfinite(value):
        raise BadValue(f"{name} must be a finite number, not {value!r}")
    return float(value)


def _checked_error(error: float) -> float:
    if _number("error", error) < 0:
        raise BadValue(f"error must be 0 or more, not {error!r}")
    return float(error)
