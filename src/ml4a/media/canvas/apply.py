"""Pictures through warps: a score becomes one grid of places, at which the picture is looked up once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image, signals
from ml4a.media.image import _kinds, _resample

from . import _grid, _sample
from ._points import AT_REST, Array, Stage
from ._warp import Border, Interpolation, Number, Warp


def apply(
    picture: Picture,
    warp: Warp,
    *,
    time: float = 0.0,
    border: Border = "mirror",
    interpolation: Interpolation = "bilinear",
    size: int | tuple[int, int] | None = None,
) -> Any:
    """A picture through a warp.

        canvas.apply(photo, zoom(1.2) @ swirl(0.5), border="transparent")

    However many warps make it up, the picture is looked up once. A warp that does nothing gives the same values.

    Args:
        picture: Of any kind. Grey pictures stay grey; alpha goes along with the colours.
        warp: The score.
        time: Seconds, for what moves in it.
        border: What is seen outside the picture: it mirrored (`"mirror"`), it again (`"wrap"`), its nearest pixel
            (`"clamp"`), or nothing (`"transparent"`: the result has alpha).
        interpolation: Between pixels: `"bilinear"`, or `"bicubic"`, which is sharper and takes three times as long.
            OpenCV before version 5 looks at the nearest 32nd of a pixel.
        size: Of the result: (width, height) or a height; by default the picture's. The shorter sides correspond.

    Returns:
        A picture of the kind that was given (H×W×C float32 if an array; paths and URLs give PIL images).

    Raises:
        BadValue: the picture, the warp, the time or the size is none; NaN.
        UnknownName: no such border or interpolation.
        TooLarge: a side of more than 32766 pixels.
    """
    _sample.check(border, interpolation)
    kind, array = loaded(picture)
    current = array.shape[1], array.shape[0]
    target = current if size is None else _resample.target_size(current, size)
    if target != current:
        array = _reduced(array, target)
    return _kinds.as_kind(through(array, warp, Stage(*target, _time(time)), border, interpolation), kind)


def through(array: Array, warp: Warp, stage: Stage, border: str, interpolation: str) -> Array:
    """A picture in memory through a warp: a new array of the stage's size.

    Args:
        array: H×W or H×W×C float32 in [0, 1].
        warp: The score.
        stage: What is to be made.
        border: As in `apply`.
        interpolation: As in `apply`.

    Raises:
        BadValue: the warp is none, or cannot be applied.
    """
    source = array.shape[1], array.shape[0]
    for each in (source, stage.size):
        _sample.check_sides(each)
    grey = array.ndim == 2
    planes = array[:, :, None] if grey else array
    score = _grid.at(warp, stage.time)
    matrix = _grid.matrix_of(score, stage)
    if matrix is None:
        places = _grid.places_of(score, stage, source, keep=not warp.moving)
        result = _sample.at_places(planes, places, stage.size, border, interpolation)
    elif source == stage.size and np.array_equal(matrix, AT_REST):
        result = _sample.at_rest(planes, border)
    else:
        matrix = _sample.pixel_matrix(matrix, stage.size, source)
        result = _sample.through_matrix(planes, matrix, stage.size, border, interpolation)
    return result[:, :, 0] if grey and result.shape[2] == 1 else result


def coordinates(warp: Warp, size: tuple[int, int], time: float = 0.0) -> Array:
    """Where each pixel of a picture of this size looks: the grid that a score is compiled to.

    Args:
        warp: The score.
        size: (width, height) in pixels.
        time: Seconds.

    Returns:
        H×W×2 float32: x and y in canvas units.

    Raises:
        BadValue: the warp, the size or the time is none.
    """
    width, height = _resample.target_size((1, 1), size)
    stage = Stage(width, height, _time(time))
    return np.dstack(_grid.canvas_places(_grid.at(warp, stage.time), stage))


def map_image(
    picture: Picture,
    coordinates: Array,
    *,
    border: Border = "mirror",
    interpolation: Interpolation = "bilinear",
) -> Any:
    """A picture looked up at places of your own.

        places = canvas.coordinates(canvas.identity(), (640, 360))
        places[:, :, 0] += 0.02 * np.sin(40 * places[:, :, 1])
        canvas.map_image(photo, places)

    Args:
        picture: Of any kind.
        coordinates: H×W×2 floats: for each pixel of the result x and y in canvas units.
        border: As in `apply`.
        interpolation: As in `apply`.

    Returns:
        A picture of the kind that was given, H×W.

    Raises:
        BadValue: the places are no such array, or not all of them are finite.
    """
    _sample.check(border, interpolation)
    kind, array = loaded(picture)
    if not isinstance(coordinates, np.ndarray) or coordinates.ndim != 3 or coordinates.shape[2] != 2:
        raise BadValue("coordinates are an H×W×2 array: x and y in canvas units")
    if coordinates.size == 0 or coordinates.dtype.kind != "f" or not np.isfinite(coordinates).all():
        raise BadValue("coordinates are finite floats, at least those of one pixel")
    source = array.shape[1], array.shape[0]
    for each in (source, (coordinates.shape[1], coordinates.shape[0])):
        _sample.check_sides(each)
    planes = array[:, :, None] if array.ndim == 2 else array

    def places(rows: slice) -> tuple[Array, Array]:
        x, y = (np.ascontiguousarray(coordinates[rows, :, axis], dtype=np.float32) for axis in range(2))
        return _sample.pixel_places((x, y), source)

    size = coordinates.shape[1], coordinates.shape[0]
    result = _sample.at_places(planes, places, size, border, interpolation)
    return _kinds.as_kind(result[:, :, 0] if array.ndim == 2 and result.shape[2] == 1 else result, kind)


def blend(a: Picture, b: Picture, r: Number, *, time: float = 0.0) -> Any:
    """Picture `a` where r is 0, picture `b` where it is 1, and between them in between; nothing is rounded.

    Args:
        a: Of any kind.
        b: Another; it is brought to the size of the first.
        r: A number in [0, 1], or a signal, which is held to that range.
        time: Seconds, for the signal.

    Returns:
        A picture of the kind of `a`; with alpha if either has.

    Raises:
        BadValue: r is out of range.
    """
    kind, first = loaded(a)
    _, second = loaded(b)
    share = min(max(r.at(time), 0.0), 1.0) if isinstance(r, signals.Signal) else signals.number("r", r)
    if not 0 <= share <= 1:
        raise BadValue(f"r must be between 0 and 1, not {r!r}")
    if first.shape != second.shape:
        first, second = alike(first, second)
    return _kinds.as_kind(first + np.float32(share) * (second - first), kind)


def loaded(picture: Picture) -> tuple[_kinds.KindName, Array]:
    """The kind of a picture, and H×W or H×W×C float32 in [0, 1].

    Raises:
        BadValue: it is none.
    """
    kind, given = _kinds.kind_of(picture), cast("Any", picture)
    return kind, _kinds.as_float(given) if _kinds.is_loaded(given) else image.load(given, as_array=True)


def alike(first: Array, second: Array) -> tuple[Array, Array]:
    """Two pictures with the size of the first and the channels of both."""
    first, second = _kinds.to_array(first), _kinds.to_array(second)
    size = first.shape[1], first.shape[0]
    if second.shape[:2] != first.shape[:2]:
        second = _resample.resample(second, size, "auto")
    if first.shape[2] != second.shape[2]:
        opaque = np.ones((*first.shape[:2], 1), np.float32)
        first, second = (np.dstack([each, opaque]) if each.shape[2] == 3 else each for each in (first, second))
    return first, second


def _reduced(array: Array, target: tuple[int, int]) -> Array:
    """`array` with a shorter side no longer than that of the target, so that no pixels are passed over."""
    width, height = array.shape[1], array.shape[0]
    scale = min(target) / min(width, height)
    if scale >= 1:
        return array
    return _resample.resample(array, (max(1, round(width * scale)), max(1, round(height * scale))), "auto")


def _time(time: Any) -> float:
    return signals.number("the time", time)
