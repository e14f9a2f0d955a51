"""Masks on pictures: one picture over another, darkened, cut out; and masks as pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image, signals
from ml4a.media.image import _resample

from ._planes import Array, blocks
from ._stored import Stored, as_mask


def composite(a: Picture, b: Picture, mask: Any, *, time: float = 0.0) -> Any:
    """Two pictures as one: `a` where the mask is 1, `b` where it is 0, and in between in proportion.

        mask.composite(photo, "sky.jpg", mask.circle(0.4, soft=0.1))

    Where a picture is transparent it counts less, so that no colour of invisible pixels shows.

    Args:
        a: Any picture.
        b: Another; it is resized to the size of `a`.
        mask: A mask of one channel, or of two, the shares of `a` and `b`; also an array, a picture or a function.
        time: Seconds, if the mask moves.

    Returns:
        A picture of the kind of `a`; with alpha if either has.

    Raises:
        BadValue: the mask has more channels; something is no picture, no mask or no time.
    """
    over = image.to_array(a)
    height, width = over.shape[:2]
    under = image.load(b, (width, height), as_array=True)
    share = _share(_values(mask, (width, height), time))
    result = np.empty((height, width, max(over.shape[2], under.shape[2])), np.float32)
    for rows in blocks((width, height)):
        _mix(over[rows], under[rows], share[rows], result[rows])
    return image.as_kind(result, image.kind_of(a))


def apply(picture: Picture, mask: Any, *, time: float = 0.0) -> Any:
    """A picture times a mask: black where it is 0. Alpha is kept; `cutout` changes that instead.

    Args:
        picture: Any.
        mask: A mask of one channel, or of three: red, green and blue; also an array, a picture or a function.
        time: Seconds, if the mask moves.

    Returns:
        A picture of the same kind.

    Raises:
        BadValue: the mask has another number of channels; something is no picture, no mask or no time.
    """
    array = image.to_array(picture).copy()
    values = _values(mask, (array.shape[1], array.shape[0]), time)
    if values.shape[2] not in (1, 3):
        raise BadValue(
            f"a picture is multiplied by 1 or 3 channels, not {values.shape[2]}; take a .channel of the mask"
        )
    array[:, :, :3] *= np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values
    return image.as_kind(array, image.kind_of(picture))


def cutout(picture: Picture, mask: Any, *, clean: bool = False, time: float = 0.0) -> Any:
    """A picture with the mask as its alpha: transparent where it is 0. Alpha that it has is multiplied.

    Args:
        picture: Any.
        mask: A mask of one channel; also an array, a picture or a function.
        clean: Remove from the colours of soft edges what was behind them, so that no rim of the old background shows
            on a new one.
        time: Seconds, if the mask moves.

    Returns:
        A picture of the same kind, with alpha.

    Raises:
        BadValue: the mask has more channels; something is no picture, no mask or no time.
    """
    array = image.to_array(picture)
    values = _values(mask, (array.shape[1], array.shape[0]), time)
    if values.shape[2] != 1:
        raise BadValue(f"a picture has one alpha, not {values.shape[2]}; take a .channel of the mask")
    colors, alpha = array[:, :, :3], _alpha(array) * values
    if clean:
        from ._edges import foreground_colors

        colors = foreground_colors(colors, values)
    return image.as_kind(np.concatenate([colors, alpha], axis=2), image.kind_of(picture))


def to_image(mask: Any, size: int | tuple[int, int] | None = None, *, time: float = 0.0) -> Image.Image:
    """A mask as a picture: grey of one channel, red, green and blue of three. `view` shows any number.

    Args:
        mask: A mask; also an array or a function.
        size: (width, height), or the side of a square; by default the array's own, else 512.
        time: Seconds, if the mask moves.

    Returns:
        A PIL image, values rounded to the nearest of 256 levels (the library of 2021 cut them off).

    Raises:
        BadValue: another number of channels; no such size or time.
    """
    values = drawn(mask, size, time)
    if values.shape[2] not in (1, 3):
        raise BadValue(f"a picture has 1 or 3 channels, not {values.shape[2]}; take a .channel, or mask.view")
    return image.to_picture(values)


def drawn(mask: Any, size: int | tuple[int, int] | None, time: float) -> Array:
    """The values of anything that counts as a mask; without a size at its own, if it has one."""
    known = as_mask(mask)
    if size is None:
        size = known.size if isinstance(known, Stored) else (512, 512)
    return known(_resample.target_size((1, 1), size), signals.number("the time", time))


def _values(mask: Any, size: tuple[int, int], time: float) -> Array:
    return as_mask(mask)(size, signals.number("the time", time))


def _share(values: Array) -> Array:
    """H×W×1: the share of the first of two things."""
    if values.shape[2] == 1:
        return values
    if values.shape[2] != 2:
        raise BadValue(f"two pictures are mixed by 1 or 2 channels, not {values.shape[2]}; take a .channel of the mask")
    total = values.sum(axis=2, keepdims=True)
    return np.where(total > 0, values[:, :, :1] / np.where(total > 0, total, 1), np.float32(0.5))


def _mix(over: Array, under: Array, share: Array, out: Array) -> None:
    """Write `share` of `over` and the rest of `under` to `out`; colours count by their alpha."""
    share = np.repeat(share, 3, axis=2)
    if out.shape[2] == 3:
        np.multiply(share, over, out=out)
        out += (1 - share) * under
        return
    plain = share * over[:, :, :3] + (1 - share) * under[:, :, :3]  # for where all is transparent
    weights = share * _alpha(over), (1 - share) * _alpha(under)
    alpha = weights[0] + weights[1]
    weighted = weights[0] * over[:, :, :3] + weights[1] * under[:, :, :3]
    np.divide(weighted, alpha, out=plain, where=alpha > 0)
    np.minimum(plain, 1, out=out[:, :, :3])
    np.minimum(alpha[:, :, 0], 1, out=out[:, :, 3])


def _alpha(array: Array) -> Array:
    return array[:, :, 3:] if array.shape[2] == 4 else np.ones((*array.shape[:2], 1), np.float32)
