"""Segments in, a film out: their packets as they are, and the sound of the source."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _sound
from ._encode_film import Pictures, film_file
from ._parts import Part
from ._segments import THREADS, Packets
from ._source import Source

Array = np.ndarray[Any, Any]


def join_film(
    path: Path,
    parts: Sequence[Part],
    source: Source,
    *,
    quality: int,
    record: str | None = None,
    cut_short: threading.Event | None = None,
) -> None:
    """Write the segments `parts`, in their order, to `path`, whose suffix chooses the container.

    The header is what the encoder of the segments says, as in a film that is encoded in one go. When frames are decoded
    is told anew for the film as a whole, so that nothing shows where one segment ends and the next begins.

    Args:
        path: Where.
        parts: One or more, of one encoder.
        source: Gives the frames' clock; its sound goes along.
        quality: What the segments were encoded with.
        record: Text for the container's metadata.
        cut_short: Set if the segments end before the source does: the sound then ends with them.

    Raises:
        BadMedia: a segment is damaged.
        OSError: the file cannot be written.
    """
    segments = [Packets.of(part) for part in parts]
    header = source.header
    shown, decoded = clock([segment.times for segment in segments], round(1 / header.rate / header.time_base))
    with contextlib.ExitStack() as closing:
        output = closing.enter_context(film_file(path, record))
        pictures = Pictures(output, parts[0].shape, header, quality, THREADS)
        sound = None
        if source.track is not None:
            sound = closing.enter_context(contextlib.closing(_sound.writer(source.track, output)))
        number = 0
        for segment in segments:
            durations, end = segment.table[:, 3].tolist(), segment.part.point.end
            for packet, duration in zip(segment.read(), durations, strict=True):
                packet.stream, packet.time_base = pictures.track, pictures.tick
                packet.pts, packet.dts, packet.duration = shown[number], decoded[number], duration
                output.mux(packet)
                if sound:
                    sound.carry(until=min(end, (shown[number] + duration) * pictures.tick))
                number += 1
            if sound:
                sound.carry(until=end)
        if sound:
            sound.finish(cut_short=cut_short is not None and cut_short.is_set())


def clock(times: Sequence[Array], step: int) -> tuple[list[int], list[int]]:
    """When each packet of a film is shown and when it is decoded, in ticks.

    Each segment is decoded ahead of being shown as an encoder has it, all of them equally far. (Were frames decoded
    when those some places before them are shown, without regard to segments, a still picture before a segment would
    tear its key frame from the next frame, and FFmpeg, reading MP4, would take the film to end there.)

    Args:
        times: By segment, when its packets are to be shown, in the order of decoding; all different.
        step: Between frames, at the film's rate.

    Returns:
        For all packets in the order of decoding, the times at which they are shown, in which each frame comes after the
        one before, whatever segments say; and those at which they are decoded, which increase and are never later.
    """
    order = np.arange(sum(map(len, times)))
    by_time = np.maximum.accumulate(np.concatenate([np.sort(each) for each in times]) - order) + order
    ranks = [np.argsort(np.argsort(each)) for each in times]
    depth = max(int((np.arange(len(rank)) - rank).max()) for rank in ranks)  # frames that the decoder has to hold back
    shown, decoded = [], []
    start = 0
    for rank in ranks:
        own = by_time[start : start + len(rank)]
        ahead = own[depth] - own[0] if len(own) > depth else max(1, step) * depth
        shown.append(own[rank])
        decoded += [own[:depth] - ahead, own[: max(0, len(own) - depth)]]
        start += len(rank)
    increasing = np.maximum.accumulate(np.concatenate(decoded) - order) + order
    return np.concatenate(shown).tolist(), increasing.tolist()
