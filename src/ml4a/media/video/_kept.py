"""What is computed of a film, kept in a folder while the computation goes on, so that another run goes on from there.

Films are kept as segments, and the frames of the segment that is not closed yet as pictures, whenever seconds of work
would be lost. Animations and numbered pictures are kept as frames alone, and encoded when all are there.
"""

from __future__ import annotations

import itertools
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ml4a._core.errors import BadMedia
from ml4a._core.record import Record

from . import _encode_stills, _parts, _segments
from ._encode_animation import write_animation
from ._encode_film import MUXERS
from ._frames import Frame
from ._join import join_film
from ._parts import Part, Point
from ._save import complaining_of
from ._segments import SegmentWriter
from ._source import Source

log = logging.getLogger("ml4a")

SECONDS_AT_RISK = 5.0
"""Of work: after so long, frames are kept that no closed segment holds."""
_LONG = 20.0
"""Seconds of work in a segment that are worth keeping more often than memory would have it."""
_PENDING_BYTES = 32 << 20
"""Of frames in memory that are not kept yet."""
_UNFINISHED = "unfinished.zip"
"""The end of a film that was stopped, as it is shown then; it is not gone on with."""


@dataclass(frozen=True, slots=True)
class Made:
    """A computed frame."""

    frame: Frame
    """In 8 bits."""
    point: Point
    """From where to go on after it."""
    best_so_far: bool = False
    """Whether its computation was interrupted: it may be shown, but is to be made anew."""


