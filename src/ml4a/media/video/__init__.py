"""Films and animations: read frame by frame, edited, changed, made and written, with their sound.

    from ml4a.media import video

    clip = video.open("clip.mp4")
    clip.map(lambda frame: 1 - frame).save("negative.mp4")
    (clip.trim(1, 3) + clip.trim(1, 3).reverse()).save("there_and_back.mp4")
    video.crossfade(clip, video.open("other.mov"), seconds=1).resize(480).save("both.webm")

MP4, QuickTime, Matroska, WebM, AVI and MPEG films and animated GIFs, WebPs and PNGs are all the same here, as are
cameras, folders of pictures and functions that make pictures. Only a few frames are in memory at a time, however long
the film is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml4a._core.errors import BadMedia, BadValue, NotFound

from .. import _containers, _record_tags, sources
from .._ffmpeg import open_container
from ..image import _formats, _kinds, _metadata, _sheets
from ..motion import Colors, Engine, dis
from . import _camera, _edits, _motion, _together
from ._clip import Clip, track_of
from ._demux import FilmFile
from ._frames import Frame
from ._made import MadeFrames, Make, Pictures, in_batches
from ._player import Player
from ._timing import exact, exact_rate
from ._webp import WebPFile

if TYPE_CHECKING:
    from ..audio import Sound

__all__ = [
    "Clip",
    "Frame",
    "Player",
    "between",
    "camera",
    "concat",
    "contact_sheet",
    "crossfade",
    "flows",
    "from_batches",
    "from_frames",
    "from_images",
    "is_film",
    "open",
    "read_record_text",
    "side_by_side",
]

_DIGITS = re.compile(r"(\d+)")


def open(source: str | bytes | os.PathLike[str], *, strict: bool = False) -> Clip:
    """A film or animation, ready to be read.

    Args:
        source: A path, an http(s) URL, `sample:NAME`, `camera:N`, or the bytes of a file.
        strict: Whether a frame that cannot be decoded ends the reading with `BadMedia`. By default the frame before is
            shown once more in its place, and `Clip.damaged` counts it.

    Raises:
        NotFound: there is no such file or camera.
        BadMedia: no film: text, a playlist, a single picture, sound alone, a pipe; or broken.
        TooLarge: more pixels, streams or hours than `ml4a._core.limits` allow.
    """
    if isinstance(source, str) and source.startswith(_camera.PREFIX):
        return camera(source.removeprefix(_camera.PREFIX))
    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        container = _containers.sniff(file)
        if container is None:
            raise BadMedia(f"{sources.shown(found)} is {_containers.describe(file)}")
    return Clip(WebPFile(found) if container == "webp" else FilmFile(found, container, strict=strict))


def is_film(source: str | bytes | os.PathLike[str]) -> bool:
    """Whether `source` is a film, an animation or a camera, rather than a single picture, by its content.

    What is neither, but has a film's name, counts as a film: `open` then says what is wrong with it.

    Raises:
        NotFound, BadMedia: as `open`, if there is nothing that can be read.
    """
    if isinstance(source, str) and source.startswith(_camera.PREFIX):
        return True
    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        if _containers.sniff(file) is not None:
            return True
        return isinstance(found, Path) and _containers.is_called_film(found, file)


def read_record_text(source: str | bytes | os.PathLike[str]) -> str | None:
    """The JSON of the record in a film, picture or sound, unchecked (`Record.from_json` checks it), or None.

    Raises:
        NotFound, BadMedia: as `open`; or the record is larger than any of ours.
    """
    from ..audio import _containers as _sounds

    found = source if isinstance(source, bytes) else sources.locate(source)
    with sources.open_file(found) as file:
        container = _containers.sniff(file) or _sounds.sniff(file)
    if container in (None, "gif", "webp", "apng"):
        return _metadata.read_record_text(found)
    with open_container(found, container) as opened:
        tables = [opened.metadata, *(stream.metadata for stream in opened.streams)]
        return _record_tags.find(tables, sources.shown(found))


def camera(name: str | int = 0, *, size: tuple[int, int] | None = None, rate: float | None = None) -> Clip:
    """What a camera sees, from the moment on at which the clip is read. It goes on until nobody reads it.

        video.camera(0).trim(0, 10).save("ten_seconds.mp4")

    Args:
        name: Its number, or what the system calls it.
        size: (width, height) to ask it for.
        rate: Frames per second to ask it for.

    Raises:
        NotFound: there is no such camera.
        BadMedia: it gives no pictures.
    """
    return Clip(_camera.find(str(name), size=size, rate=rate))


def from_frames(
    frames: Pictures | Make,
    rate: float | Fraction = 30,
    *,
    count: int | None = None,
    sound: Sound | str | os.PathLike[str] | None = None,
) -> Clip:
    """A clip of pictures that are there already, or are computed one after the other while it is read.

        noise = np.random.default_rng(0).random((30, 120, 160, 3), dtype=np.float32)
        video.from_frames(noise, rate=15).save("noise.mp4")

    Args:
        frames: A list of pictures of any kind; an N×H×W×C array, uint8 or floats in [0, 1]; or a function that returns
            a fresh iterator over H×W×3 or H×W×4 arrays at each call.
        rate: Frames per second.
        count: How many there are, where a function cannot tell; of endless ones, how many to take.
        sound: What is heard, or a file with it.

    Raises:
        BadValue: no pictures, an iterator that can be read only once, or a rate out of range.
    """
    return Clip(MadeFrames(frames, exact_rate(rate), count, track_of(sound)))


def from_batches(
    batches: Callable[[], Iterator[Any]],
    rate: float | Fraction = 30,
    *,
    count: int | None = None,
    sound: Sound | str | os.PathLike[str] | None = None,
) -> Clip:
    """A clip of batches of pictures that a function computes: every picture of every batch, to the last.

    Args:
        batches: Returns a fresh iterator over N×H×W×C arrays, N×C×H×W tensors or lists of pictures at each call.
        rate: Frames per second.
        count: How many pictures there are in all, if that is known.
        sound: What is heard, or a file with it.

    Raises:
        BadValue: as `from_frames`.
    """
    if not callable(batches):
        raise BadValue(
            f"batches are made by a function that returns a fresh iterator, not by a {type(batches).__name__}"
        )
    return from_frames(in_batches(batches), rate, count=count, sound=sound)


def from_images(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    rate: float | Fraction = 30,
    *,
    sound: Sound | str | os.PathLike[str] | None = None,
) -> Clip:
    """A clip of picture files, each of which is read when its turn comes.

        video.from_images("frames/*.png", rate=25).save("film.mp4")

    Args:
        files: A folder, a pattern with `*`, or a list. Folders and patterns are read in natural order: frame 2 before
            frame 10.
        rate: Frames per second.
        sound: What is heard, or a file with it.

    Raises:
        NotFound: there is no such folder, or no picture in it.
        BadValue: a rate out of range.
    """
    found = list(files) if not isinstance(files, str | os.PathLike) else _find_images(Path(files))
    return from_frames(found, rate, sound=sound)


def concat(clips: Sequence[Clip]) -> Clip:
    """Clips one after the other, each fitted into the frames of the first, with their own frame times and sound.

    Where one has no sound there is silence. The length of a clip that does not know it is found out by reading it.

    Raises:
        BadValue: no clips.
    """
    clips = _checked_clips(clips)
    return Clip(_together.Joined([clip.measured() for clip in clips]))


def crossfade(a: Clip, b: Clip, seconds: float) -> Clip:
    """Clip `a`, turning into clip `b` during its last seconds: the pictures evenly, the sound at equal power.

    Args:
        a: The first.
        b: The second, which is fitted into the frames of the first.
        seconds: How long both are seen; at most as long as the shorter one.

    Raises:
        BadValue: one of them is shorter than that.
    """
    first, second = a.measured(), b.measured()
    length = (first.header.duration or Fraction(0)), (second.header.duration or Fraction(0))
    fade = exact("seconds", seconds)
    if not 0 < fade <= min(length):
        shorter = float(min(length))
        raise BadValue(
            f"a crossfade takes more than 0 s and at most the {shorter:.3f} s of the shorter clip, not {seconds!r}"
        )
    whole = length[0] - fade
    mixed = _together.Mixed(_edits.Cut(first, whole, length[0]), _edits.Cut(second, Fraction(0), fade))
    parts = [
        *([_edits.Cut(first, Fraction(0), whole)] if whole else []),
        mixed,
        *([_edits.Cut(second, fade, length[1])] if fade < length[1] else []),
    ]
    return Clip(_together.Joined(parts))


def between(
    pictures: Sequence[Any],
    *,
    seconds: float | None = None,
    frames: int | None = None,
    rate: float | Fraction = 30,
    engine: Engine = dis,
) -> Clip:
    """A clip from picture to picture, on which everything is on its way from where it was to where it will be.

        video.between(["first.jpg", "second.jpg", "third.jpg"], seconds=2).save("between.mp4")

    Pictures that have nothing in common fade into each other.

    Args:
        pictures: Two or more, of any kind; each is fitted into the size of the first, and read when its turn comes.
        seconds: How long it is; by default a second from each to the next.
        frames: Instead, how many frames there are, the first and the last picture included.
        rate: Frames per second.
        engine: What finds the motion: `motion.dis`, or a FlowNet.

    Raises:
        BadValue: fewer than two pictures, fewer frames than pictures, or seconds as well as frames.
    """
    ways = len(pictures) - 1
    if ways < 1:
        raise BadValue("between takes two pictures or more")
    if seconds is not None and frames is not None:
        raise BadValue("give the seconds or the frames, not both")
    pace = exact_rate(rate)
    if frames is None:
        length = Fraction(ways) if seconds is None else exact("seconds", seconds, 0)
        frames = max(len(pictures), round(length * pace))
    if isinstance(frames, bool) or not isinstance(frames, int) or frames <= ways:
        raise BadValue(f"frames must be a whole number from {ways + 1} up, one for each picture, not {frames!r}")
    each = (frames - 1) / pace / ways
    stills = _together.Joined([MadeFrames([picture], 1 / each, None, None) for picture in pictures])
    return Clip(_edits.Cut(_motion.Interpolated(stills, pace, engine, fade=True), Fraction(0), frames / pace))


def flows(clip: Clip, *, longest: float | None = None, colors: Colors = "hue", engine: Engine = dis) -> Clip:
    """How everything moves in a clip: of each frame, the flow to the next in colours, as `Flow.view` shows it.

    Args:
        clip: The last frame shows the flow of the one before.
        longest: The way in pixels, from frame to frame, that has the purest colours; by default a hundredth of the
            height. It is the same for all frames, so that colours do not flicker.
        colors: As `Flow.view` takes them.
        engine: What finds the flow: `motion.dis`, or a FlowNet.
    """
    return Clip(_motion.Flows(clip.source, longest, colors, engine))


def side_by_side(clips: Sequence[Clip], *, labels: Sequence[str] | None = None, margin: int = 8) -> Clip:
    """Clips beside each other, to compare them: at the pace, in the size and with the sound of the first.

    A shorter one stays on its last frame.

    Args:
        clips: From left to right.
        labels: One caption for each.
        margin: White pixels around each.

    Raises:
        BadValue: no clips, or not as many labels as clips.
    """
    clips = _checked_clips(clips)
    if labels is not None and len(labels) != len(clips):
        raise BadValue(f"{len(clips)} clips have {len(clips)} labels, not {len(labels)}")

    def put(pictures: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        return _sheets.grid(pictures, len(pictures), margin, labels)

    return Clip(_together.Beside([clip.source for clip in clips], put))


def contact_sheet(clip: Clip, columns: int = 4, rows: int = 3, *, height: int = 180, times: bool = True) -> Any:
    """Frames from all over a clip on one sheet: a PIL image.

    Args:
        clip: What to look at. Its frames are sought, so that long films take no longer than short ones.
        columns: Frames in a row.
        rows: Rows; fewer if there are not so many frames.
        height: Of a frame, in pixels.
        times: Whether each is marked with its time.

    Raises:
        BadValue: no columns or rows.
    """
    if min(columns, rows, height) < 1:
        raise BadValue(f"columns, rows and height are 1 or more, not {columns}, {rows} and {height}")
    whole = clip.measured().header
    cells = max(1, min(columns * rows, whole.count or columns * rows))
    moments = [(number + Fraction(1, 2)) * (whole.duration or 0) / cells for number in range(cells)]
    small = Clip(clip.measured()).resize(height)
    labels = [f"{int(moment // 60)}:{float(moment % 60):04.1f}" for moment in moments] if times else None
    return _kinds.as_kind(_sheets.grid([small.at(moment) for moment in moments], columns, labels=labels), "pil")


def _find_images(place: Path) -> list[Path]:
    folder, pattern = (place, "*") if place.is_dir() else (place.parent, place.name)
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}; check its spelling")
    known = {suffix for form in _formats.FORMATS for suffix in form.suffixes}
    found = [path for path in folder.glob(pattern) if path.suffix.lower() in known and path.is_file()]
    if not found:
        raise NotFound(f"there is no picture called {pattern} in {folder}")
    return sorted(found, key=_natural)


def _natural(path: Path) -> list[Any]:
    """A key for sorting by which numbers count as numbers."""
    return [int(part) if part.isdecimal() else part.casefold() for part in _DIGITS.split(path.name)]


def _checked_clips(clips: Sequence[Clip]) -> list[Clip]:
    checked = list(clips)
    if not checked or not all(isinstance(clip, Clip) for clip in checked):
        raise BadValue("give a list of one clip or more; video.open makes a clip of a file")
    return checked
