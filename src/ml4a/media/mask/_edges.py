"""Masks of photographs: edges that follow the photograph's, and colours without what was behind them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image

from ._apply import drawn
from ._mask import Mask
from ._planes import Array
from ._stored import from_array

_RADIUS = 3
"""Of the windows in which a mask is explained by colours, in pixels of the mask."""
_NOISE = 1e-4
"""Variance of colours that explains nothing."""
_SIZE = 1024
"""The longer side at which colours are estimated: they are smooth."""
_FAR, _NEAR = 90, 6
"""How far colours are collected from, in pixels of that size: roughly first, then from close by."""
_NOTHING = 1e-3


def refine(mask: Any, picture: Picture, *, size: int | tuple[int, int] | None = None) -> Mask:
    """A mask whose edges follow those of the photograph that it was made of.

    In each small window the mask is taken for a linear function of the colours (guided filter; He et al., TPAMI 2013,
    computed at the mask's own size; He & Sun, arXiv:1505.00996). A coarse mask of a network becomes as sharp as the
    photograph is.

    Args:
        mask: A mask of one channel; also an array or a function.
        picture: The photograph, of any size.
        size: (width, height) of the coarse mask, or the side of a square; by default the array's own, else 512.

    Returns:
        A mask that holds its values at the photograph's size.

    Raises:
        BadValue: the mask has more channels.
    """
    coarse = drawn(mask, size, 0.0)
    if coarse.shape[2] != 1:
        raise BadValue(f"a mask of one channel is refined, not of {coarse.shape[2]}; take a .channel")
    import cv2

    colors = image.load(picture, as_array=True)[:, :, :3]
    guide = cv2.resize(colors, coarse.shape[1::-1], interpolation=cv2.INTER_AREA)
    slope, offset = (_mean(plane) for plane in _explained(coarse[:, :, 0], guide))
    size = colors.shape[1::-1]
    slope, offset = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in (slope, offset))
    return from_array((np.einsum("hwc,hwc->hw", slope, colors) + offset).clip(0, 1))


def foreground_colors(picture: Array, alpha: Array) -> Array:
    """What a cut-out's colours are without the background that shows through its soft edges.

    Colours of foreground and background are collected around each pixel, and the foreground is corrected until both
    together give the picture (Forte, Approximate Fast Foreground Colour Estimation, ICIP 2021).

    Args:
        picture: H×W×3 float32 in [0, 1].
        alpha: H×W×1 float32 in [0, 1].

    Returns:
        H×W×3 float32 in [0, 1], equal to the picture where alpha is 1 and far from where it is more than 0.
    """
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, _SIZE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small, share = (cv2.resize(array, size, interpolation=cv2.INTER_AREA) for array in (picture, alpha))
    share = share.reshape(*small.shape[:2], 1)
    front, behind = _collected(small, small, share, _FAR)
    front, behind = _collected(_corrected(small, front, behind, share), behind, share, _NEAR)
    near = cv2.blur(share, (2 * _NEAR + 1,) * 2)
    front, behind, near = (cv2.resize(array, (width, height)) for array in (front, behind, near))
    soft = (near > _NOTHING) & (alpha[:, :, 0] < 1)
    result = picture.copy()
    result[soft] = _corrected(picture[soft], front[soft], behind[soft], alpha[soft])
    return result


def _explained(mask: Array, guide: Array) -> tuple[Array, Array]:
    """The linear function of the colours that is closest to the mask in each window: h×w×3 and h×w."""
    mean, mask_mean = _mean(guide), _mean(mask)
    products = _mean(guide[:, :, :, None] * guide[:, :, None, :])
    covariance = products - mean[:, :, :, None] * mean[:, :, None, :] + _NOISE * np.eye(3, dtype=np.float32)
    along = _mean(guide * mask[:, :, None]) - mean * mask_mean[:, :, None]
    slope = np.linalg.solve(covariance, along[..., None])[..., 0]
    return slope, mask_mean - np.einsum("hwc,hwc->hw", slope, mean)


def _mean(planes: Array) -> Array:
    """Of the window around each pixel, for any number of planes."""
    import cv2

    flat = planes.reshape(*planes.shape[:2], -1)
    return cv2.blur(flat, (2 * _RADIUS + 1,) * 2, borderType=cv2.BORDER_REFLECT).reshape(planes.shape)


def _collected(front: Array, behind: Array, alpha: Array, radius: int) -> tuple[Array, Array]:
    """Mean colours of foreground and background around each pixel."""
    import cv2

    window = (2 * radius + 1,) * 2
    share = cv2.blur(alpha, window)[:, :, None]
    rest = cv2.blur(1 - alpha, window)[:, :, None]
    tiny = np.float32(1e-5)
    return cv2.blur(front * alpha, window) / (share + tiny), cv2.blur(behind * (1 - alpha), window) / (rest + tiny)


def _corrected(picture: Array, front: Array, behind: Array, alpha: Array) -> Array:
    """The foreground's colours, moved by as much as both together miss the picture."""
    return (front + alpha * (picture - alpha * front - (1 - alpha) * behind)).clip(0, 1)
