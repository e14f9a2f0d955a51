"""Where the face that speaks is, in every frame of some footage."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core import progress
from ml4a._core.errors import BadMedia

from . import _lipsync
from ._footage import Footage, check_box
from ._operation import recording

if TYPE_CHECKING:
    from ml4a.media.face import Detector


def detector(weights: str, device: str) -> Detector:
    """The faces' model with these weights; S3FD, the original's, takes for a face what the original does."""
    from . import registry

    faces = registry.load("face", weights, device=device)
    search = {"threshold": 0.5, "smallest": 0.005} if weights == "s3fd" else {}

    def find(picture: np.ndarray[Any, Any]) -> Any:
        with recording(False):
            return faces(picture, **search)

    return find


def found(
    footage: Footage, find: Detector, pads: tuple[int, int, int, int], count: int, every: int
) -> np.ndarray[Any, Any]:
    """The padded box of the face in each frame, N×4; NaN where there is none.

    Raises:
        BadMedia: there is none at all, or no frame.
    """
    boxes: dict[int, np.ndarray[Any, Any]] = {}
    before: np.ndarray[Any, Any] | None = None

    def look(number: int, frame: np.ndarray[Any, Any]) -> None:
        nonlocal before
        place = _lipsync.chosen(find(frame[:, :, :3].astype(np.float32) / 255), before)
        before = before if place is None else place
        width, height = frame.shape[1], frame.shape[0]
        boxes[number] = np.full(4, np.nan) if place is None else _lipsync.padded(place, pads, width, height)

    seen, last = 0, None
    progress.report("faces", 0, count, "frames")
    with contextlib.closing(footage.frames()) as frames:
        for number, last in enumerate(itertools.islice(frames, count)):
            if number % every == 0:
                look(number, last)
            seen = number + 1
            progress.report("faces", seen, max(seen, min(count, footage.clip.count or count)), "frames")
    _check_any(footage, seen)
    if last is not None and seen - 1 not in boxes:  # so that there is something to go to
        look(seen - 1, last)
    if before is None:
        raise BadMedia(
            f"no face found in {seen} frame{'s' * (seen > 1)}; give its box (top, bottom, left, right), try another "
            "detector, or turn the film if it lies on its side (rotate)"
        )
    return _lipsync.spread(np.array(list(boxes.values())), list(boxes))


def settled(boxes: np.ndarray[Any, Any], smooth: str, longest: float) -> np.ndarray[Any, Any]:
    """Boxes as they are used: bridged and smoothed; NaN where the frame stays as it is."""
    boxes = _lipsync.bridged(boxes, longest)
    if smooth == "centred":
        return _lipsync.smoothed(boxes)
    boxes = np.trunc(boxes)
    if smooth == "none":
        return boxes
    found = np.isfinite(boxes[:, 0])
    edges = np.flatnonzero(np.diff(found)) + 1
    for start, end in itertools.pairwise((0, *edges, len(boxes))):
        if found[start]:
            boxes[start:end] = _lipsync.smoothed_ahead(boxes[start:end].astype(int))
    return boxes


def everywhere(footage: Footage, box: tuple[int, int, int, int], count: int) -> np.ndarray[Any, Any]:
    """The same box for each frame that there is, or that is needed.

    Raises:
        BadMedia: there is no frame.
        BadValue: the box is not within the frames.
    """
    seen = 0
    with contextlib.closing(footage.frames()) as frames:
        for frame in itertools.islice(frames, count):
            if seen == 0:
                check_box("box", box, frame.shape[1], frame.shape[0])
            seen += 1
            progress.report("frames", seen, max(seen, min(count, footage.clip.count or count)), "frames")
    _check_any(footage, seen)
    top, bottom, left, right = box
    return np.tile(np.array([left, top, right, bottom], np.float64), (seen, 1))


def _check_any(footage: Footage, seen: int) -> None:
    if not seen:
        name = footage.clip.source.header.name
        raise BadMedia(f"{name} holds no frame that can be decoded; it may be cut short")
