"""The masks of the library of 2021: dictionaries, with its places and its formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ml4a._core.errors import BadValue, UnknownName
from ml4a.media import signals
from ml4a.media.image import _resample

from . import _classic_pictures, _planes
from ._planes import Array

_COMMON: dict[str, Any] = {"type": "solid", "size": None, "num_channels": 1, "period": 1e8, "normalize": False}
_OWN: dict[str, dict[str, Any]] = {
    "solid": {},
    "interpolation": {"blend": 0, "reverse": False, "cross_fade": False},
    "arcs": {"center": (0.5, 0.5), "radius": 0.70710678118, "blend": 0, "inwards": False, "reverse": False},
    "rects": {"p1": (0, 0), "p2": (1, 1), "width": 1.41421356237, "blend": 0, "reverse": False},
    "image": {
        "image": None,
        "method": "kmeans",
        "thresholds": None,
        "blur_k": 1,
        "n_dilations": 0,
        "prev_mask": None,
    },
}
_HARD = 1e-8
"""The slope of an edge without blend."""


def classic(
    config: Mapping[str, Any],
    size: tuple[int, int] | None = None,
    t: float = 0.0,
    *,
    network: Callable[[Any], Any] | None = None,
) -> Array:
    """A mask of the library of 2021, from its dictionary.

        rings = mask.classic({"type": "arcs", "num_channels": 3, "radius": 0.2, "period": 10}, (640, 360), t=3)

    Places run from 0 to 1, at the middles of the first and the last pixel, in both directions, so that circles are
    ellipses on pictures that are not square; a picture one pixel wide or high is at 0.5. Blends lie outside of the
    bands, so that channels overlap. `p1` and `p2` are (row, column). `n_dilations` makes areas grow downwards only, as
    they did; `Mask.grown` grows on all sides. New work is better served by `arcs`, `rects`, `kmeans` …

    What was wrong in 2021 is not repeated: pictures are resized to their own size transposed as to any other;
    an interpolation of one channel is 1 at all times; thresholds that do not rise are refused, instead of counting
    pixels twice; the network gets its picture as RGB; unknown names are refused.

    Args:
        config: `type` is solid, interpolation, arcs, rects or image; the others as in 2021. It is not written to.
        size: (width, height); else the dictionary's `size`, else the picture's, else 512×512.
        t: The number of the frame; `period` is in frames.
        network: For `method` `"foreground"` (also `"basnet"`): any picture → mask function.

    Returns:
        H×W×n float32.

    Raises:
        UnknownName: no such type, method or parameter.
        BadValue: a value that makes no sense, in one line.
    """
    kind, values = _settings(config)
    frame = signals.number("t", t)
    chosen = values["size"] if size is None else size
    if kind == "image":
        result = _classic_pictures.of_picture(values, chosen, network)
    else:
        width, height = _resample.target_size((1, 1), (512, 512) if chosen is None else chosen)
        result = np.empty((height, width, values["num_channels"]), np.float32)
        _SHAPES[kind](values, frame, *_places((width, height)), result)
    if values["normalize"]:
        result /= np.maximum(1, result.sum(axis=2, keepdims=True))
    return result


def _settings(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if not isinstance(config, Mapping) or "type" not in config:
        raise BadValue("a mask's dictionary names its type: solid, interpolation, arcs, rects or image")
    kind = config["type"]
    if kind not in _OWN:
        raise UnknownName("mask type", str(kind), _OWN)
    known = _COMMON | _OWN[kind]
    for name in config:
        if name not in known:
            raise UnknownName(f"parameter of {kind} masks", str(name), known)
    values = known | dict(config)
    count = values["num_channels"]
    if not isinstance(count, int | np.integer) or isinstance(count, bool) or not 1 <= count <= 64:
        raise BadValue(f"num_channels must be a whole number between 1 and 64, not {count!r}")
    for name in ("period", "blend", "radius", "width"):
        if name in values:
            values[name] = signals.number(name, values[name])
    for name in ("center", "p1", "p2"):
        if name in values:
            values[name] = _pair(name, values[name])
    _check_ranges(kind, values)
    return kind, values


def _check_ranges(kind: str, values: dict[str, Any]) -> None:
    if values.get("blend", 0) < 0:
        raise BadValue(f"blend must be 0 or more, not {values['blend']:g}")
    if kind in ("arcs", "rects") and values["period"] <= 0:
        raise BadValue(f"period must be above 0, not {values['period']:g}")
    if values.get("radius", 1) <= 0:
        raise BadValue(f"radius must be above 0, not {values['radius']:g}")
    if kind == "rects" and values["p1"] == values["p2"]:
        raise BadValue(f"p1 and p2 must differ; both are {values['p1']}")


def _pair(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list | np.ndarray) or len(value) != 2:
        raise BadValue(f"{name} must be a pair of numbers, not {value!r}")
    return signals.number(name, value[0]), signals.number(name, value[1])


def _places(size: tuple[int, int]) -> tuple[Array, Array]:
    """v, H×1, and u, 1×W: 0 at the first pixel, 1 at the last."""
    u, v = (np.linspace(0, 1, side) if side > 1 else np.array([0.5]) for side in size)
    return v[:, None], u[None, :]


def _solid(values: dict[str, Any], t: float, v: Array, u: Array, out: Array) -> None:
    out[:] = 1


def _interpolation(values: dict[str, Any], t: float, v: Array, u: Array, out: Array) -> None:
    n, period, blend = values["num_channels"], values["period"], values["blend"]
    turn, passed = (math.floor(t / period), t % period / period) if period > 0 else (0, 0.0)
    progress = min(1.0, (1 - passed) / blend) if blend > 0 else 1 - passed
    first, second = turn % n, (turn + 1) % n
    if values["reverse"]:
        first, second = n - 1 - first, n - 1 - second
    out[:] = 0
    out[:, :, second] = 1 - progress
    out[:, :, first] = progress if values["cross_fade"] and n > 1 else 1


def _arcs(values: dict[str, Any], t: float, v: Array, u: Array, out: Array) -> None:
    n, turn, inwards = values["num_channels"], _rounds(values, t), bool(values["inwards"])
    across, down = np.square(u - values["center"][0]), np.square(v - values["center"][1])
    begun = n * (1 - ((-turn if inwards else 1 / n + turn) % 1))
    for rows in _planes.blocks(out.shape[1::-1]):
        position = across + down[rows]
        np.sqrt(position, out=position)
        position *= 1 / values["radius"]
        position += begun
        _ramps(_planes.wrap(position, n), values, bool(values["reverse"]) == inwards, out[rows])


def _rects(values: dict[str, Any], t: float, v: Array, u: Array, out: Array) -> None:
    n, (p1, p2) = values["num_channels"], (values["p1"], values["p2"])
    length = math.dist(p1, p2)
    down, right = (p2[0] - p1[0]) / length, (p2[1] - p1[1]) / length
    v, u = v - p1[0], u - p1[1]
    for rows in _planes.blocks(out.shape[1::-1]):
        along = v[rows] * down + u * right
        outside = (along < 0) | (along > length)
        along *= n / length
        along += n * (1 - _rounds(values, t))
        position = _planes.wrap(along, n)
        position[outside] = 0
        _ramps(position, values, not values["reverse"], out[rows])
        out[rows][np.abs(v[rows] * right - u * down) > values["width"] / 2] = 0


def _rounds(values: dict[str, Any], t: float) -> float:
    """How often all channels had their turn."""
    return t / (values["num_channels"] * values["period"])


def _ramps(position: Array, values: dict[str, Any], backwards: bool, out: Array) -> None:
    """Band k is 1 from k to k + 1, with slopes outside; where all bands begin and end there is none.

    It goes to channel k, or, backwards, to the k-th from the end.
    """
    plane = np.empty_like(position)
    for number in range(values["num_channels"]):
        _planes.band(position, number + 0.5, values["blend"] + _HARD, 1.0, plane)
        out[:, :, -1 - number if backwards else number] = plane


_SHAPES: dict[str, Callable[[dict[str, Any], float, Array, Array, Array], None]] = {
    "solid": _solid,
    "interpolation": _interpolation,
    "arcs": _arcs,
    "rects": _rects,
}
