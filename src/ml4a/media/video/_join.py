"""Segments in, a film out: their packets as they are, and the sound of the source.

All films are written so, those that are encoded in one go too: the same frames give the same bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ml4a._core.errors import CannotWrite

from . import _sound
from ._encode_film import MUXERS, Pictures, film_file
from ._frames import Frame
from ._parts import Part, Point
from ._segments import Packets, SegmentWriter, number_of
from ._source import Header, Source

Array = np.ndarray[Any, Any]


def write_film(
    path: Path,
    frames: Iterator[Frame],
    source: Source,
    *,
    quality: int,
    record: str | None = None,
    cut_short: threading.Event | None = None,
) -> None:
    """Write uint8 frames of one size, at least one, to `path`; its segments lie in a folder beside it meanwhile.

    See `join_film` for the other arguments.

    Raises:
        OSError: the file cannot be written.
        av.error.FFmpegError: the codec cannot encode such frames.
    """
    with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as folder:
        try:
            parts = _encoded(Path(folder), frames, source.header, MUXERS[path.suffix.lower()], quality)
        except CannotWrite as error:  # parts that go away are nothing to speak of, nor to go on with
            raise error.__cause__ or error from None
        join_film(path, parts, source, quality=quality, record=record, cut_short=cut_short)


def _encoded(folder: Path, frames: Iterator[Frame], header: Header, muxer: str, quality: int) -> list[Part]:
    parts: list[Part] = []
    done = 0
    for _, own in itertools.groupby(frames, key=lambda frame: number_of(frame.time)):
        last = first = next(own)
        writer = SegmentWriter(folder, done, first.array.shape, header, muxer, quality)
        try:
            for last in itertools.chain([first], own):
                writer.add(last)
                done += 1
            point = Point(done, last.time, last.time + last.duration, seen=0, damaged=0, state={})
            parts.append(writer.close(folder / f"{len(parts)}.zip", point))
        except BaseException:
            writer.abandon()
            raise
    return parts


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
        pictures = Pictures(MUXERS[path.suffix.lower()], parts[0].shape, header, quality)
        track = pictures.track(output)
        sound = None
        if source.track is not None:
            sound = closing.enter_context(contextlib.closing(_sound.writer(source.track, output)))
        number = 0
        for segment in segments:
            durations, end = segment.table[:, 3].tolist(), segment.part.point.end
            for packet, duration in zip(segment.read(), durations, strict=True):
                packet.stream, packet.time_base = track, pictures.tick
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
