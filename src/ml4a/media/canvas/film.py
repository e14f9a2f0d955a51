"""Films of a score: over time, or fed back into itself frame after frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import signals, video
from ml4a.media.image import _kinds, _resample
from ml4a.media.signals import Signal
from ml4a.media.video import Clip

from . import _sample
from ._points import Array, Stage
from ._warp import Border, Interpolation, Number, Warp
from ._weights import Mask, checked_mask, values
from .apply import loaded, through

Step: TypeAlias = Callable[[Any], Any]
"""A picture from a picture: H×W×C float32 in [0, 1] → a picture of any kind. A warp is one, too."""

_MOST_SECONDS = 24 * 3600


def play(
    picture: Picture,
    warp: Warp,
    seconds: float = 4.0,
    rate: float = 30.0,
    *,
    size: int | tuple[int, int] | None = None,
    border: Border = "mirror",
    interpolation: Interpolation = "bilinear",
) -> Clip:
    """The picture through a score that moves: each frame is the picture itself through the score at that time.

        canvas.play(photo, swirl(wave(4, -2, 2)), seconds=4).save("swirl.mp4")

    It loops if what moves comes back to where it began: waves whose period divides `seconds`, noise with such a
    `period`, keys that end as they start.

    Args:
        picture: Of any kind.
        warp: The score.
        seconds: Length.
        rate: Frames per second.
        size: As in `apply`.
        border: As in `apply`.
        interpolation: As in `apply`.

    Raises:
        BadValue: the picture or the warp is none; seconds or rate are out of range.
    """
    _sample.check(border, interpolation)
    if not isinstance(warp, Warp):
        raise BadValue(f"a warp such as zoom(1.02) is needed, not {type(warp).__name__}")
    array, count = _start(picture, size, border), _count(seconds, rate)
    stage = array.shape[1], array.shape[0]

    def frames() -> Iterator[Array]:
        for number in range(count):
            yield through(array, warp, Stage(*stage, number / rate), border, interpolation)

    return video.from_frames(frames, rate=rate, count=count)


def loop(
    picture: Picture,
    warp: Warp,
    *steps: Step,
    seconds: float = 10.0,
    rate: float = 30.0,
    masks: Any = None,
    refresh: Number | Mask | Array = 0.0,
    sharpen: Number = 0.0,
    seamless: bool = False,
    size: int | tuple[int, int] | None = None,
    border: Border = "mirror",
    interpolation: Interpolation = "bicubic",
) -> Clip:
    """A feedback film: each frame is the one before, seen through the warp and changed by the steps.

        canvas.loop(photo, zoom(1.02) @ rotate(0.01), seconds=10).save("tunnel.mp4")
        canvas.loop(photo, zoom(1.01), dream, masks=mask.circle(0.3), refresh=0.05)

    The first frame is the picture. Nothing is rounded between frames; the clip is computed while it is read, and again
    each time that it is read.

    Args:
        picture: Of any kind.
        warp: What happens from one frame to the next, at the time of the next.
        steps: Models, colour operations, other warps: they get and give pictures, in this order. What they give is
            brought to the size of the film; where it is transparent, what they were given shows through.
        seconds: Length.
        rate: Frames per second. The warp is applied for each frame, so that twice the rate is twice as fast.
        masks: Where the steps act: one mask for all of them, or a list of one (or None: everywhere) for each.
        refresh: How much of the first frame is laid over each of the others, after the steps: a number in [0, 1], a
            signal, or a mask, inside which the picture stays and out of which it flows.
        sharpen: Each interpolation makes the picture softer. 1 makes up for what `"bilinear"` takes on the average, 0.2
            for `"bicubic"`, which takes little; with more the film grows patterns of its own.
        seamless: Make the last frame lead to the first. Two films run, each beginning anew while only the other is
            seen, half the length apart, and are blended into each other. What moves in the warp should come back to
            where it began, as in `play`.
        size: Of the film: (width, height) or a height; by default the picture's.
        border: What comes in at the border; see `apply`.
        interpolation: As in `apply`.

    Raises:
        BadValue: the picture, the warp or a step is none; a number is out of range; not one mask for each step.
    """
    _sample.check(border, interpolation)
    if not isinstance(warp, Warp):
        raise BadValue(f"a warp such as zoom(1.02) is needed, not {type(warp).__name__}")
    for step in steps:
        if not callable(step):
            raise BadValue(f"a step is a function of a picture, or a model, not {type(step).__name__}")
    feedback = _Feedback(
        start=_start(picture, size, border),
        warp=warp,
        steps=steps,
        masks=_mask_each(masks, len(steps)),
        refresh=checked_mask(refresh),
        sharpen=sharpen if isinstance(sharpen, Signal) else signals.number("sharpen", sharpen),
        rate=rate,
        border=border,
        interpolation=interpolation,
    )
    count = _count(seconds, rate)
    return video.from_frames(partial(_Seamless if seamless else _Unfolding, feedback, count), rate=rate, count=count)


@dataclass(frozen=True, slots=True)
class _Feedback:
    """How a frame becomes the next."""

    start: Array
    warp: Warp
    steps: tuple[Step, ...]
    masks: list[Any]
    refresh: Any
    sharpen: Number
    rate: float
    border: str
    interpolation: str

    def next(self, frame: Array, number: int) -> Array:
        """Frame `number`, from the one before."""
        stage = Stage(frame.shape[1], frame.shape[0], number / self.rate)
        frame = through(frame, self.warp, stage, self.border, self.interpolation)
        frame = _sharpened(frame, signals.value_at(self.sharpen, stage.time))
        for step, mask in zip(self.steps, self.masks, strict=True):
            if isinstance(step, Warp):
                changed = through(frame, step, stage, self.border, self.interpolation)
            else:
                changed = _brought_back(step(frame), frame)
            frame = changed if mask is None else _laid(frame, changed, _share(mask, stage))
        if self.refresh == 0 or self.refresh is None:
            return frame
        return _laid(frame, self.start, _share(self.refresh, stage))


class _Unfolding:
    """The frames of a feedback film, one after the other; a render that was stopped goes on with its state.

    Args:
        feedback: How a frame becomes the next.
        count: How many there are.
    """

    def __init__(self, feedback: _Feedback, count: int) -> None:
        self._feedback, self._count = feedback, count
        self._number = 0
        self._frames: tuple[Array, ...] = ()

    def __iter__(self) -> Iterator[Array]:
        return self

    def __next__(self) -> Array:
        if self._number == self._count:
            raise StopIteration
        shown, self._frames = self._next(self._number)
        self._number += 1
        return shown

    def film_state(self) -> dict[str, Any]:
        """How far it is, and what it goes on with."""
        return {"number": self._number, **{f"frame{place}": frame for place, frame in enumerate(self._frames)}}

    def set_film_state(self, state: Mapping[str, Any]) -> None:
        """Go on with what `film_state` gave."""
        self._number = int(state["number"])
        self._frames = tuple(state[f"frame{place}"] for place in range(len(state) - 1))

    def _next(self, number: int) -> tuple[Array, tuple[Array, ...]]:
        """Frame `number`, and what the one after it is made of."""
        start = self._feedback.start
        frame = start if number == 0 else self._feedback.next(self._frames[0], number)
        return frame, (frame,)


class _Seamless(_Unfolding):
    """Two films in turns: one begins at frame 0, the other at half the length, and goes on through the seam."""

    def _next(self, number: int) -> tuple[Array, tuple[Array, ...]]:
        start, half = self._feedback.start, self._count // 2
        first, second = self._frames if number else (start, self._through_the_seam())
        first = start if number == 0 else self._feedback.next(first, number)
        second = start if number == half else self._feedback.next(second, number)
        through_part = number / half if number < half else (self._count - number) / (self._count - half)
        shown = _laid(second, first, np.float32(math.sin(math.pi / 2 * through_part) ** 2))
        return shown, (first, second)

    def _through_the_seam(self) -> Array:
        """The second film as it is when the first begins."""
        frame = self._feedback.start
        for number in range(self._count // 2 + 1, self._count):
            frame = self._feedback.next(frame, number)
        return frame


def _start(picture: Picture, size: Any, border: str) -> Array:
    """The first frame: H×W×3, or H×W×4 if there is alpha or if there will be."""
    array = _kinds.to_array(loaded(picture)[1])
    if size is not None:
        current = array.shape[1], array.shape[0]
        array = _resample.resample(array, _resample.target_size(current, size), "auto")
    if border == "transparent" and array.shape[2] == 3:
        array = np.dstack([array, np.ones(array.shape[:2], np.float32)])
    return array


def _brought_back(result: Any, frame: Array) -> Array:
    """What a step made of a frame, with that frame's size and channels."""
    array = _kinds.to_array(loaded(result)[1])
    if array.shape[:2] != frame.shape[:2]:
        array = _resample.resample(array, (frame.shape[1], frame.shape[0]), "auto")
    if array.shape[2] == 4 and frame.shape[2] == 3:
        return _laid(frame, array[:, :, :3], array[:, :, 3:])
    if array.shape[2] == 3 and frame.shape[2] == 4:
        return np.dstack([array, frame[:, :, 3:]])
    return array


