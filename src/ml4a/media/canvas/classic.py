"""The canvas of the library of 2021: the same pictures from the same dictionaries.

    from ml4a.media import canvas

    swirled = canvas.classic(photo, {"zoom": 1.02, "rot_const": 0.03, "noise_rate": (0.5, 0.4), "noise_margin": (2, 4)})

A modification moves the places where a picture is looked up, in three passes: shift and stretch, polar, noise. Each
samples the result of the one before, which blurs; so warps proper are composed first and looked up once. The two agree
where only one pass is active.

Not as it was: dictionaries are left as they are given, and unknown keys are refused. Several modifications without
masks weigh the same (their places were added up), and so they do where all masks are 0 (it failed). Masks have a
channel for each modification (any others pulled the picture towards its corner). Noise may move along x only. Grey and
transparent pictures work. Frames are not cut off to whole grey levels: films lost half a level with each frame.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.kinds import Picture
from ml4a.media import noise, signals
from ml4a.media.image import _kinds

from ._points import Array, Points, Stage
from ._weights import checked_mask, weights
from .apply import loaded

Pair: TypeAlias = tuple[float, float]
Places: TypeAlias = tuple[Array, Array]
"""Columns and rows at which a picture is looked up: float32 that broadcasts to H×W."""

_NOISE_ERROR = 1e-4
"""Pixels that noise may be off: a fortieth of a grey level where black pixels lie beside white ones."""
_HELD_PIXELS = 1 << 21
"""The largest picture whose places are kept for the next one: 1080p."""
_LARGEST_SIDE = 32766
"""Pixels that OpenCV's sampling can count."""
_BLOCK = 1 << 14
"""Pixels that are worked on together without it."""
_LARGEST, _SMALLEST = 1e6, 1e-6
"""Numbers beyond which no place would be left in float32."""
_FAINT = 1e-4
"""Alpha below which a pixel has no colour of its own."""


@dataclass(frozen=True, slots=True)
class _Modification:
    """A dictionary of 2021 with all of its keys: `classic` says what they mean."""

    center: Pair = (0.5, 0.5)
    shift: Pair = (0.0, 0.0)
    stretch: Pair = (1.0, 1.0)
    zoom: float = 1.0
    expand: float = 0.0
    rot_const: float = 0.0
    rot_ang: float = 0.0
    rot_dst: float = 0.0
    spiral_margin: float = 0.0
    spiral_periods: float = 0.0
    noise_rate: Pair = (0.0, 0.0)
    noise_margin: Pair = (0.0, 0.0)
    noise_offset: Pair = (-10.0, 10.0)


def classic(picture: Picture, mods: Mapping[str, Any] | Sequence[Mapping[str, Any]], masks: Any = None) -> Any:
    """A picture through one or several modifications of 2021.

        canvas.classic(photo, {"center": (0.4, 0.6), "zoom": 1.03, "rot_const": 0.06})
        rings = mask.circle(0.3).feathered(0.1)
        canvas.classic(photo, [{"zoom": 1.1}, {"rot_dst": 0.001}], masks=rings)

    Angles are in radians, positive counter-clockwise; all pairs are (vertical, horizontal), unless it says otherwise.

    * `center` (0.5, 0.5): of what follows, in the picture's height and width.
    * `shift` (0, 0): how far the contents go down and to the right, in the picture's height and width.
    * `stretch` (1, 1): above 1 enlarges.
    * `zoom` 1: above 1 enlarges. `expand` 0: pixels by which contents move away from the centre.
    * `rot_const` 0: an angle. `rot_ang` 0: more of it for each radian around the centre; it leaves a seam to the left.
      `rot_dst` 0: more of it for each pixel away from the centre.
    * `spiral_margin` 0: the strength of `spiral_periods` waves around the centre; nothing if negative.
    * `noise_margin` (0, 0): pixels that simplex noise moves the contents by, at most. `noise_rate` (0, 0), (horizontal,
      vertical): hills across the picture. `noise_offset` (-10, 10), (horizontal, vertical): where in the noise.

    Args:
        picture: Of any kind.
        mods: A dictionary, or a list of them.
        masks: What weighs several: H×W×n floats from 0 up, a channel for each (or one channel m for two, which then
            weigh m and 1 - m), or a function that makes such for (width, height) and a time. By default all weigh the
            same. Places are averaged, pass by pass, and not pictures.

    Returns:
        A picture of the kind that was given, of the same size.

    Raises:
        UnknownName: a modification has a key that there is not.
        BadValue: a number is out of bounds, or masks are no masks.
    """
    kind, array = loaded(picture)
    return _kinds.as_kind(_looked_up(array, _passes(mods, masks, array)), kind)


