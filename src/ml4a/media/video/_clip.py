"""Clip: a film that is read, edited, changed and written frame by frame."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.progress import Cancel, OnProgress
from ml4a._core.record import Record

from ..image import _resample
from ..motion import Engine, dis
from . import _edits, _motion, _together, _tracks
from ._edits import Function
from ._file_tracks import SoundTrack
from ._frames import Frame, to_floats
from ._source import Source
from ._timing import exact, exact_rate

if TYPE_CHECKING:
    from ..audio import Sound

_QUEUE = 4
_LARGEST_FACTOR = 100


class Clip:
    """A film, or what is made of others by edits and functions: a recipe, computed while it is read.

    Iterating gives H×W×3 float32 arrays in [0, 1], upright; H×W×4 where there is transparency. Each iteration reads
    anew and decodes a few frames ahead in a thread of its own. The functions of `map` run in the thread that asks for
    the frames, and only for frames that it asks for. Clips are immutable: every edit is a new one, and costs nothing
    until it is read; memory does not grow with their length. Sound is cut, joined and turned round along.
    """

    def __init__(self, source: Source, queue: int = _QUEUE, record: Record | None = None) -> None:
        self._source = source
        self._queue = queue
        self._record = record

    @property
    def source(self) -> Source:
        """What the frames come from."""
        return self._source

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frames, upright, their pixels square; without what functions of `map` do to it."""
        return self._source.size

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self._source.header.rate

    @property
    def count(self) -> int | None:
        """How many frames there are, as far as is known before they are read; else None."""
        return self._source.header.count

    @property
    def duration(self) -> float | None:
        """Seconds, as far as is known before the clip is read; else None."""
        duration = self._source.header.duration
        return None if duration is None else float(duration)

    @property
    def has_sound(self) -> bool:
        """Whether there is sound, which `save` keeps."""
        return self._source.track is not None

    @property
    def sound(self) -> Sound | None:
        """What is heard, decoded anew each time: for a film, its first sound track."""
        from ..audio._sound import Sound

        track = self._source.track
        if track is None:
            return None
        blocks = list(track.blocks(track.form, 0, None))
        samples = np.concatenate(blocks) if blocks else np.zeros((0, track.form.channels), np.float32)
        return Sound(samples, track.form.rate)

    @property
    def record(self) -> Record | None:
        """What made the pictures, if a model did; of what edits make of them, it does not tell."""
        return self._record

    def with_record(self, record: Record | None) -> Clip:
        """The same clip, whose files tell what made it."""
        return Clip(self._source, self._queue, record)

    @property
    def damaged(self) -> int:
        """How many frames of the last pass were broken; where nothing was left of one, the frame before stood in."""
        return self._source.damaged

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        """The frames' arrays."""
        with contextlib.closing(self.frames()) as frames:
            for frame in frames:
                yield frame.array

    def frames(self) -> Generator[Frame, None, None]:
        """The frames with their times. Closing this iterator stops its threads and closes its files."""
        with contextlib.closing(self._source.frames(Fraction(0), self._queue)) as frames:
            for frame in frames:
                yield replace(frame, array=to_floats(frame.array))

    def at(self, seconds: float | Fraction, *, loop: bool = False) -> np.ndarray[Any, Any]:
        """The frame that is shown at a moment: H×W×C float32. It is sought, not read up to, where the file allows.

        Args:
            seconds: Since the clip began.
            loop: Whether moments before the beginning and after the end are those of a clip that goes on and on.

        Raises:
            BadValue: the clip is over by then, or has not begun.
        """
        moment = exact("seconds", seconds)
        header = self._source.header
        if loop and header.duration is None:
            raise BadValue("a clip whose length is not known cannot loop; save it first")
        if loop:
            moment %= header.duration or 1
        elif moment < 0:
            raise BadValue(f"a clip begins at 0 s; there is nothing at {float(moment):.3f} s")
        step = 1 / header.rate
        rounding = header.time_base / 2 if header.time_base < step / 4 else 0
        with contextlib.closing(self._source.frames(moment + rounding, 1)) as frames:
            frame = next(frames, None)
        if frame is None:
            length = "" if self.duration is None else f"; it is {self.duration:.3f} s long"
            raise BadValue(f"{header.name} shows nothing at {float(moment):.3f} s{length}")
        return to_floats(frame.array)

    def frame(self, index: int, *, loop: bool = False) -> np.ndarray[Any, Any]:
        """The frame of a number, counted from 0: H×W×C float32. Negative numbers count from the end.

        Where the frame rate varies, these are the frames that `at_rate(clip.rate)` would have.

        Args:
            index: Its number.
            loop: Whether numbers beyond the last begin anew.

        Raises:
            BadValue: there is no such frame.
        """
        count = self.count
        if isinstance(index, bool) or not isinstance(index, int | np.integer):
            raise BadValue(f"the number of a frame is a whole number, not {index!r}; clip.at takes seconds")
        if index < -(count or 0) and not loop:
            raise BadValue(f"there is no frame {index}; the clip has {count or 'an unknown number of'} frames")
        if count is not None and (loop or index < 0):
            index = int(index) % count
        return self.at((int(index) + Fraction(1, 2)) / self.rate, loop=loop)

    def map(self, function: Function, *, queue: int = _QUEUE) -> Clip:
        """The clip with `function` applied to every frame, once it is read.

        Args:
            function: From H×W×C float32 in [0, 1] to H×W×C floats; the size may change, the same for all frames.
            queue: How many frames are decoded ahead, 1 or more.
        """
        if queue < 1:
            raise BadValue(f"queue must be 1 or more, not {queue!r}")
        return Clip(_edits.Mapped(self._source, function), queue)

    def trim(self, start: float = 0, end: float | None = None) -> Clip:
        """What lies between two moments, with its sound. The first frame is the one that is shown at `start`.

        Decoding begins at the last key frame before `start`. A frame of which a cut leaves less than half is left out.

        Args:
            start: Seconds since the clip began; negative ones count from the end.
            end: The same; None is the end.

        Raises:
            BadValue: nothing is left between them.
        """
        first, last = self._position("start", start), None if end is None else self._position("end", end)
        whole = self._source.header.duration
        if first < 0 or (last is not None and last <= first) or (whole is not None and first >= whole):
            length = "" if whole is None else f" of a clip of {float(whole):.3f} s"
            raise BadValue(f"there is nothing between {start} and {'the end' if end is None else end} s{length}")
        return self._edited(_edits.Cut(self._source, first, last))

    def speed(self, factor: float) -> Clip:
        """The clip, faster or slower; the sound follows as on a tape, its pitch rising and falling along.

        A faster clip keeps its frame rate and so has fewer frames; in a slower one each frame lasts longer, which
        `at_rate` turns into a constant rate again; `slowed` makes the frames that it lacks.

        Args:
            factor: 2 is twice as fast, 0.5 half; from 0.01 to 100.

        Raises:
            BadValue: out of range.
        """
        times = exact("factor", factor, 1 / _LARGEST_FACTOR)
        if times > _LARGEST_FACTOR:
            raise BadValue(f"factor must be between {1 / _LARGEST_FACTOR} and {_LARGEST_FACTOR}, not {factor!r}")
        timed = _edits.Retimed(self._source, times)
        return self._edited(timed if times <= 1 else _edits.Paced(timed, self.rate))

    def reverse(self) -> Clip:
        """The clip backwards, sound and all.

        It is decoded in stretches from the end on, each sought anew: at most 128 MiB of frames are held at a time.
        """
        return self._edited(_edits.Backwards(self.measured()))

    def ping_pong(self) -> Clip:
        """The clip forwards, then backwards without its two end frames, so that it can be looped seamlessly."""
        there = self.measured()
        whole, step = there.header.duration or Fraction(0), 1 / self.rate
        if whole <= 2 * step:
            return self
        back = _edits.Cut(_edits.Backwards(there), step, whole - step)
        return self._edited(_together.Joined([there, back]))

    def loop(self, times: int) -> Clip:
        """The clip several times in a row.

        Args:
            times: 1 or more.
        """
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise BadValue(f"times must be a whole number from 1 up, not {times!r}")
        return self._edited(_together.Joined([self.measured()] * times))

    def __add__(self, other: Clip) -> Clip:
        """This clip, then the other, fitted into the frames of this one."""
        if not isinstance(other, Clip):
            return NotImplemented
        return self._edited(_together.Joined([self.measured(), other.measured()]))

    def at_rate(self, rate: float | Fraction, *, interpolate: bool = False, engine: Engine = dis) -> Clip:
        """The clip at a constant frame rate: frames are left out or shown again, sound and duration stay.

        Args:
            rate: Frames per second, up to 1000. A `Fraction(30000, 1001)` is exact.
            interpolate: Whether, where no frame begins, one is made of the two around it, on which what moves is on its
                way.
            engine: What then finds the motion: `motion.dis`, or a FlowNet.

        Raises:
            BadValue: out of range.
        """
        if interpolate:
            return self._edited(_motion.Interpolated(self._source, exact_rate(rate), engine))
        return self._edited(_edits.Paced(self._source, exact_rate(rate)))

    def slowed(self, factor: float, *, rate: float | Fraction | None = None, engine: Engine = dis) -> Clip:
        """The clip in slow motion: frames are made between the frames, on which what moves is on its way.

        From one scene to the next nothing is made: the last frame stays. The sound follows as on a tape, as with
        `speed`.

        Args:
            factor: How many times as long it becomes, 1 to 100.
            rate: Frames per second; by default the clip's own.
            engine: What finds the motion: `motion.dis`, or a FlowNet.

        Raises:
            BadValue: out of range.
        """
        times = exact("factor", factor, 1)
        if times > _LARGEST_FACTOR:
            raise BadValue(f"factor must be between 1 and {_LARGEST_FACTOR}, not {factor!r}")
        slow = _edits.Retimed(self._source, 1 / times)
        return self._edited(_motion.Interpolated(slow, self.rate if rate is None else exact_rate(rate), engine))

    def resize(self, size: int | tuple[int, int]) -> Clip:
        """The clip at another size, resampled as pictures are by `image.resize`.

        Args:
            size: A number is the height, and the aspect is kept; a pair is exactly (width, height).
        """
        _resample.target_size((1, 1), size)

        def target(current: tuple[int, int]) -> tuple[int, int]:
            return _resample.target_size(current, size)

        def resized(frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return _together.resized(frame, target((frame.shape[1], frame.shape[0])))

        return self._edited(_edits.Reshaped(self._source, resized, target))

    def crop(self, left: int, top: int, width: int, height: int) -> Clip:
        """A part of every frame.

        Args:
            left: Pixels to the left of it.
            top: Pixels above it.
            width: Its width in pixels.
            height: Its height in pixels.

        Raises:
            BadValue: it is not inside the frames.
        """
        box = (left, top, width, height)
        if not all(isinstance(each, int) for each in box) or min(left, top) < 0 or min(width, height) < 1:
            raise BadValue(f"a part of a frame is left, top, width and height in whole pixels, not {box}")

        def cropped(frame: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            part = frame[top : top + height, left : left + width]
            if part.shape[:2] != (height, width):
                whole = f"{frame.shape[1]}x{frame.shape[0]}"
                raise BadValue(f"a part of {width}x{height} px at ({left}, {top}) is not inside frames of {whole} px")
            return np.ascontiguousarray(part)

        return self._edited(_edits.Reshaped(self._source, cropped, lambda _: (width, height)))

    def with_sound(self, sound: Sound | str | os.PathLike[str] | None) -> Clip:
        """The clip with other sound, which ends with the pictures if not before; None for silence.

        Args:
            sound: A sound, or a file that has one.
        """
        return self._edited(_edits.WithTrack(self._source, track_of(sound))).with_record(self._record)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        record: Record | Callable[[], Record | None] | None = None,
        quality: int = 90,
        alpha: bool | None = None,
        keep_partial: bool = False,
        on_progress: OnProgress | None = None,
        cancel: Cancel | None = None,
    ) -> Path:
        """Compute the clip and write it, with its sound and its frames' times.

        The sound of a film is copied where the container can hold it; sound that was edited is encoded anew.
        The file appears whole or not at all. Frames are encoded in a thread of their own while the next are computed.

        Args:
            path: Where. The suffix chooses: .mp4, .m4v, .mov, .mkv (H.264), .webm (VP9), .gif, .webp, .png or .apng
                (animated). H.264 has even sides: odd ones get their last row or column twice. A number in the name of a
                picture, as in frames/%05d.png, makes one file of each frame, counted from 0.
            overwrite: Whether a file of that name may be replaced.
            record: What made the clip, by default its own record; a function is asked once the first frame is computed.
            quality: 1 to 100. For films, 90 can hardly be told from the original; in WebP 100 is lossless.
            alpha: Whether transparency is kept: in .webm, .mov (ProRes 4444), animations and pictures. None keeps it
                where that is possible; else, and with False, frames are laid on white.
            keep_partial: Whether, when stopped by `cancel` or Ctrl-C, the frames computed so far become the file. They
                do in any case if a model that computes a frame is stopped by Ctrl-C and returns its best.
            on_progress: Called with `Progress` after every frame, now and then with the frame as preview.
            cancel: Stops the work from another thread.

        Returns:
            Where it is.

        Raises:
            BadValue: no such format, a quality out of range, or a function that returns no frames or of several sizes.
            OutputExists: the file exists and `overwrite` is false, or it is a folder.
            CannotWrite: no permission, no space.
            Cancelled: the work was stopped.
            Interrupted: so it was by Ctrl-C, and what there was by then is the file; a KeyboardInterrupt.
        """
        from . import _save

        options = _save.Options(overwrite, record or self._record, quality, alpha, keep_partial)
        return _save.save(self._source, self._queue, Path(path), options, on_progress, cancel)

    def __repr__(self) -> str:
        header = self._source.header
        width, height = self.size
        seconds = "" if header.duration is None else f", {float(header.duration):.2f} s"
        return f"<Clip {width}x{height}, {float(header.rate):.4g} fps{seconds}{', with sound' * self.has_sound}>"

    def _repr_html_(self) -> str:
        """The first seconds as a film in a notebook."""
        from . import _film_player

        return _film_player.html(self)

    def _edited(self, source: Source) -> Clip:
        return Clip(source, self._queue)

    def _position(self, name: str, seconds: float) -> Fraction:
        moment = exact(name, seconds)
        if moment >= 0:
            return moment
        return moment + (self.measured().header.duration or 0)

    def measured(self) -> Source:
        """The source, its duration known: at need it is read once to find out."""
        header = self._source.header
        if header.duration is not None:
            return self._source
        return _edits.Measured(self._source, self._queue)


def track_of(sound: Sound | str | os.PathLike[str] | None) -> _tracks.Track | None:
    """A sound or a file that has one, as what is heard with a clip."""
    from ..audio._read import SoundFile
    from ..audio._sound import Sound

    if sound is None:
        return None
    if isinstance(sound, Sound):
        return _tracks.InMemory(sound)
    if isinstance(sound, str | os.PathLike):
        return SoundTrack(SoundFile(sound))
    raise BadValue(f"sound is a Sound, a path or None, not {type(sound).__name__}")
