"""Masks made visible: a colour for each channel, or the channels side by side; as pictures and as clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from PIL import Image

from ml4a._core.errors import BadValue
from ml4a.media import image, signals

from ._apply import drawn
from ._planes import Array

if TYPE_CHECKING:
    from ml4a.media.video import Clip

COLOURS = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 0),
    (255, 0, 255),
    (0, 255, 255),
    (0, 0, 0),
    (255, 255, 255),
    (64, 0, 192),
    (192, 64, 0),
    (0, 192, 64),
    (192, 0, 64),
    (64, 192, 0),
    (0, 64, 192),
)
"""Of the channels; after the last they begin anew. (The library of 2021 had yellow twice; the second is cyan now.)"""


@overload
def view(
    mask: Any,
    size: int | tuple[int, int] | None = ...,
    *,
    merged: bool = ...,
    flat: bool = ...,
    time: float = ...,
    seconds: None = ...,
    rate: float = ...,
) -> Image.Image: ...
@overload
def view(
    mask: Any,
    size: int | tuple[int, int] | None = ...,
    *,
    merged: bool = ...,
    flat: bool = ...,
    time: float = ...,
    seconds: float,
    rate: float = ...,
) -> Clip: ...


def view(
    mask: Any,
    size: int | tuple[int, int] | None = None,
    *,
    merged: bool = True,
    flat: bool = False,
    time: float = 0.0,
    seconds: float | None = None,
    rate: float = 30,
) -> Image.Image | Clip:
    """A mask made visible.

        rings = mask.arcs(3, period=2)
        mask.view(rings)                                     # a picture
        mask.view(rings, (640, 360), seconds=6).save("rings.mp4")

    Args:
        mask: A mask; also an array or a function.
        size: (width, height), or the side of a square; by default the array's own, else 512.
        merged: A colour for each channel, mixed in proportion: red, green, blue, yellow, magenta, cyan, black, white …;
            dark where there is little of any. A mask of one channel is grey. Otherwise the channels in grey, side by
            side.
        flat: With the channels side by side: only 0, 0.5 (anything in between) and 1 are told apart.
        time: Seconds at which it is seen, or begins.
        seconds: Makes a clip of this length.
        rate: Frames a second of the clip.

    Returns:
        A PIL image, or with `seconds` a clip.

    Raises:
        BadValue: no such size, time, length or rate.
    """
    if seconds is None:
        return image.to_picture(_shown(drawn(mask, size, time), merged, flat))
    if signals.number("seconds", seconds) <= 0 or signals.number("the rate", rate) <= 0:
        raise BadValue(f"a clip has a length and a rate above 0, not {seconds!r} seconds at {rate!r}")
    count = max(1, round(seconds * rate))
    times = [signals.number("the time", time) + number / rate for number in range(count)]
    return _clip([mask] * count, times, rate, size, merged, flat)


def film(
    masks: Sequence[Any],
    size: int | tuple[int, int] | None = None,
    *,
    merged: bool = True,
    flat: bool = False,
    rate: float = 30,
) -> Clip:
    """Masks made visible, one a frame, such as those of a film's frames.

    Args:
        masks: Masks, arrays or functions.
        size: As of `view`, as are `merged` and `flat`.
        merged: Whether channels are colours, or side by side.
        flat: Whether only 0, in between and 1 are told apart.
        rate: Frames a second.

    Raises:
        BadValue: no masks.
    """
    if not masks:
        raise BadValue("there are no masks to show")
    return _clip(list(masks), [number / rate for number in range(len(masks))], rate, size, merged, flat)


def _clip(masks: list[Any], times: list[float], rate: float, size: Any, merged: bool, flat: bool) -> Clip:
    from ml4a.media import video

    def frames() -> Iterator[Array]:
        for mask, time in zip(masks, times, strict=True):
            yield _shown(drawn(mask, size, time), merged, flat)

    return video.from_frames(frames, rate, count=len(masks))


def _shown(values: Array, merged: bool, flat: bool) -> Array:
    """H×W×n → H×W'×3."""
    if not merged or values.shape[2] == 1:
        return np.repeat(_side_by_side(values, flat and not merged)[:, :, None], 3, axis=2)
    return _coloured(values)


def _coloured(values: Array) -> Array:
    import cv2

    n = values.shape[2]
    colours = np.array([COLOURS[number % len(COLOURS)] for number in range(n)], np.float32) / 255
    *shown, total = cv2.split(cv2.transform(values, np.concatenate([colours.T, np.ones((1, n), np.float32)])))
    np.maximum(total, 1, out=total)
    return np.stack([np.minimum(plane / total, 1) for plane in shown], axis=2)


def _side_by_side(values: Array, flat: bool) -> Array:
    shown = np.concatenate([values[:, :, number] for number in range(values.shape[2])], axis=1)
    return (shown > 0) * np.float32(0.5) + (shown == 1) * np.float32(0.5) if flat else shown