def classic_frames(
    picture: Picture,
    mods: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    count: int,
    *steps: Callable[[Array], Array],
    masks: Any = None,
) -> Iterator[Array]:
    """Frames of a film in which each is the one before, modified: the feedback of 2021, without its rounding.

        clip = video.from_frames(lambda: canvas.classic_frames(photo, {"zoom": 1.02}, 90), rate=30)

    Args:
        picture: Of any kind: the first frame.
        mods: As in `classic`.
        count: How many frames, with the first.
        steps: What is done to each further frame, in order: functions from an array to a picture of the same shape.
        masks: As in `classic`.

    Yields:
        H×W or H×W×C float32 arrays.

    Raises:
        BadValue: as in `classic`; `count` is no number of frames; a step changed the shape.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise BadValue(f"count must be a whole number of frames from 1 up, not {count!r}")
    _, frame = loaded(picture)
    return _fed_back(frame, _passes(mods, masks, frame), count, steps)


def classic_map(picture: Picture, places: Array) -> Any:
    """A picture looked up at places of one's own, with the mirrored border of 2021.

    Beyond the top and the left the picture is mirrored about its first pixel, which does not repeat; beyond the bottom
    and the right its last pixel is seen for two pixels more, and then the mirror image.

    Args:
        picture: Of any kind: H×W pixels.
        places: H×W×2 floats: (row, column) for each pixel; 0 is the middle of the first.

    Returns:
        A picture of the kind that was given.

    Raises:
        BadValue: the places are no such array, or not all of them are finite.
    """
    kind, array = loaded(picture)
    if not isinstance(places, np.ndarray) or places.shape != (*array.shape[:2], 2) or places.dtype.kind != "f":
        raise BadValue(f"places are floats for each pixel, {array.shape[0]}×{array.shape[1]}×2: (row, column)")
    if not np.abs(places).max() <= _LARGEST * max(array.shape[:2]):  # also for NaN
        raise BadValue("places must be finite numbers, no more than a million pictures away")
    rows, columns = (np.ascontiguousarray(places[:, :, axis], np.float32) for axis in range(2))
    return _kinds.as_kind(_looked_up(array, [_inside((columns, rows), array.shape[1], array.shape[0])]), kind)


def _passes(mods: Any, masks: Any, array: Array) -> list[Places]:
    """Where each pass looks; passes that leave everything where it is are left out."""
    chosen = _read(mods)
    height, width = array.shape[:2]
    if masks is None:
        find = _unmasked if width * height <= _HELD_PIXELS else _unmasked.__wrapped__
        return find(chosen, width, height)
    shares = weights(checked_mask(masks), len(chosen), Points(Stage(width, height), slice(0, height)))
    return _found(chosen, shares, width, height)


@functools.lru_cache(maxsize=2)
def _unmasked(mods: tuple[_Modification, ...], width: int, height: int) -> list[Places]:
    """The passes of modifications that weigh the same. Shared: not to be written to."""
    return _found(mods, [1 / len(mods)] * len(mods), width, height)


def _found(mods: Sequence[_Modification], shares: list[Any], width: int, height: int) -> list[Places]:
    passes = []
    for place in (_shifted, _turned, _blown):
        places = [place(mod, width, height) for mod in mods]
        if any(places):
            passes.append(_inside(_averaged(places, shares, width, height), width, height))
    return passes


def _read(mods: Any) -> tuple[_Modification, ...]:
    """The dictionaries, held to what they may say."""
    listed = [mods] if isinstance(mods, Mapping) else mods
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(mod, Mapping) for mod in listed):
        raise BadValue("modifications are a dictionary such as {'zoom': 1.1}, or a list of them")
    defaults = {field.name: field.default for field in fields(_Modification)}
    for key in {key for mod in listed for key in mod} - set(defaults):
        raise UnknownName("key of a modification", str(key), defaults)
    return tuple(
        _Modification(**{key: _checked(key, value, isinstance(defaults[key], tuple)) for key, value in mod.items()})
        for mod in listed
    )


def _checked(key: str, value: Any, pair: bool) -> Any:
    if pair:
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise BadValue(f"{key} must be a pair of numbers, not {value!r}")
        return tuple(_checked(key, item, False) for item in value)
    number = signals.number(key, value)
    if abs(number) > _LARGEST:
        raise BadValue(f"{key} must be between {-_LARGEST:g} and {_LARGEST:g}, not {value!r}")
    if (key == "zoom" and number < _SMALLEST) or (key == "stretch" and abs(number) < _SMALLEST):
        raise BadValue(f"{key} must be {'more' if key == 'zoom' else 'other'} than 0, not {value!r}")
    return number


def _centre(mod: _Modification, width: int, height: int) -> tuple[float, float, Array, Array]:
    """Column and row of the centre, and each column's and row's way from there: 1×W and H×1."""
    column, row = width * mod.center[1], height * mod.center[0]
    return column, row, np.arange(width)[None, :] - column, np.arange(height)[:, None] - row


def _shifted(mod: _Modification, width: int, height: int) -> Places | None:
    """The first pass: shift and stretch."""
    if mod.shift == (0, 0) and mod.stretch == (1, 1):
        return None
    column, row, dx, dy = _centre(mod, width, height)
    columns = column - width * mod.shift[1] + dx / mod.stretch[1]
    rows = row - height * mod.shift[0] + dy / mod.stretch[0]
    return columns.astype(np.float32), rows.astype(np.float32)


def _turned(mod: _Modification, width: int, height: int) -> Places | None:
    """The second pass: zoom, expand, rotations and spiral."""
    if mod.expand or mod.spiral_margin > 0 or mod.rot_ang or mod.rot_dst:
        return _bent(mod, width, height)
    if mod.zoom == 1 and not mod.rot_const:
        return None
    column, row, dx, dy = _centre(mod, width, height)
    cosine, sine = math.cos(mod.rot_const) / mod.zoom, math.sin(mod.rot_const) / mod.zoom
    columns, rows = (column + dx * cosine).astype(np.float32), (row + dy * cosine).astype(np.float32)
    if mod.rot_const:
        return columns - (dy * sine).astype(np.float32), rows + (dx * sine).astype(np.float32)
    return columns, rows


def _bent(mod: _Modification, width: int, height: int) -> Places:
    """The second pass where it is no affine map."""
    column, row, dx, dy = _centre(mod, width, height)
    # A pixel right in the centre lies to its right, by next to nothing: so it has a direction.
    dx, dy = np.where(dx == 0, 1e-15, dx).astype(np.float32), dy.astype(np.float32)
    radius = np.sqrt(dx * dx + dy * dy)
    angle = np.arctan2(dy, dx) if mod.rot_ang or mod.spiral_margin > 0 else None
    reach = (radius * np.float32(1 / mod.zoom) - np.float32(mod.expand)).clip(0)
    if angle is not None and mod.spiral_margin > 0:
        reach *= 1 + np.float32(mod.spiral_margin) * np.sin(np.float32(mod.spiral_periods) * angle)
    turn = np.float32(mod.rot_dst) * radius + np.float32(mod.rot_const)
    if angle is not None:
        turn += np.float32(mod.rot_ang) * angle
    reach /= radius
    cosine, sine = np.cos(turn), np.sin(turn, out=turn)
    cosine *= reach
    sine *= reach
    return dx * cosine - dy * sine + np.float32(column), dx * sine + dy * cosine + np.float32(row)


def _blown(mod: _Modification, width: int, height: int) -> Places | None:
    """The third pass: noise."""
    if mod.noise_margin == (0, 0):
        return None
    winds = _winds if width * height <= _HELD_PIXELS else _winds.__wrapped__
    down, across = (
        winds(rate, offset, width, height, _NOISE_ERROR / abs(margin)) * np.float32(margin) if margin else np.float32(0)
        for rate, offset, margin in zip(mod.noise_rate[::-1], mod.noise_offset[::-1], mod.noise_margin, strict=True)
    )
    columns, rows = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    return columns + across, rows + down


@functools.lru_cache(maxsize=4)
def _winds(rate: float, offset: float, width: int, height: int, error: float) -> Array:
    """Noise over a picture: H×W. Its first coordinate is down, the second across. Shared: not to be written to."""
    down, across = (offset + rate * np.arange(side) / side for side in (height, width))
    return np.ascontiguousarray(noise.grid(down, across, octaves=3, error=error).T)


def _averaged(found: list[Places | None], shares: list[Any], width: int, height: int) -> Places:
    """The places of several modifications, weighted; None stays where it is."""
    if len(found) == 1 and found[0] is not None:
        return found[0]
    columns, rows = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
    ways = [(share, places) for share, places in zip(shares, found, strict=True) if places is not None]
    return (
        columns + sum(np.float32(share) * (places[0] - columns) for share, places in ways),
        rows + sum(np.float32(share) * (places[1] - rows) for share, places in ways),
    )


def _inside(places: Places, width: int, height: int) -> Places:
    """Places folded back into a picture, as far as sampling needs it, and spread to H×W."""
    columns, rows = (
        np.ascontiguousarray(np.broadcast_to(_mirrored(axis, length), (height, width)))
        for axis, length in zip(places, (width, height), strict=True)
    )
    return columns, rows


def _mirrored(places: Array, length: int) -> Array:
    """Places with a period of 2·length, mirrored about 0; from `length - 1` to `length + 1` lies the last pixel."""
    if places.min() >= 0 and places.max() <= length + 1:
        return places
    period = np.float32(2 * length)
    turns = places / period
    np.rint(turns, out=turns)
    turns *= period
    return np.abs(np.subtract(places, turns, out=turns), out=turns)


def _looked_up(array: Array, passes: Sequence[Places]) -> Array:
    """H×W[×C] floats, looked up bilinearly, again and again; the last pixel is seen beyond the end."""
    if not passes:
        return array.copy()
    planes = array.reshape(*array.shape[:2], -1)
    blended = planes.shape[2] in (2, 4) and planes[:, :, -1].min() < 1
    if blended:  # the colours of transparent pixels are not to bleed into the others
        planes = np.dstack([planes[:, :, :-1] * planes[:, :, -1:], planes[:, :, -1:]])
    for columns, rows in passes:
        planes = _sampled(planes, columns, rows)
    if blended:
        planes[:, :, :-1] /= np.maximum(planes[:, :, -1:], _FAINT)
    return planes.reshape(array.shape)


def _sampled(planes: Array, columns: Array, rows: Array) -> Array:
    import cv2

    if max(planes.shape) > _LARGEST_SIDE or not _opencv_is_exact(planes.shape[2]):
        return _gathered(planes, columns, rows)
    return cv2.remap(planes, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(planes.shape)


@functools.cache
def _opencv_is_exact(channels: int) -> bool:
    """Whether OpenCV looks where it is told (version 5 does, but for 2 channels) or only at 32nds of a pixel."""
    import cv2

    ramp = np.repeat(np.arange(64, dtype=np.float32)[None, :, None], channels, axis=2)
    places = np.linspace(0, 63, 1000, dtype=np.float32)[None, :]
    found = cv2.remap(ramp, places, np.zeros_like(places), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return bool(np.abs(found.reshape(1000, -1) - places.T).max() < 1e-4)


def _gathered(planes: Array, columns: Array, rows: Array) -> Array:
    """The same without OpenCV: slower, and exact in all versions."""
    height, width, channels = planes.shape
    flat = [np.ascontiguousarray(planes[:, :, channel]).reshape(-1) for channel in range(channels)]
    x, y = columns.reshape(-1), rows.reshape(-1)
    result = np.empty((x.size, channels), np.float32)
    for start in range(0, x.size, _BLOCK):
        block = slice(start, start + _BLOCK)
        (left, right, dx), (top, bottom, dy) = (
            _neighbours(places[block], length) for places, length in ((x, width), (y, height))
        )
        corners = top * width + left, top * width + right, bottom * width + left, bottom * width + right
        for channel, values in enumerate(flat):
            a, b, c, d = (values.take(corner, mode="clip") for corner in corners)
            a += dx * (b - a)
            c += dx * (d - c)
            a += dy * (c - a)
            result[block, channel] = a
    return result.reshape(planes.shape)


def _neighbours(places: Array, length: int) -> tuple[Array, Array, Array]:
    """The pixels before and after each place, and how far it is from the first."""
    inside = places.clip(0, length - 1)
    first = inside.astype(np.int32)
    return first, np.minimum(first + 1, length - 1), inside - first.astype(np.float32)


def _fed_back(
    frame: Array, passes: Sequence[Places], count: int, steps: Sequence[Callable[[Array], Array]]
) -> Iterator[Array]:
    yield frame
    for _ in range(count - 1):
        after = _looked_up(frame, passes)
        for step in steps:
            after = _kinds.as_float(step(after))
        if after.shape != frame.shape:
            raise BadValue(
                f"a step made a frame of shape {after.shape} of one of {frame.shape}; it must keep the shape"
            )
        frame = after
        yield frame
