"""Whether lips and sound of a film are in step, by SyncNet (Prajwal et al., ACM Multimedia 2020)."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ml4a._core import progress
from ml4a._core.errors import BadMedia

from . import _lipsync

if TYPE_CHECKING:
    import torch

    from ml4a.networks.syncnet import SyncNet

    from ._footage import Footage

Array: TypeAlias = np.ndarray[Any, Any]

RATE = 25
"""Frames per second of the films that SyncNet was trained on."""
REACH = 15
"""Frames by which the sound may be early or late."""


@dataclass(frozen=True)
class Sync:
    """How well lips and sound go together.

    Args:
        offset: Seconds by which the sound comes after the lips that say it; below 0, before.
        score: Of that offset, in [-1, 1]: the mean likeness of lips and sound.
        confidence: By how much the score is above the middle one of all offsets.
        scores: Of each offset, from `REACH` frames early to as many late.
    """

    offset: float
    score: float
    confidence: float
    scores: Array


def measured(expert: SyncNet, device: torch.device, footage: Footage, boxes: Array, mel: Array, batch: int) -> Sync:
    """Compare what is seen at each moment with what is heard then, earlier and later.

    Args:
        expert: On its device.
        device: Where that is.
        footage: At `RATE`.
        boxes: Of the face in each frame; NaN where there is none.
        mel: Of the sound.
        batch: Moments that are looked at at once.

    Raises:
        BadMedia: the face is nowhere seen in so many frames in a row as the network looks at, or nothing is heard then.
    """
    height, width = expert.size
    places: list[int] = []
    seen: list[Array] = []
    moments = _mouths(footage, boxes, expert.frames, width, height)
    while part := list(itertools.islice(moments, batch)):
        places += [place for place, _ in part]
        seen.append(_encoded(expert.face_encoder, np.concatenate([mouths for _, mouths in part]), device))
        progress.report("lips", places[-1] + 1, len(boxes), "frames")
    starts = _lipsync.chunk_starts(mel.shape[1], RATE)[:-1]
    chunks = [mel[None, :, start : start + _lipsync.STEPS] for start in starts]
    heard = [
        _encoded(expert.audio_encoder, np.stack(chunks[first : first + batch]), device)
        for first in range(0, len(chunks), batch)
    ]
    scores = _scores(np.array(places), np.concatenate(seen), np.concatenate(heard)) if seen and heard else np.array([])
    if not np.isfinite(scores).any():
        raise BadMedia(f"it takes {expert.frames} frames in a row with a face, and a moment of sound, to compare them")
    best = int(np.nanargmax(scores))
    middle = float(np.nanmedian(scores))
    return Sync((best - REACH) / RATE, float(scores[best]), float(scores[best]) - middle, scores)


def _mouths(footage: Footage, boxes: Array, frames: int, width: int, height: int) -> Iterator[tuple[int, Array]]:
    """For each moment, its first frame's number and the lower halves of its faces, 1×3F×48×96, blue first."""
    window: deque[Array] = deque(maxlen=frames)
    with contextlib.closing(footage.frames()) as shown:
        for number, (frame, row) in enumerate(zip(shown, boxes, strict=False)):
            box = _lipsync.whole(row, frame)
            if box is None:
                window.clear()
                continue
            face = _lipsync.cropped(frame, box, width)[-height:, :, ::-1]
            window.append(face.transpose(2, 0, 1).astype(np.float32) / 255)
            if len(window) == frames:
                yield number - frames + 1, np.concatenate(window)[None]


def _encoded(encoder: torch.nn.Module, x: Array, device: torch.device) -> Array:
    """What an encoder makes of N inputs, as directions: N×C."""
    import torch
    from torch.nn import functional as F

    with torch.inference_mode():
        return F.normalize(encoder(torch.from_numpy(x).to(device)).flatten(1)).float().cpu().numpy()


def _scores(places: Array, seen: Array, heard: Array) -> Array:
    """The mean likeness of each offset; NaN where nothing is left to compare."""
    scores = np.full(2 * REACH + 1, np.nan)
    for number, offset in enumerate(range(-REACH, REACH + 1)):
        at = places + offset
        both = (at >= 0) & (at < len(heard))
        if both.any():
            scores[number] = (seen[both] * heard[at[both]]).sum(axis=1).mean()
    return scores
