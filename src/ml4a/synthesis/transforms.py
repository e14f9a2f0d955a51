"""What is done to a picture by chance before the network looks, so that no chance of pixels can please it.

    Synthesis(..., transforms=[pad(12), jitter(8), scale(0.9, 1.1), rotate(10), jitter(4)])

A picture that a network likes as it stands may be noise to a person; one that it likes shifted, turned and resized has
shapes. Each of these makes a `Transform`: N×3×H×W RGB to the same, of another size at times, alike for all N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue

from .scene import Transform

Border: TypeAlias = Literal["reflect", "fill"]
"""What lies outside of a picture: the picture, mirrored, or one colour."""
Sampling: TypeAlias = Literal["bilinear", "nearest"]
Fill: TypeAlias = float | Sequence[float]
"""A grey, or red, green and blue."""


def jitter(pixels: int) -> Transform:
    """Cut off so many pixels along both sides, by chance here or there: against patterns of the network's grid."""
    if pixels < 0:
        raise BadValue(f"jitter takes a number of pixels of 0 or more, not {pixels}")

    def jittered(picture: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        height, width = (side - pixels for side in picture.shape[-2:])
        if min(height, width) < 1:
            raise BadValue(
                f"a picture of {width + pixels}x{height + pixels} px has nothing left after jitter({pixels})"
            )
        top, left = (_whole(0, pixels, generator) for _ in range(2))
        return picture[..., top : top + height, left : left + width]

    return jittered


def pad(pixels: int, border: Border = "reflect", fill: Fill = 0.5) -> Transform:
    """Add so many pixels on all sides: room for what would be cut off, and nothing to be had at the border."""
    if pixels < 0:
        raise BadValue(f"pad takes a number of pixels of 0 or more, not {pixels}")

    def padded(picture: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        around = (pixels,) * 4
        if border == "fill":
            colour = _colour(fill, picture)
            return F.pad(picture - colour, around) + colour
        if pixels >= min(picture.shape[-2:]):
            raise BadValue(f"a picture cannot be mirrored by {pixels} px if it has no more itself; pad with a fill")
        return F.pad(picture, around, mode="reflect")

    return padded


def rotate(
    degrees: float, *, border: Border = "reflect", fill: Fill = 0.5, sampling: Sampling = "bilinear"
) -> Transform:
    """Turn by up to so many degrees either way: against what is straight because pixels are."""
    return affine(degrees, border=border, fill=fill, sampling=sampling)


def affine(
    degrees: float = 0.0,
    translate: tuple[float, float] = (0.0, 0.0),
    *,
    border: Border = "reflect",
    fill: Fill = 0.5,
    sampling: Sampling = "bilinear",
) -> Transform:
    """Turn around the middle and shift by whole pixels: shapes must be seen anywhere, a little askew.

    Torch-dreams samples the nearest pixel and fills with ImageNet's mean.

    Args:
        degrees: Most, either way.
        translate: Most of a shift to the right or left and up or down, as shares of width and height.
        border: What comes in from outside.
        fill: The colour, if it is one.
        sampling: How values between pixels are found.
    """
    if min(degrees, *translate) < 0:
        raise BadValue(f"affine takes bounds of 0 or more, not {degrees} degrees and {translate}")

    def moved(picture: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        height, width = picture.shape[-2:]
        angle = math.radians(_between(-degrees, degrees, generator))
        right, down = (
            round(_between(-most * side, most * side, generator))
            for most, side in zip(translate, (width, height), strict=True)
        )
        if angle == right == down == 0:
            return picture
        # From places in the result to places in the picture, both from -1 to 1.
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        sides = torch.tensor([width, height])
        linear = turn * sides[None, :] / sides[:, None]
        shift = -linear @ (2 * torch.tensor([right, down]) / sides)
        matrix = torch.cat([linear, shift[:, None]], dim=1).to(picture)[None]
        grid = F.affine_grid(matrix, [1, 3, height, width], align_corners=False).expand(len(picture), -1, -1, -1)
        if border == "reflect":
            return F.grid_sample(picture, grid, sampling, "reflection", align_corners=False)
        colour = _colour(fill, picture)
        return F.grid_sample(picture - colour, grid, sampling, "zeros", align_corners=False) + colour

    return moved


def scale(low: float, high: float) -> Transform:
    """Resize by a factor between `low` and `high`: shapes must be seen at more than one size."""
    _check_factors(low, high)

    def scaled(picture: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        factor = _between(low, high, generator)
        return _resized(picture, factor, factor)

    return scaled


def random_resize(low: float, high: float) -> Transform:
    """Resize height and width by a factor of its own each: shapes must be seen squeezed and stretched."""
    _check_factors(low, high)

    def resized(picture: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return _resized(picture, *(_between(low, high, generator) for _ in range(2)))

    return resized


def standard() -> list[Transform]:
    """Lucid's usual row: a grey frame, jitter, a little larger or smaller, a little turned, jitter."""
    return [pad(12, "fill"), jitter(8), scale(0.9, 1.1), rotate(10, border="fill"), jitter(4)]


def _resized(picture: torch.Tensor, down: float, across: float) -> torch.Tensor:
    """The picture at so many times its height and width, interpolated linearly."""
    height, width = (
        max(1, int(side * factor)) for side, factor in zip(picture.shape[-2:], (down, across), strict=True)
    )
    if (height, width) == picture.shape[-2:]:
        return picture
    return F.interpolate(picture, (height, width), mode="bilinear", align_corners=False)


def _check_factors(low: float, high: float) -> None:
    if not 0 < low <= high < math.inf:
        raise BadValue(f"sizes must be multiplied by more than 0, the lower factor first, not {low} to {high}")


def _colour(fill: Fill, picture: torch.Tensor) -> torch.Tensor:
    return picture.new_tensor(fill).reshape(-1, 1, 1)


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def _whole(low: int, high: int, generator: torch.Generator) -> int:
    """A whole number from `low` to `high`."""
    return int(torch.randint(low, high + 1, (), generator=generator))
