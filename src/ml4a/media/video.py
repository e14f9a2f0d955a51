"""Films and animations: read frame by frame, changed, written again with their sound.

    from ml4a.media import video

    clip = video.open("clip.mp4")
    clip.map(lambda frame: 1 - frame).save("negative.mp4")

MP4, QuickTime, Matroska, WebM, AVI and MPEG films and animated GIFs, WebPs and PNGs are all the same here. Only a few
frames are in memory at a time, however long the film is.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ml4a._core import files, limits, progress
from ml4a._core.errors import BadMedia, BadValue, Cancelled
from ml4a._core.progress import Cancel, OnProgress
from ml4a._core.record import Record
from ml4a._core.record import enabled as records_enabled

from . import _containers, _metadata, sources
from ._demux import FilmFile, open_container
from ._encode_animation import SUFFIXES as ANIMATIONS
from ._encode_animation import write_animation
from ._encode_film import MUXERS, RECORD_TAG, write_film
from ._frames import Frame, to_bytes, to_floats
from ._pipeline import Behind, ahead
from ._webp import WebPFile

__all__ = ["Clip", "Frame", "is_film", "open", "read_record_text"]

Function: TypeAlias = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
"""A picture from a picture: H×W×C float32 in [0, 1] → H×W×C floats of any size, C = 3 or 4."""

_QUEUE = 4
_SECONDS_BETWEEN_PREVIEWS = 1.0


def open(source: str | bytes | os.PathLike[str]) -> Clip:
    """A film or animation, ready to be read.

    Args:
        source: A path, an http(s) URL, `sample:NAME`, or the bytes of a file.

    Raises:
        NotFound: there is no such file.
        BadMedia: no film: text, a playlist, a single picture, sound alone, a pipe; or broken.
        TooLarge: more pixels, streams or hours than `ml4a._core.limits` allow.
    """
    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        container = _containers.sniff(file)
        if container is None:
            raise BadMedia(f"{sources.shown(found)} is {_containers.describe(file)}")
    return Clip(WebPFile(found) if container == "webp" else FilmFile(found, container))


def is_film(source: str | bytes | os.PathLike[str]) -> bool:
    """Whether `source` is a film or an animation, rather than a single picture, by its content.

    What is neither, but has a film's name, counts as a film: `open` then says what is wrong with it.

    Raises:
        NotFound, BadMedia: as `open`, if there is nothing that can be read.
    """
    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        if _containers.sniff(file) is not None:
            return True
        return isinstance(found, Path) and _containers.is_called_film(found, file)


def read_record_text(source: str | bytes | os.PathLike[str]) -> str | None:
    """The JSON of the record in a film, animation or picture, unchecked (`Record.from_json` checks it), or None.

    Raises:
        NotFound, BadMedia: as `open`; or the record is larger than any of ours.
    """
    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        container = _containers.sniff(file)
    if container in (None, "gif", "webp", "apng"):
        return _metadata.read_record_text(found)
    with open_container(found, container) as film:
        text = next((value for key, value in film.metadata.items() if key.lower() == RECORD_TAG), None)
    if text is not None and len(text) > limits.RECORD_BYTES:
        most = limits.RECORD_BYTES >> 10
        raise BadMedia(f"{sources.shown(found)} carries a record of more than {most} KiB, which none of ours has")
    return text


class Clip:
    """A film, or what functions make of its frames: a recipe, computed while it is read.

    Iterating gives H×W×3 float32 arrays in [0, 1], upright; H×W×4 for animations with transparency. Each iteration
    reads the file anew and decodes a few frames ahead in a thread of its own. The functions of `map` run in the thread
    that asks for the frames, and only for frames that it asks for.
    """

    def __init__(self, source: FilmFile | WebPFile, functions: tuple[Function, ...] = (), queue: int = _QUEUE) -> None:
        self._source = source
        self._functions = functions
        self._queue = queue

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in the file, upright, its pixels made square."""
        return self._source.size

    @property
    def rate(self) -> Fraction:
        """Frames per second, on average."""
        return self._source.rate

    @property
    def count(self) -> int | None:
        """How many frames there are, as far as the header tells; None if it does not."""
        return self._source.count

    @property
    def duration(self) -> float | None:
        """Seconds, as far as the header tells."""
        return None if self._source.duration is None else float(self._source.duration)

    @property
    def sound(self) -> bool:
        """Whether there is sound, which `save` keeps."""
        return self._source.sound

    @property
    def damaged(self) -> int:
        """How many frames of the last pass were broken; where nothing was left of one, the frame before stood in."""
        return self._source.damaged

    def map(self, function: Function, *, queue: int = _QUEUE) -> Clip:
        """The clip with `function` applied to every frame, once it is read.

        Args:
            function: From H×W×C float32 in [0, 1] to H×W×C floats; the size may change, the same for all frames.
            queue: How many frames are decoded ahead.
        """
        return Clip(self._source, (*self._functions, function), queue)

    def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
        """The frames' arrays."""
        with contextlib.closing(self.frames()) as frames:
            for frame in frames:
                yield frame.array

    def frames(self) -> Generator[Frame, None, None]:
        """The frames with their times. Closing this iterator stops its thread and closes the file."""
        with contextlib.closing(ahead(self._source.frames, self._queue)) as decoded:
            for frame in decoded:
                array = to_floats(frame.array)
                for function in self._functions:
                    array = function(array)
                yield replace(frame, array=array)

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        record: Record | Callable[[], Record | None] | None = None,
        quality: int = 90,
        keep_partial: bool = False,
        on_progress: OnProgress | None = None,
        cancel: Cancel | None = None,
    ) -> Path:
        """Compute the clip and write it, with the sound and the frames' times of its source.

        The file appears whole or not at all. Frames are encoded in a thread of their own while the next are computed.

        Args:
            path: Where. The suffix chooses: .mp4, .m4v, .mov, .mkv (H.264), .webm (VP9), .gif, .webp, .png or .apng
                (animated). H.264 has even sides: odd ones get their last row or column twice.
            overwrite: Whether a file of that name may be replaced.
            record: What made the clip; a function is asked once the first frame is computed.
            quality: 1 to 100. For films, 90 can hardly be told from the original; in WebP 100 is lossless.
            keep_partial: Whether, when stopped by `cancel` or Ctrl-C, the frames computed so far become the file.
            on_progress: Called with `Progress` after every frame, now and then with the frame as preview.
            cancel: Stops the work from another thread.

        Returns:
            Where it is.

        Raises:
            BadValue: no such format, a quality out of range, or a function that returns no frames or of several sizes.
            OutputExists: the file exists and `overwrite` is false, or it is a folder.
            CannotWrite: no permission, no space.
            Cancelled: the work was stopped.
        """
        target = Path(path)
        _check_target(target, quality)
        cut_short = threading.Event()

        def encode(frames: Iterator[Frame]) -> None:
            first = next(frames)
            made_by = _settled(record)
            with _complaining_of(first, target):
                frames = itertools.chain([first], frames)
                if target.suffix.lower() in ANIMATIONS:
                    write_animation(temporary, frames, self._source, quality=quality, record=made_by)
                else:
                    text = None if made_by is None else made_by.to_json()
                    write_film(temporary, frames, self._source, quality=quality, record=text, cut_short=cut_short)

        stopped: BaseException | None = None
        handed_over = 0
        with (
            progress.listening(on_progress, cancel),
            files.atomic(target, overwrite=overwrite) as temporary,
            Behind(encode, _QUEUE) as encoder,
        ):
            try:
                for frame in self._computed(target.name):
                    encoder.put(frame)
                    handed_over += 1
            except (Cancelled, KeyboardInterrupt) as error:
                if not (keep_partial and handed_over):
                    raise
                cut_short.set()
                stopped = error
            if not handed_over:
                raise BadMedia(f"{self._source.name} holds no frame that can be decoded; it may be cut short")
            encoder.finish()
        if stopped is not None:
            raise stopped
        return target

    def _computed(self, stage: str) -> Generator[Frame, None, None]:
        """The frames in 8 bits, of one size, with progress reported after each."""
        progress.report(stage, 0, self.count, "frames")
        size: tuple[int, ...] | None = None
        previewed = -_SECONDS_BETWEEN_PREVIEWS
        with contextlib.closing(self.frames()) as frames:
            for number, frame in enumerate(frames, start=1):
                picture = to_bytes(frame.array)
                size = size or picture.shape
                if picture.shape != size:
                    raise BadValue(f"the frames of a film have one size; frame {number} is {picture.shape}, not {size}")
                yield replace(frame, array=picture)
                now = time.monotonic()
                preview = frame.array[:, :, :3] if now >= previewed + _SECONDS_BETWEEN_PREVIEWS else None
                previewed = previewed if preview is None else now
                progress.report(stage, number, max(number, self.count or number), "frames", preview)


def _settled(record: Record | Callable[[], Record | None] | None) -> Record | None:
    if not records_enabled():
        return None
    return record() if callable(record) else record


def _check_target(path: Path, quality: int) -> None:
    known = [*MUXERS, *ANIMATIONS]
    if path.suffix.lower() not in known:
        raise BadValue(f"a film's name must end in one of {', '.join(known)}, not {path.suffix!r}")
    if not (isinstance(quality, int) and 1 <= quality <= 100):
        raise BadValue(f"quality must be a whole number between 1 and 100, not {quality!r}")


@contextlib.contextmanager
def _complaining_of(frame: Frame, path: Path) -> Iterator[None]:
    """Say what FFmpeg's refusal to encode is about."""
    import av.error

    try:
        yield
    except av.error.FFmpegError as error:
        height, width = frame.array.shape[:2]
        what = f"frames of {width}x{height} px cannot be encoded as {path.suffix} ({error.strerror})"
        raise BadValue(f"{what}; try another size or format") from None
