"""Paths through the spaces that generators draw from: walks, loops and splines between latents, blends of labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.params import Doc, Range

from .. import _spline
from .._checked import Seed, checked

Array: TypeAlias = np.ndarray[Any, Any]
Ease: TypeAlias = Annotated[
    Literal["linear", "in", "out", "in_out"],
    Doc("How to go from one to the next: evenly, starting slowly, ending slowly, or both."),
]
Frames: TypeAlias = Annotated[int, Range(1, 10_000_000), Doc("Number of frames.")]

_WRAPPED = 24
"""Points repeated on either side of a loop: a cubic spline forgets by 0.27 from point to point, 1e-14 in all."""
_REACH = 4
"""Deviations at which a Gaussian is cut off."""


@checked
def random(count: Frames, dimensions: Annotated[int, Range(1, None)] = 512, seed: Seed = None) -> Array:
    """Latents drawn from the normal distribution: count × dimensions.

    With NumPy's `RandomState`, as the StyleGANs do: seed 42 here is the face that the world knows by seed 42.

    Args:
        count: How many.
        dimensions: Numbers in each.
        seed: 0 to 2³² − 1; 0 is a seed like any other.
    """
    return _random_state(seed).randn(count, dimensions).astype(np.float32)


@checked
def ease(t: Any, kind: Ease = "in_out") -> Any:
    """A share of the way, eased along a cosine: 0 stays 0 and 1 stays 1.

    Args:
        t: A number or an array, in [0, 1].
        kind: `"in"` starts slowly, `"out"` ends slowly, `"in_out"` both.
    """
    if kind == "in":
        return 1 - np.cos(np.pi / 2 * t)
    if kind == "out":
        return np.sin(np.pi / 2 * t)
    return 0.5 - 0.5 * np.cos(np.pi * t) if kind == "in_out" else t


def slerp(a: Any, b: Any, t: Any) -> Array:
    """From `a` (t = 0) to `b` (t = 1) along the sphere, and in proportion between their lengths.

    Normal latents lie near a sphere; a straight line between two runs through its inside, where generators are pale.

    Args:
        a: An array; each vector of its last axis is turned for itself.
        b: Another of its shape.
        t: A number, or T of them.

    Returns:
        An array like `a`, or T of them. Between opposite vectors, which have no shortest way, it is the straight line.
    """
    ends = _endpoints([a, b], "slerp")
    shares = np.asarray(t, np.float64)
    first, last = ends.astype(np.float64)
    path = _slerp(first, last, shares.reshape(-1, *[1] * first.ndim))
    return (path if shares.ndim else path[0]).astype(np.float32)


@checked
def interpolate(a: Any, b: Any, frames: Frames, *, ease: Ease = "linear", spherical: bool = False) -> Array:
    """`frames` latents from `a` to `b`, both included.

    Args:
        a: An array.
        b: Another of its shape.
        frames: How many; one is `a`.
        ease: How to go.
        spherical: Along the sphere (see `slerp`) instead of straight.
    """
    ends = _endpoints([a, b], "an interpolation")
    return _stretch(ends[0], ends[1], np.linspace(0, 1, frames), ease, spherical).astype(np.float32)


@checked
def walk(
    endpoints: Any, frames_per: Frames = 30, *, ease: Ease = "linear", loop: bool = False, spherical: bool = False
) -> Array:
    """From one endpoint to the next, `frames_per` frames each, beginning with the first.

    Every endpoint is met once, at frames 0, `frames_per`, 2 · `frames_per` … (The library of 2021, easing, met each
    twice in a row, a halt of one frame.)

    Args:
        endpoints: Two or more arrays of one shape.
        frames_per: Frames from one to the next.
        ease: How to go from one to the next.
        loop: Whether to go on from the last to the first. No walk ends on an endpoint: a loop that is played again and
            again has no frame twice, and where a walk stops short the next may begin.
        spherical: Along the sphere (see `slerp`) instead of straight.

    Returns:
        (endpoints − 1) · `frames_per` latents, or endpoints · `frames_per` in a loop.
    """
    ends = _endpoints(endpoints, "a walk")
    shares = np.arange(frames_per) / frames_per
    pairs = zip(ends, np.roll(ends, -1, axis=0), strict=True)
    legs = [_stretch(a, b, shares, ease, spherical) for a, b in pairs]
    return np.concatenate(legs if loop else legs[:-1]).astype(np.float32)


@checked
def spline(
    endpoints: Any,
    frames: Frames,
    *,
    degree: Annotated[int, Range(1, 5), Doc("1 is straight, 3 is smooth.")] = 3,
    smoothing: Annotated[float, Range(0, None), Doc("How far the curve may stay from the endpoints.")] = 0.0,
    loop: bool = False,
) -> Array:
    """One smooth curve through all endpoints, or past them, at a pace in proportion to the way between them.

    Args:
        endpoints: More than `degree` arrays of one shape; in a loop three are enough. No two in a row may be equal.
        frames: How many, evenly along the curve: from the first endpoint to the last, both included; in a loop once
            round, the first not repeated.
        degree: Of the polynomials that the curve is made of.
        smoothing: Sum of the squared distances at which the curve may pass the endpoints; 0 is through each. The
            calmest of such curves is chosen, as FITPACK's `parcur` (Dierckx 1993) does.
        loop: Whether the curve closes, smoothly. (The library of 2021 came back with a kink; and it treated dimensions
            ten at a time, each group at a pace of its own.)

    Raises:
        BadValue: too few endpoints, or two equal ones in a row.
    """
    ends = _endpoints(endpoints, "a spline").astype(np.float64)
    points = ends.reshape(len(ends), -1)
    if loop:
        curve = _closed_curve(points, frames, degree, smoothing)
    else:
        if len(points) <= degree:
            raise BadValue(f"a spline of degree {degree} has {degree + 1} endpoints or more, not {len(points)}")
        curve = _fit(_along(points), points, degree, smoothing)(np.linspace(0, 1, frames))
    return curve.reshape(frames, *ends.shape[1:]).astype(np.float32)


@checked
def cubic_loop(
    keyframes: Any,
    frames_per: Frames = 60,
    wraps: Annotated[int, Range(1, 8), Doc("How often the loop is repeated to either side.")] = 2,
) -> Array:
    """A smooth loop that meets a keyframe every `frames_per` frames: the cubic spline of StyleGAN3's `gen_video`.

    Args:
        keyframes: Two or more arrays of one shape.
        frames_per: Frames from one to the next.
        wraps: The spline is that of the keyframes repeated so often before and behind; 2 is what `gen_video` has.

    Returns:
        keyframes · `frames_per` latents.
    """
    ends = _endpoints(keyframes, "a loop").astype(np.float64)
    count = len(ends)
    wrapped = min(count * wraps, _WRAPPED)
    places = np.arange(-wrapped, count + wrapped)
    points = ends.reshape(count, -1)[places % count]
    curve = _spline.interpolating(places.astype(np.float64), points, 3)
    at = np.arange(count * frames_per) / frames_per
    return curve(at).reshape(-1, *ends.shape[1:]).astype(np.float32)


@checked
def gaussian_loop(
    seconds: Annotated[float, Range(0, 86400), Doc("Length of the loop.")],
    smoothing: Annotated[float, Range(0, None), Doc("Seconds over which changes are smoothed.")] = 1.0,
    rate: Annotated[float, Range(0.001, 1000), Doc("Frames per second.")] = 30.0,
    dimensions: Annotated[int, Range(1, None)] = 512,
    seed: Seed = None,
) -> Array:
    """A seamless drift without any endpoints: noise for every frame, smoothed in time around the loop.

    Args:
        seconds: Length of the loop.
        smoothing: Standard deviation of the Gaussian that smooths, in seconds: the larger, the slower the drift.
        rate: Frames per second.
        dimensions: Numbers in each latent.
        seed: As in `random`; None draws one.

    Returns:
        (seconds · rate) × dimensions, scaled to a mean square of 1 as normal latents have.

    Raises:
        BadValue: shorter than one frame.
    """
    frames = round(seconds * rate)
    if frames < 1:
        raise BadValue(f"a loop has one frame or more; {seconds!r} s at {rate!r} frames a second are none")
    noise = _random_state(seed).randn(frames, dimensions).astype(np.float32)
    kernel = np.fft.rfft(_folded_gaussian(smoothing * rate, frames))
    drift = np.fft.irfft(np.fft.rfft(noise, axis=0) * kernel[:, None], frames, axis=0)
    return (drift / np.sqrt(np.mean(drift**2))).astype(np.float32)


@checked
def labels(
    keys: int | Sequence[int], frames: Frames, classes: Annotated[int, Range(1, 1_000_000), Doc("How many there are.")]
) -> Array:
    """Class labels blended over time: frames × classes, each row non-negative with the sum 1.

    Args:
        keys: One class, for all frames; or several, from one to the next by a straight blend. Each blend begins and
            ends on its class, so that a class in the middle lasts for two frames.
        frames: How many.
        classes: Of the network.

    Raises:
        BadValue: no classes, a number that is none of them, or fewer frames than blends.
    """
    chosen = [keys] if isinstance(keys, int | np.integer) else list(keys)
    if not chosen or not all(isinstance(key, int | np.integer) and 0 <= key < classes for key in chosen):
        raise BadValue(f"labels are whole numbers from 0 to {classes - 1}, one or more, not {keys!r}")
    one_hot = np.eye(classes, dtype=np.float32)
    if len(chosen) == 1:
        return np.repeat(one_hot[chosen], frames, axis=0)
    blends = len(chosen) - 1
    if frames < blends:
        raise BadValue(f"{blends} blends of labels take {blends} frames or more, not {frames}")
    bounds = [frames * blend // blends for blend in range(blends + 1)]
    stretches = [
        np.linspace(one_hot[a], one_hot[b], end - start)
        for a, b, start, end in zip(chosen[:-1], chosen[1:], bounds[:-1], bounds[1:], strict=True)
    ]
    return np.concatenate(stretches).astype(np.float32)


def _random_state(seed: int | None) -> np.random.RandomState:
    if seed is not None and seed >= 1 << 32:
        raise BadValue(f"the seed of latents is below 2**32, not {seed}")
    return np.random.RandomState(seed)


def _endpoints(endpoints: Any, what: str) -> Array:
    """Two or more arrays of one shape as one of floats."""
    try:
        array = np.asarray(endpoints)
    except ValueError:
        raise BadValue(f"the endpoints of {what} have one shape") from None
    if array.ndim < 2 or len(array) < 2 or array.size == 0:
        raise BadValue(f"{what} has two or more endpoints, arrays of one shape, not {'×'.join(map(str, array.shape))}")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise BadValue(f"the endpoints of {what} are finite numbers")
    return array.astype(np.float64 if array.dtype == np.float64 else np.float32, copy=False)


def _stretch(a: Array, b: Array, shares: Array, kind: Ease, spherical: bool) -> Array:
    eased = ease(shares, kind).reshape(-1, *[1] * a.ndim)
    a, b = a.astype(np.float64), b.astype(np.float64)
    return _slerp(a, b, eased) if spherical else a + eased * (b - a)


def _slerp(a: Array, b: Array, shares: Array) -> Array:
    lengths = np.linalg.norm(a, axis=-1, keepdims=True), np.linalg.norm(b, axis=-1, keepdims=True)
    products = (a * b).sum(axis=-1, keepdims=True)
    cosine = np.divide(products, lengths[0] * lengths[1], out=np.ones_like(products), where=products != 0)
    angle = np.arccos(cosine.clip(-1, 1))
    sine = np.sin(angle)
    straight = sine < 1e-6
    sine = np.where(straight, 1, sine)
    unit_a = np.divide(a, lengths[0], out=np.zeros_like(a), where=lengths[0] > 0)
    unit_b = np.divide(b, lengths[1], out=np.zeros_like(b), where=lengths[1] > 0)
    direction = (np.sin((1 - shares) * angle) * unit_a + np.sin(shares * angle) * unit_b) / sine
    length = lengths[0] + shares * (lengths[1] - lengths[0])
    return np.where(straight, a + shares * (b - a), direction * length)


def _along(points: Array) -> Array:
    """The way to each point by straight lines, from 0 to 1."""
    steps = np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1))
    if not steps.all():
        where = int(np.argmin(steps))
        raise BadValue(f"endpoints {where} and {where + 1} of the spline are equal; leave one out")
    way = np.concatenate([[0.0], steps.cumsum()])
    return way / way[-1]


def _fit(at: Array, points: Array, degree: int, smoothing: float) -> _spline.Spline:
    if smoothing == 0:
        return _spline.interpolating(at, points, degree)
    return _spline.smoothing(at, points, degree, smoothing)


def _closed_curve(points: Array, frames: int, degree: int, smoothing: float) -> Array:
    """Frames once round the points, from a spline through several rounds of them."""
    count = len(points)
    if count < 3:
        raise BadValue(f"a spline that closes has three endpoints or more, not {count}")
    way = _along(np.concatenate([points, points[:1]]))
    rounds = max(2, -(-_WRAPPED // count)) if smoothing == 0 else 2
    places = np.arange(-rounds * count, (rounds + 1) * count + 1)
    if smoothing == 0:
        places = places[(places >= -_WRAPPED) & (places <= count + _WRAPPED)]
    at = way[places % count] + places // count
    curve = _fit(at, points[places % count], degree, smoothing * len(places) / count)
    shares = np.arange(frames) / frames
    if smoothing == 0:
        return curve(shares)
    # One round of several is not quite like the next: going over from one to the other on the way closes the loop.
    weight = shares[:, None]
    return (1 - weight) * curve(shares) + weight * curve(shares - 1)


def _folded_gaussian(deviation: float, length: int) -> Array:
    """The Gaussian's weights around a circle of `length`, beginning in the middle."""
    radius = int(_REACH * deviation + 0.5)
    away = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (away / deviation) ** 2) if radius else np.ones(1)
    return np.bincount(away % length, weights / weights.sum(), minlength=length)
