"""A clip's frames, computed here and encoded in another thread: into a film, an animation, or a folder of pictures."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ml4a._core import files, progress
from ml4a._core.errors import BadMedia, BadValue, Cancelled
from ml4a._core.progress import Cancel, Interrupted, OnProgress
from ml4a._core.record import Record
from ml4a._core.record import enabled as records_enabled

from . import _encode_stills
from ._encode_animation import SUFFIXES as ANIMATIONS
from ._encode_animation import write_animation
from ._encode_film import MUXERS, TRANSPARENT
from ._frames import Frame, on_white, to_bytes, to_floats
from ._join import write_film
from ._pipeline import Behind
from ._source import Source

_QUEUE = 4
_SECONDS_BETWEEN_PREVIEWS = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a clip is saved; see `Clip.save`."""

    overwrite: bool
    record: Record | Callable[[], Record | None] | None
    quality: int
    alpha: bool | None
    keep_partial: bool


def save(
    source: Source,
    queue: int,
    target: Path,
    options: Options,
    on_progress: OnProgress | None,
    cancel: Cancel | None,
) -> Path:
    """See `Clip.save`."""
    _check_options(target, options)
    stills = _encode_stills.is_pattern(target)
    cut_short = threading.Event()

    def encode(frames: Iterator[Frame]) -> None:
        first = next(frames)
        made_by = _settled(options.record)
        with complaining_of(first.array.shape, target):
            frames = itertools.chain([first], frames)
            if stills:
                _encode_stills.write_stills(temporary, frames, quality=options.quality, record=made_by)
            elif target.suffix.lower() in ANIMATIONS:
                write_animation(temporary, frames, source.header, quality=options.quality, record=made_by)
            else:
                text = None if made_by is None else made_by.to_json()
                write_film(temporary, frames, source, quality=options.quality, record=text, cut_short=cut_short)

    stopped: BaseException | None = None
    handed_over = 0
    output = _encode_stills.numbered(target, overwrite=options.overwrite) if stills else None
    output = output or files.atomic(target, overwrite=options.overwrite)
    with (
        progress.listening(on_progress, cancel),
        progress.interruptible() as interruption,
        output as temporary,
        Behind(encode, _QUEUE) as encoder,
    ):
        try:
            frames = source.frames(Fraction(0), queue)
            for frame in computed(frames, source.header.count, target.name, opaque=options.alpha is False):
                encoder.put(frame)
                handed_over += 1
                if interruption.cancelled:  # this frame is the best so far; there shall be no more
                    cut_short.set()
                    stopped = KeyboardInterrupt()
                    break
        except (Cancelled, KeyboardInterrupt) as error:
            if not (options.keep_partial and handed_over):
                raise
            cut_short.set()
            stopped = error
        if not handed_over:
            raise BadMedia(f"{source.header.name} holds no frame that can be decoded; it may be cut short")
        encoder.finish()
    if isinstance(stopped, KeyboardInterrupt):
        raise Interrupted(target) from None
    if stopped is not None:
        raise stopped
    return target


def computed(
    source: Generator[Frame, None, None],
    count: int | None,
    stage: str,
    *,
    opaque: bool = False,
    done: int = 0,
    shape: tuple[int, ...] | None = None,
) -> Generator[Frame, None, None]:
    """Frames in 8 bits, of one size, with progress reported after each.

    Args:
        source: Frames, closed in the end.
        count: How many there are in all, as far as is known.
        stage: What is being done, for the user.
        opaque: Whether they are laid on white.
        done: How many came before.
        shape: H×W×C of those.

    Raises:
        BadValue: they are of several sizes.
        Cancelled: the work was stopped.
    """
    progress.report(stage, done, count, "frames")
    previewed = -_SECONDS_BETWEEN_PREVIEWS
    with contextlib.closing(source):
        for number, frame in enumerate(source, start=done + 1):
            picture = to_bytes(on_white(frame.array) if opaque else frame.array)
            shape = shape or picture.shape
            if picture.shape != shape:
                raise BadValue(f"the frames of a film have one size; frame {number} is {picture.shape}, not {shape}")
            yield replace(frame, array=picture)
            now = time.monotonic()
            preview = to_floats(frame.array)[:, :, :3] if now >= previewed + _SECONDS_BETWEEN_PREVIEWS else None
            previewed = previewed if preview is None else now
            progress.report(stage, number, max(number, count or number), "frames", preview)


def _settled(record: Record | Callable[[], Record | None] | None) -> Record | None:
    if not records_enabled():
        return None
    return record() if callable(record) else record


def check_name(path: Path) -> None:
    """Refuse a name that no film can have, nor the pictures of one, before any work is done.

    Raises:
        BadValue: what its suffix says is neither.
    """
    known = [*MUXERS, *ANIMATIONS]
    if path.suffix.lower() not in known and not _encode_stills.is_pattern(path):
        raise BadValue(f"a film's name must end in one of {', '.join(known)}, not {path.suffix!r}")


def _check_options(path: Path, options: Options) -> None:
    check_name(path)
    suffix = path.suffix.lower()
    if not (isinstance(options.quality, int) and 1 <= options.quality <= 100):
        raise BadValue(f"quality must be a whole number between 1 and 100, not {options.quality!r}")
    if options.alpha and suffix in MUXERS and MUXERS[suffix] not in TRANSPARENT:
        raise BadValue(f"a film in {path.suffix} has no transparency; save it as .webm or .mov, or with alpha=False")


@contextlib.contextmanager
def complaining_of(shape: tuple[int, ...], path: Path) -> Iterator[None]:
    """Say what FFmpeg's refusal to encode is about."""
    import av.error

    try:
        yield
    except av.error.FFmpegError as error:
        height, width = shape[:2]
        what = f"frames of {width}x{height} px cannot be encoded as {path.suffix} ({error.strerror})"
        raise BadValue(f"{what}; try another size or format") from None
