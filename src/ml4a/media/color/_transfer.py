"""Colour transfer: the mood of one picture's colours given to another."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from .._checked import Seed, checked
from ..image._load import load
from ._colors import Array, colors_of, from_lab, recolored, to_lab
from ._matching import match_histogram

Strength: TypeAlias = Annotated[float, Range(0, 1), Doc("Share of the change.")]

_SAMPLES = 1 << 16
"""Colours that stand for a picture when transport is planned."""
_KNOTS = 512
"""Quantiles between which one axis is moved."""
_STEPS = 4096
"""Places along an axis where the move is tabulated."""
_FLAT = 1e-2
"""Deviation of L*, a* or b* below which there is nothing to spread."""


@checked
def match_color(
    picture: Picture,
    reference: Annotated[Picture, Doc("A picture whose colours it gets.")],
    *,
    method: Annotated[
        Literal["histogram", "reinhard", "transport"],
        Doc("Each channel's histogram exactly, mean and spread only, or all colours together."),
    ] = "histogram",
    strength: Strength = 1.0,
) -> Any:
    """Give `picture` the colours of `reference`.

        color.match_color("photo.jpg", "painting.jpg", method="transport", strength=0.8)

    Args:
        picture: What to change.
        reference: Where the colours come from; of any size.
        method: `match_histogram`, `reinhard` or `optimal_transport`.
        strength: 0 leaves the picture, 1 is all of the change.
    """
    if method == "reinhard":
        return reinhard(picture, reference, strength)
    if method == "transport":
        return optimal_transport(picture, reference, strength)
    matched = match_histogram(picture, reference)
    return matched if strength == 1 else _blended(picture, matched, strength)


@checked
def reinhard(picture: Picture, reference: Picture, strength: Strength = 1.0) -> Any:
    """Give `picture` the mean colour of `reference` and how far its colours spread (Reinhard et al., CG&A 2001).

    Mean and standard deviation of lightness and both colour axes are matched, in CIE L*a*b* rather than the paper's
    lαβ, whose logarithms blow up in black. The gentlest transfer: no colours part, and grain is not raised by much.
    """
    mean, deviation = _statistics(to_lab(_reference_colors(reference)))

    def change(colors: Array) -> Array:
        lab = to_lab(colors)
        own_mean, own_deviation = _statistics(lab)
        gain = np.divide(deviation, own_deviation, out=np.ones(3), where=own_deviation > _FLAT)
        return from_lab(lab * gain.astype(np.float32) + (mean - own_mean * gain).astype(np.float32))

    return recolored(picture, change, strength)


@checked
def optimal_transport(
    picture: Picture,
    reference: Annotated[Picture, Doc("A picture whose colours it gets.")],
    strength: Strength = 1.0,
    iterations: Annotated[int, Range(1, 1000), Doc("More come closer; 20 are enough for most.")] = 20,
    seed: Seed = 0,
) -> Any:
    """Move the colours of `picture` as a cloud into the shape of `reference`'s (Pitié et al., ICCV 2005).

    Matching red, green and blue apart makes colours that the reference has not. Here the cloud is turned at random,
    each of its three axes matched, and turned again, until all its shadows agree with the reference's: so it takes on
    the colours themselves. With 20 turns the shadows differ by a level of 255 on average; grain is raised too.

    Args:
        picture: What to change.
        reference: Where the colours come from; of any size.
        strength: 0 leaves the picture, 1 is all of the change.
        iterations: How often the cloud is turned.
        seed: Of the turns. The same seed for all frames of a film gives a steady result; None draws one.
    """
    import cv2

    generator = np.random.default_rng(seed)
    due = _reference_colors(reference).reshape(1, -1, 3)
    due = due[:, _sample(due.shape[1], generator)]

    def change(colors: Array) -> Array:
        cloud = colors.reshape(1, -1, 3)
        sample = _sample(cloud.shape[1], generator)
        turned = np.eye(3, dtype=np.float32)
        for _ in range(iterations):
            turn = _random_rotation(generator)
            planes = cv2.split(cv2.transform(cloud, turn @ turned.T))
            for plane, plane_due in zip(planes, cv2.split(cv2.transform(due, turn)), strict=True):
                _move(plane[0], plane[0, sample], plane_due[0])
            cloud, turned = cv2.merge(planes), turn
        return cv2.transform(cloud, turned.T).reshape(colors.shape)

    return recolored(picture, change, strength)


def _move(values: Array, sample: Array, due: Array) -> None:
    """Move `values` in place, monotonically, so that what has the distribution of `sample` gets that of `due`."""
    knots, aims = _quantiles(sample), _quantiles(due)
    low, step = knots[0], max(knots[-1] - knots[0], 1e-6) / (_STEPS - 1)
    at = low + np.arange(_STEPS) * step
    # How far, not where to: rounding the place to a step then changes next to nothing.
    far = (np.interp(at, knots, aims) - at).astype(np.float32)
    place = ((values - np.float32(low)) * np.float32(1 / step) + np.float32(0.5)).astype(np.int32)
    values += far.take(place, mode="clip")


def _quantiles(values: Array) -> Array:
    ascending = np.sort(values)
    return ascending[np.linspace(0, len(ascending) - 1, _KNOTS).astype(np.int64)].astype(np.float64)


def _sample(number: int, generator: np.random.Generator) -> Any:
    """An index of some of so many colours; of all, if these are few."""
    return slice(None) if number <= _SAMPLES else generator.integers(0, number, _SAMPLES)


def _statistics(lab: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel."""
    import cv2

    mean, deviation = cv2.meanStdDev(lab)
    return mean.reshape(-1), deviation.reshape(-1)


def _random_rotation(generator: np.random.Generator) -> Array:
    turn, triangle = np.linalg.qr(generator.standard_normal((3, 3)))
    return (turn * np.sign(np.diag(triangle))).astype(np.float32)


def _reference_colors(reference: Picture) -> Array:
    colors = colors_of(load(reference, as_array=True))
    if colors.size == 0:
        raise BadValue("every pixel of the reference is transparent; there is nothing to match")
    return colors


def _blended(picture: Picture, changed: Any, strength: float) -> Any:
    after = load(changed, as_array=True)[:, :, :3]
    return recolored(picture, lambda _: after, strength, in_place=True)
