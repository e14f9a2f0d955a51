"""The picture masks of the library of 2021: in 8 bits, as it computed them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue, UnknownName
from ml4a.media import image, signals

from . import _classic_clusters, _clusters
from ._planes import Array
from ._segments import weights_before
from ._stored import foreground

_METHODS = ("kmeans", "threshold", "auto", "foreground", "basnet")


def of_picture(values: dict[str, Any], size: Any, network: Callable[[Any], Any] | None) -> Array:
    """H×W×n float32 of `values`, the dictionary of an image mask with its defaults filled in."""
    method = values["method"]
    if method not in _METHODS:
        raise UnknownName("mask method", str(method), _METHODS)
    if values["image"] is None:
        raise BadValue("a mask of type image needs its image: a path, a URL or a picture")
    for name, least in (("blur_k", 1), ("n_dilations", 0)):
        if not isinstance(values[name], int | np.integer) or values[name] < least:
            raise BadValue(f"{name} must be a whole number from {least} up, not {values[name]!r}")
    picture = image.load(values["image"], size).convert("RGB")
    if method in ("foreground", "basnet"):
        return _foreground(picture, network)
    rgb = np.asarray(picture)
    if method == "kmeans":
        return _kmeans(rgb, values)
    return _bands(rgb, values)


def _foreground(picture: Any, network: Callable[[Any], Any] | None) -> Array:
    if network is None:
        raise BadValue("a foreground mask needs a network: classic(config, network=ml4a.load('basnet'))")
    front = foreground(picture, network)(picture.size)
    return np.concatenate([front, 1 - front], axis=2)


def _kmeans(rgb: Array, values: dict[str, Any]) -> Array:
    n, (height, width) = values["num_channels"], rgb.shape[:2]
    # Blue first, as OpenCV has it: sums of floats depend on their order.
    pixels = _blurred(rgb, values["blur_k"])[:, :, ::-1].reshape(-1, 3).astype(np.float64)
    before = weights_before(values["prev_mask"], (width, height))
    labels = _classic_clusters.segment(pixels, n, before).reshape(height, width)
    return _dilated(_clusters.one_hot(labels, n), values["n_dilations"])


def _bands(rgb: Array, values: dict[str, Any]) -> Array:
    import cv2

    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).reshape(rgb.shape[:2])
    if values["method"] == "auto":
        levels, dilations = _equal_levels(grey, values["num_channels"]), 0
    else:
        levels, dilations = _given_levels(values), values["n_dilations"]
    planes = []
    for below, level in itertools.pairwise([-1, *levels]):
        band = ((grey > below) & (grey <= level)).astype(np.uint8) * np.uint8(255)
        planes.append(_blurred(_dilated(band, dilations), values["blur_k"]))
    return np.stack(planes, axis=2).astype(np.float32) / np.float32(255)


def _given_levels(values: dict[str, Any]) -> list[float]:
    n = values["num_channels"]
    given = values["thresholds"]
    if not isinstance(given, list | tuple | np.ndarray) or len(given) != n:
        raise BadValue(f"thresholds must be {n} numbers, one for each channel, not {given!r}")
    levels = [signals.number("a threshold", level) for level in given]
    if any(a > b for a, b in itertools.pairwise(levels)):
        raise BadValue(f"thresholds must not fall, but be such as [80, 160, 255], not {given!r}")
    return levels


def _equal_levels(grey: Array, n: int) -> list[float]:
    """For each channel the least level, above the one before, up to which it has its share of the pixels."""
    counts = np.cumsum(np.bincount(grey.ravel(), minlength=258))
    levels, level = [], 0
    for _ in range(n):
        before = counts[level] if levels else 0
        enough = np.flatnonzero(counts - before >= grey.size / n)
        level = max(level + 1, int(enough[0])) if enough.size else 257
        level = min(level, 257)
        levels.append(level)
    return levels


def _dilated(band: Array, times: int) -> Array:
    """Grown by so many pixels downwards: the kernel of 2021 was a column whose lower end was its anchor."""
    for _ in range(times):
        band = np.maximum(band, np.concatenate([band[:1], band[:-1]]))
    return band


def _blurred(picture: Array, side: int) -> Array:
    import cv2

    return picture if side == 1 else cv2.blur(picture, (side, side)).reshape(picture.shape)
