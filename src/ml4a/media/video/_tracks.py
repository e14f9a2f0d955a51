"""What is heard with a clip: sound of a file or in memory, and edits of it, computed in blocks while it is read."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from ..audio import _mix

if TYPE_CHECKING:
    from ..audio import Sound

Block: TypeAlias = np.ndarray[Any, Any]
"""N×C float32, nominally in [-1, 1]."""

BLOCK = 1 << 14
"""Samples that are computed at a time."""


@dataclass(frozen=True, slots=True)
class Form:
    """How samples are wanted."""

    rate: int
    """Hz."""
    channels: int


class Track(Protocol):
    """Sound over a clip's time, of which any stretch can be had."""

    @property
    def form(self) -> Form:
        """How the sound is stored, and comes without loss."""
        ...

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """The samples from `start` to `stop`, counted at the rate of `form` from the beginning of the clip.

        Where there is no sound there is silence, so that `stop - start` samples come; without `stop`, as many as there
        are.
        """
        ...


class InMemory:
    """A sound that was given as a value."""

    def __init__(self, sound: Sound) -> None:
        self._sound = self._resampled = sound
        self.form = Form(sound.rate, sound.channels)

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        if self._resampled.rate != form.rate:
            self._resampled = self._sound.resampled(form.rate)
        samples = self._resampled.samples
        stop = len(samples) if stop is None else stop
        for begin in range(start, stop, BLOCK):
            end = min(stop, begin + BLOCK)
            yield _padded(mixed_to(samples[begin:end], form.channels), end - begin)


class Silence:
    """Nothing, where something is due."""

    form = Form(48_000, 2)

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        for begin in range(start, start if stop is None else stop, BLOCK):
            yield np.zeros((min(BLOCK, (stop or 0) - begin), form.channels), np.float32)


class Cut:
    """What is heard between two moments of another track, in seconds."""

    def __init__(self, track: Track, start: Fraction, end: Fraction | None) -> None:
        self._track, self._start, self._end = track, start, end
        self.form = track.form

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        shift = round(self._start * form.rate)
        last = None if self._end is None else round(self._end * form.rate)
        inner_stop = last if stop is None else shift + stop if last is None else min(last, shift + stop)
        come = yield from _counted(self._track.blocks(form, shift + start, inner_stop))
        if stop is not None:
            yield from Silence().blocks(form, start + come, stop)


class Joined:
    """Tracks one after the other, each with the seconds that it lasts."""

    def __init__(self, parts: Iterable[tuple[Track | None, Fraction]]) -> None:
        parts = list(parts)
        self._tracks = [track or Silence() for track, _ in parts]
        self._starts = list(itertools.accumulate((seconds for _, seconds in parts), initial=Fraction(0)))
        self.form = next((track.form for track, _ in parts if track is not None), Silence.form)

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        edges = [round(each * form.rate) for each in self._starts]
        stop = edges[-1] if stop is None else stop
        for track, (first, last) in zip(self._tracks, itertools.pairwise(edges), strict=True):
            if start < last and first < stop:
                yield from track.blocks(form, max(start, first) - first, min(stop, last) - first)
        yield from Silence().blocks(form, max(start, edges[-1]), stop)


class Retimed:
    """A tape that runs `factor` times as fast, its pitch rising along."""

    def __init__(self, track: Track, factor: Fraction) -> None:
        self._track, self._factor = track, factor
        self.form = track.form

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        # Fewer samples a second of the original, played at the same rate: sample for sample the same numbers.
        return self._track.blocks(Form(max(1, round(form.rate / self._factor)), form.channels), start, stop)


class Reversed:
    """A tape that runs backwards, from a moment in seconds to the beginning."""

    _SECONDS = 8
    """That are read at a time."""

    def __init__(self, track: Track, end: Fraction) -> None:
        self._track, self._end = track, end
        self.form = track.form

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        end = round(self._end * form.rate)
        last = end if stop is None else min(stop, end)
        for begin in range(start, last, self._SECONDS * form.rate):
            until = min(last, begin + self._SECONDS * form.rate)
            forward = np.concatenate(list(self._track.blocks(form, end - until, end - begin)))
            yield forward[::-1]
        yield from Silence().blocks(form, max(start, last), last if stop is None else stop)


class Faded:
    """One track that gives way to another over some seconds, at equal power."""

    def __init__(self, before: Track | None, after: Track | None, seconds: Fraction) -> None:
        self._before, self._after, self._seconds = before or Silence(), after or Silence(), seconds
        self.form = (before or after or self._before).form

    def blocks(self, form: Form, start: int, stop: int | None) -> Generator[Block, None, None]:
        """See `Track`."""
        length = round(self._seconds * form.rate)
        stop = length if stop is None else stop
        old, new = (in_steps(each.blocks(form, start, stop), BLOCK) for each in (self._before, self._after))
        for begin, before, after in zip(range(start, stop, BLOCK), old, new, strict=True):
            time = np.arange(begin, begin + len(before), dtype=np.float32)[:, None]
            angle = (time / max(1, length)).clip(0, 1) * (np.pi / 2)
            yield before * np.cos(angle) + after * np.sin(angle)


def in_steps(blocks: Iterable[Block], length: int) -> Generator[Block, None, None]:
    """The same samples in blocks that are all of one length, but for the last."""
    waiting: list[Block] = []
    have = 0
    for block in blocks:
        waiting.append(block)
        have += len(block)
        while have >= length:
            together = np.concatenate(waiting)
            yield together[:length]
            waiting, have = [together[length:]], have - length
    if have:
        yield np.concatenate(waiting)


def mixed_to(samples: Block, channels: int) -> Block:
    """N×C float32 with so many channels: mixed down to one or two; else the missing ones are silent."""
    if samples.shape[1] == channels:
        return samples
    if channels <= 2:
        return _mix.mono(samples) if channels == 1 else _mix.stereo(samples)
    return _padded(samples[:, :channels].T, channels).T


def _padded(samples: Block, length: int) -> Block:
    """`samples`, followed by silence up to `length`."""
    missing = length - len(samples)
    return np.pad(samples, ((0, missing), (0, 0))) if missing > 0 else samples


def _counted(blocks: Iterable[Block]) -> Generator[Block, None, int]:
    come = 0
    for block in blocks:
        come += len(block)
        yield block
    return come