class Kept:
    """The folder of one film.

    Args:
        folder: Made if it is not there; nobody else writes to it.
        target: What the film will be.
        source: Gives the frames' clock.
        quality: 1 to 100.

    Raises:
        CannotWrite: the folder cannot be made.
    """

    def __init__(self, folder: Path, target: Path, source: Source, quality: int) -> None:
        self.folder = folder
        self._target, self._source, self._quality = target, source, quality
        suffix = target.suffix.lower()
        self._muxer = None if _encode_stills.is_pattern(target) else MUXERS.get(suffix)
        self.stopping = threading.Event()
        """Set before the frames end if there would be more."""
        self.showing = threading.Event()
        """Set, too, if what there is by then is to be shown."""
        with _parts.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in [*folder.glob("*.part"), folder / _UNFINISHED]:
                path.unlink(missing_ok=True)
        self.segments, self._pieces = self._found()
        """Those that are closed, in order."""
        self._unfinished: Part | None = None
        self._shown = folder / "shown"
        self._at = self.point
        self._pending: list[Frame] = []
        self._pending_bytes = 0
        self._worth_keeping = True
        self._saved = time.monotonic()

    @property
    def point(self) -> Point | None:
        """From where to go on; None at the beginning."""
        parts = [*self.segments, *self._pieces]
        return parts[-1].point if parts else None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """H×W×C of the frames; None as long as there are none."""
        parts = [*self.segments, *self._pieces]
        return parts[0].shape if parts else None

    @property
    def shows(self) -> bool:
        """Whether there is anything that `show` can make a film of."""
        whole = self.segments if self._muxer is not None else self._pieces
        return bool(whole or self._unfinished) and (not self.stopping.is_set() or self.showing.is_set())

    def write(self, made: Iterator[Made]) -> None:
        """Keep frames as they come, until there are no more.

        Raises:
            CannotWrite: no space, no permission, or the folder is gone.
            BadValue: such frames cannot be encoded.
        """
        first = next(made, None)
        shape = self.shape if first is None else first.frame.array.shape
        if shape is None:
            return
        made = itertools.chain([] if first is None else [first], made)
        self._saved = time.monotonic()
        with complaining_of(shape, self._target):
            if self._muxer is None:
                self._write_frames(made)
            else:
                self._write_segments(made, self._muxer)

    def show(self, temporary: Path, record: Record | None) -> None:
        """Make the film of what there is, at `temporary`: a path, or the pattern of paths.

        Raises:
            BadMedia: a part is damaged; it is removed, so that the next run makes it anew.
            OSError: there is no space.
        """
        cut_short = self.stopping
        unfinished = [] if self._unfinished is None else [self._unfinished]
        parts = [*self.segments, *unfinished] if self._muxer else [*self._pieces, *unfinished]
        if self._muxer is not None:
            text = None if record is None else record.to_json()
            join_film(temporary, parts, self._source, quality=self._quality, record=text, cut_short=cut_short)
            return
        frames = itertools.chain.from_iterable(map(_segments.read_frames, parts))
        with complaining_of(parts[0].shape, self._target):
            self._encode(temporary, frames, record)

    def _encode(self, temporary: Path, frames: Iterator[Frame], record: Record | None) -> None:
        if _encode_stills.is_pattern(self._target):
            with _parts.writing(self._shown):
                self._shown.touch()
            _encode_stills.write_stills(temporary, frames, quality=self._quality, record=record)
        else:
            write_animation(temporary, frames, self._source.header, quality=self._quality, record=record)

    @property
    def has_shown(self) -> bool:
        """Whether an earlier run began to write numbered pictures, so that those that are there are its own."""
        return self._shown.exists()

    def clear(self) -> None:
        """Forget all parts."""
        for part in [*self.segments, *self._pieces]:
            part.path.unlink(missing_ok=True)
        self.segments, self._pieces, self._at = [], [], None
        self._kept_up()

    def discard(self) -> None:
        """Let the folder go away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- Writing -------------------------------------------------------------------------------------------------------

    def _write_segments(self, made: Iterator[Made], muxer: str) -> None:
        writer: SegmentWriter | None = None
        number, point = 0, self.point
        try:
            for piece in self._pieces:
                for frame in _segments.read_frames(piece):
                    number = _segments.number_of(frame.time)
                    writer = writer or self._begun(piece.first, piece.shape, muxer)
                    writer.add(frame)
            for each in made:
                due = _segments.number_of(each.frame.time)
                if writer is not None and point is not None and due != number:
                    self._closed(writer.close(self._segment_path(number), point))
                    writer = None
                number = due
                writer = writer or self._begun(each.point.frames - 1, each.frame.array.shape, muxer)
                writer.add(each.frame)
                self._take(each)
                point = each.point
            if writer is None or point is None:
                return
            if not self.stopping.is_set():
                self._closed(writer.close(self._segment_path(number), point))
                return
            self._spill()
            if self.showing.is_set():
                self._unfinished = writer.close(self.folder / _UNFINISHED, point)
                writer = None
        finally:
            if writer is not None:
                writer.abandon()

    def _begun(self, first: int, shape: tuple[int, ...], muxer: str) -> SegmentWriter:
        return SegmentWriter(self.folder, first, shape, self._source.header, muxer, self._quality)

    def _write_frames(self, made: Iterator[Made]) -> None:
        last = None
        for each in made:
            self._take(each)
            last = each if each.best_so_far else None
        self._spill()
        if last is not None and self.showing.is_set():
            path, first = self.folder / _UNFINISHED, last.point.frames - 1
            self._unfinished = _segments.write_frames(self.folder, path, first, [last.frame], last.point)

    def _take(self, made: Made) -> None:
        """Hold a frame until it is kept."""
        if made.best_so_far:
            return
        self._at = made.point
        if self._worth_keeping:
            self._pending.append(made.frame)
            self._pending_bytes += made.frame.array.nbytes
        waited = time.monotonic() - self._saved
        if self._pending_bytes > _PENDING_BYTES and not self._is_slow(waited):
            self._pending, self._pending_bytes, self._worth_keeping = [], 0, False  # until the segment is closed
        elif self._pending and (self._pending_bytes > _PENDING_BYTES or waited > SECONDS_AT_RISK):
            self._spill()

    def _is_slow(self, waited: float) -> bool:
        """Whether frames come so slowly that a whole segment is too much to lose."""
        if self._muxer is None:
            return True
        covered = self._pending[-1].time + self._pending[-1].duration - self._pending[0].time
        return waited * _segments.SECONDS > _LONG * covered

    def _spill(self) -> None:
        """Keep the frames that no part holds."""
        if self._pending and self._at is not None:
            first = self._at.frames - len(self._pending)
            path, compress = self.folder / f"frames-{first:09}.zip", self._muxer is None
            piece = _segments.write_frames(self.folder, path, first, self._pending, self._at, compress=compress)
            self._pieces.append(piece)
        self._kept_up()

    def _closed(self, segment: Part) -> None:
        self.segments.append(segment)
        for piece in self._pieces:
            piece.path.unlink(missing_ok=True)
        self._pieces = []
        self._worth_keeping = True
        self._kept_up()

    def _kept_up(self) -> None:
        self._pending, self._pending_bytes = [], 0
        self._saved = time.monotonic()

    # -- Going on ------------------------------------------------------------------------------------------------------

    def _segment_path(self, number: int) -> Path:
        return self.folder / f"segment-{number:06}.zip"

    def _found(self) -> tuple[list[Part], list[Part]]:
        """What an earlier run left: each part begins where the one before it ends. What does not is removed."""
        expected = 0
        found: list[list[Part]] = []
        for pattern in ("segment-*.zip", "frames-*.zip"):
            chain: list[Part] = []
            for path in sorted(self.folder.glob(pattern)):
                part = _readable(path)
                if part is not None and part.first == expected < part.point.frames:
                    chain.append(part)
                    expected = part.point.frames
                else:
                    path.unlink(missing_ok=True)
            found.append(chain)
        return found[0], found[1]


def _readable(path: Path) -> Part | None:
    try:
        return _parts.read(path)
    except BadMedia:
        log.warning("%s is damaged; what it held is computed anew", path)
        return None
