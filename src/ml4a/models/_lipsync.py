"""What is around Wav2Lip's network: which moment of speech goes with which frame, where the face is, and the way back.

Boxes are rows of (x1, y1, x2, y2) in pixels; a row of NaN is a frame in which no face was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from ml4a.media.face import Face

Array: TypeAlias = np.ndarray[Any, Any]

STEPS = 16
"""Of the mel spectrogram that go with a frame."""
STEPS_PER_SECOND = 80
WINDOW = 5
"""Frames over which boxes are smoothed."""

_TOP, _SIDES, _BOTTOM = (0.40, 0.56), 0.14, 0.10
"""Shares of a box over which a soft mouth comes in: from above, from the sides, from below."""


def chunk_starts(steps: int, rate: Fraction | float, count: int | None = None) -> Array:
    """The first step of the spectrogram that goes with each frame.

    Args:
        steps: How many there are, at least `STEPS`.
        rate: Frames per second.
        count: How many frames; those at the end share the last of the speech. By default as many as in the original,
            which ends with the first frame that has not `STEPS` of its own.
    """
    last = steps - STEPS
    if count is None:
        count = next(number for number in range(steps + 1) if _start(number, rate) > last) + 1
    return np.minimum([_start(number, rate) for number in range(count)], last)


def _start(frame: int, rate: Fraction | float) -> int:
    return int(frame * STEPS_PER_SECOND / rate)


def chosen(faces: Sequence[Face], before: Array | None) -> Array | None:
    """Whose mouth it is: the face that overlaps that of the frame before most; else the largest, or None.

    Args:
        faces: The largest first.
        before: The box of the last frame that had a face.
    """
    if not faces:
        return None
    boxes = np.array([face.box for face in faces])
    alike = np.zeros(len(boxes)) if before is None else overlap(boxes, before)
    return boxes[alike.argmax()]


def overlap(boxes: Array, other: Array) -> Array:
    """What boxes have in common with another, as a share of what they cover together: N×4 and 4, or N×4, to N."""
    sides = np.minimum(boxes[:, 2:], other[..., 2:]) - np.maximum(boxes[:, :2], other[..., :2])
    common = sides.clip(min=0).prod(axis=1)
    areas = [(each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (boxes, other)]
    return common / np.maximum(areas[0] + areas[1] - common, 1e-9)


def padded(box: Array, pads: Sequence[int], width: int, height: int) -> Array:
    """A box with so many pixels more above, below, to the left and to the right, within the frame."""
    top, bottom, left, right = pads
    x1, y1, x2, y2 = box
    return np.array([max(0, x1 - left), max(0, y1 - top), min(width, x2 + right), min(height, y2 + bottom)])


def spread(boxes: Array, places: Sequence[int]) -> Array:
    """Boxes of some frames as those of all: on the straight way from one to the next.

    Where one of the two has no face, those between have none.

    Args:
        boxes: Of the frames at `places`.
        places: Numbers of frames, from 0 to the last.
    """
    frames = np.arange(places[-1] + 1)
    return np.stack([np.interp(frames, places, boxes[:, side]) for side in range(4)], axis=1)


def bridged(boxes: Array, longest: float = np.inf) -> Array:
    """Boxes for the frames without a face: on the straight way between those before and after.

    At the beginning and at the end, where there is no such way, it is the mean of all boxes, as in ml4a.

    Args:
        boxes: N×4, at least one of them a face.
        longest: Frames in a row without a face that are bridged at most; longer stretches are left.
    """
    found = np.isfinite(boxes[:, 0])
    places = np.flatnonzero(found)
    frames = np.arange(len(boxes))
    mean = boxes[found].mean(axis=0)
    ways = np.stack([np.interp(frames, places, boxes[found, side]) for side in range(4)], axis=1)
    ways[: places[0]] = ways[places[-1] + 1 :] = mean
    edges = np.concatenate(([-1], places, [len(boxes)]))
    gaps = np.diff(edges)[np.searchsorted(edges, frames, side="left") - 1] - 1
    return np.where((found | (gaps <= longest))[:, None], ways, np.nan)


def smoothed(boxes: Array, window: int = WINDOW) -> Array:
    """Means over a window of frames around each, as long as the face stays in its place: N×4 floats.

    Where it jumps, at a cut, the window ends.
    """
    result = boxes.copy()
    apart = np.flatnonzero(~(overlap(boxes[:-1], boxes[1:]) > 0)) + 1
    for start, end in zip([0, *apart], [*apart, len(boxes)], strict=True):
        sums = np.concatenate((np.zeros((1, 4)), boxes[start:end].cumsum(axis=0)))
        places = np.arange(end - start)
        reach = np.minimum(np.minimum(places, places[::-1]), window // 2)  # even on both sides, so that nothing lags
        result[start:end] = (sums[places + reach + 1] - sums[places - reach]) / (2 * reach + 1)[:, None]
    return result


def smoothed_ahead(boxes: Array, window: int = WINDOW) -> Array:
    """As the original does: means of each box and the four after it, in whole pixels, written over what was there.

    Near the end the window stays the last five, of which some are means already.
    """
    result = boxes.copy()
    for place in range(len(boxes)):
        start = max(0, min(place, len(boxes) - window))
        result[place] = result[start : start + window].mean(axis=0)
    return result


def whole(box: Array, frame: Array) -> tuple[int, int, int, int] | None:
    """A box in whole pixels within its frame, if there is one."""
    if not np.isfinite(box).all():
        return None
    x1, y1, x2, y2 = (int(each) for each in np.rint(box))
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(frame.shape[1], x2), min(frame.shape[0], y2)
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def cropped(frame: Array, box: Sequence[int], size: int) -> Array:
    """The face in a box at the size that the network takes: size×size×3 uint8."""
    import cv2

    x1, y1, x2, y2 = box
    return cv2.resize(np.ascontiguousarray(frame[y1:y2, x1:x2, :3]), (size, size))


def as_input(faces: Sequence[Array]) -> Array:
    """Faces as the network takes them: N×6×S×S float32, blue first, in [0, 1]; the first three without lower half."""
    whole = np.stack(faces)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255
    upper = whole.copy()
    upper[:, :, whole.shape[2] // 2 :] = 0
    return np.concatenate((upper, whole), axis=1)


def pasted(frame: Array, painted: Array, box: Sequence[int]) -> None:
    """Put a painted face into its box, edges and all, as the original does.

    Args:
        frame: H×W×C uint8, which is changed.
        painted: S×S×3 float32 in [0, 1].
        box: Within the frame.
    """
    import cv2

    x1, y1, x2, y2 = box
    frame[y1:y2, x1:x2, :3] = cv2.resize((painted * 255).astype(np.uint8), (x2 - x1, y2 - y1))


def blended(frame: Array, painted: Array, box: Sequence[int]) -> None:
    """Put the lower half of a painted face into its box so that it grows out of what is there.

    Its colours are shifted until they agree, on average, with those of the frame along the rim.

    Args:
        frame: H×W×C uint8, which is changed.
        painted: S×S×3 float32 in [0, 1].
        box: Within the frame.
    """
    import cv2

    x1, y1, x2, y2 = box
    there = frame[y1:y2, x1:x2, :3]
    height, width = there.shape[:2]
    how = cv2.INTER_CUBIC if max(height, width) > len(painted) else cv2.INTER_AREA
    new = cv2.resize(painted, (width, height), interpolation=how) * 255
    mask = _mouth(height, width)
    rim = mask * (1 - mask)
    difference = there - new
    new += (rim * difference).sum(axis=(0, 1)) / max(float(rim.sum()), 1e-6)
    there[:] = np.rint(there + mask * (new - there)).clip(0, 255)


def _mouth(height: int, width: int) -> Array:
    """The share of each pixel that is painted: H×W×1 float32 in [0, 1]."""
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None]
    edges = (
        (y - _TOP[0]) / (_TOP[1] - _TOP[0]),
        (1 - y) / _BOTTOM,
        x / _SIDES,
        (1 - x) / _SIDES,
    )
    mask = np.ones((height, width), np.float32)
    for edge in edges:
        share = edge.clip(0, 1)
        mask *= share * share * (3 - 2 * share)
    return mask[:, :, None]