def _sharpened(frame: Array, amount: float) -> Array:
    """`frame` with its detail raised by what bilinear interpolation takes on the average, times `amount`."""
    import cv2

    if amount == 0:
        return frame
    # Between pixels the mean of f(1 - f) over all f is 1/6: half of that, times the Laplacian, is what is lost.
    corner, middle = np.float32(-amount / 12), np.float32(1 + amount / 3)
    kernel = np.array([[0, corner, 0], [corner, middle, corner], [0, corner, 0]], np.float32)
    sharp = cv2.filter2D(frame, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.clip(sharp, 0, 1, out=sharp)


def _laid(under: Array, over: Array, share: Any) -> Array:
    """`over` where the share is 1, `under` where it is 0."""
    mixed = over - under
    mixed *= share
    mixed += under
    return mixed


def _share(mask: Any, stage: Stage) -> Any:
    """A number, or H×W×1."""
    if isinstance(mask, float | Signal):
        return np.float32(min(max(signals.value_at(mask, stage.time), 0.0), 1.0))
    found = values(mask, stage.size, stage.time)
    if found.shape[2] != 1:
        raise BadValue(f"where a step acts is said by a mask of one channel, not {found.shape[2]}")
    return found.clip(0, 1)


def _mask_each(masks: Any, count: int) -> list[Any]:
    if masks is None or not isinstance(masks, Sequence):
        return [checked_mask(masks)] * count
    if len(masks) != count:
        raise BadValue(f"there are {count} steps and {len(masks)} masks; give one for each, or None")
    return [checked_mask(mask) for mask in masks]


def _count(seconds: Any, rate: Any) -> int:
    if signals.number("rate", rate) <= 0:
        raise BadValue(f"rate must be above 0 frames per second, not {rate!r}")
    if not 0 < signals.number("seconds", seconds) <= _MOST_SECONDS:
        raise BadValue(f"seconds must be above 0 and at most {_MOST_SECONDS}, not {seconds!r}")
    return max(1, round(seconds * rate))
