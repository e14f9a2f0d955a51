"""A model over the frames of one film, so that a render that was stopped goes on where it was.

`render` does it here, frame after frame. Where each frame stands for itself, `segments` says into how many pieces a
film falls for several workers; `render_segment` makes one of them anywhere, `keep` puts it into the folder, and `join`
makes the film of them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml4a._core import files
from ml4a._core import record as records
from ml4a._core.errors import BadMedia, BadValue, OutputExists
from ml4a._core.record import Input, Record
from ml4a.models._operation import recording, recording_enabled

from .memory import Memory
from .work import last_record

if TYPE_CHECKING:
    from ml4a.media.video import Clip

QUALITY = 90
"""Of films, 1 to 100."""
_MOST_SEGMENTS = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """A segment of a film, as a worker made it; it can be pickled."""

    number: int
    files: tuple[tuple[str, bytes], ...]
    """Names and contents of the files that it is kept in: none if no frame begins in it, several for the last."""
    record: str | None
    """Of the first segment, what made its first frame, as JSON."""


def render(
    model: Any,
    clip: Clip,
    target: Path,
    *,
    folder: Path,
    steady: float = 0.0,
    parameters: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    file: Path | None = None,
    camera: bool = False,
) -> None:
    """Apply a model to every frame of a clip; go on with what is in a folder.

    Whatever stops it, at most seconds of work are lost, and what comes out in the end has the same bytes as if nothing
    had happened. A model that remembers frames but cannot say what (`film_state`) begins anew.

    Args:
        model: As `apply` takes it.
        clip: What it is applied to.
        target: The film, animation or pattern of pictures to write.
        folder: What is kept until then is in there. Only one process may use it at a time, and it is to be removed once
            `target` is where it is to stay: the caller sees to that.
        steady: How far each frame is held to the one before, between 0 and 1.
        parameters: Handed to `model` with every frame; the same each time, with a seed that is settled.
        overwrite: Whether `target` may be replaced, be it what an earlier run left of this film.
        file: The clip's file, for the record.
        camera: Whether it is a camera's: of that, nothing is kept but what Ctrl-C leaves.

    Raises:
        BadMedia: there are no frames, or they are not what they were.
        OutputExists: `target` exists and may not be replaced, or other weights or versions made what is kept.
        CannotWrite: no space, no permission, or the folder is gone; what was kept by then is.
        Cancelled: it was stopped.
        Interrupted: so it was by Ctrl-C, and what there was by then is the film; a KeyboardInterrupt.
    """
    from ml4a.media.video import _kept, _resumable

    memory = Memory(model, steady)
    frames = _Frames(memory, dict(parameters or {}), file, clip)
    keep_partial = camera or bool(getattr(getattr(model, "__self__", model), "keeps_partial_films", False))
    if camera:
        film = clip.map(frames)
        film.save(target, overwrite=overwrite, record=frames.record, keep_partial=True)
        return
    _same_source(folder, clip)
    kept = _kept.Kept(folder, target, clip.source, QUALITY)
    if kept.point is not None and not memory.set(kept.point.state):
        kept.clear()
    frames.go_on(folder / "record.json", begun=kept.point is not None)
    computation = _resumable.Computation(clip.source, frames, memory.state)
    _resumable.render(computation, target, kept, record=frames.record, overwrite=overwrite, keep_partial=keep_partial)


def is_numbered(target: Path) -> bool:
    """Whether `target` is a pattern of numbered pictures, which stands for as many files as there are frames."""
    from ml4a.media.video import _encode_stills

    return _encode_stills.is_pattern(target)


def segments(model: Any, clip: Clip, target: Path, *, steady: float = 0.0) -> int | None:
    """Into how many segments a film may be cut for several workers.

    Args:
        model: As `apply` takes it.
        clip: The film.
        target: What is to be written.
        steady: How far each frame is held to the one before.

    Returns:
        How many; None if it may not be cut: frames depend on the ones before them, the film cannot be read exactly from
        the middle, its length is not known, or `target` is an animation or pictures.
    """
    from ml4a.media.video import _demux, _encode_film, _segments

    source = clip.source
    duration = source.header.duration
    if steady or Memory(model, 0).remembers or target.suffix.lower() not in _encode_film.MUXERS:
        return None
    if not (isinstance(source, _demux.FilmFile) and source.exact_anywhere) or duration is None:
        return None
    count = -(-duration // _segments.SECONDS)
    return int(count) if 1 < count <= _MOST_SEGMENTS else None


def render_segment(
    model: Any, clip: Clip, target: Path, number: int, count: int, *, parameters: Mapping[str, Any] | None = None
) -> Part:
    """Make one segment of a film; it can be done anywhere, with the same bytes wherever as many threads compute.

    Args:
        model: As `apply` takes it.
        clip: The film.
        target: What is to be written in the end: its suffix says how. Nothing is written there.
        number: Which segment.
        count: What `segments` said.
        parameters: Handed to `model` with every frame.
    """
    from ml4a.media.video import _kept, _resumable

    with tempfile.TemporaryDirectory(prefix="ml4a-") as name:
        frames = _Frames(Memory(model, 0), dict(parameters or {}), None, clip)
        kept = _kept.Kept(Path(name), target, clip.source, QUALITY)
        computation = _resumable.Computation(clip.source, frames)
        made = _resumable.render_segment(computation, target, kept, number, count)
        record = frames.record() if number == 0 else None
        contents = tuple((part.path.name, part.path.read_bytes()) for part in made)
    return Part(number, contents, None if record is None else record.to_json())


def keep(folder: Path, part: Part) -> None:
    """Put a segment into the film's folder: whole or not at all.

    Raises:
        CannotWrite: no space, no permission, or the folder is gone.
    """
    for name, content in part.files:
        _write(folder / f"part-{name}", content)
    about = {"files": [f"part-{name}" for name, _ in part.files], "record": part.record}
    _write(_about(folder, part.number), json.dumps(about).encode())


def kept(folder: Path, clip: Clip) -> set[int]:
    """The numbers of the segments of `clip` that are in the folder; those of what it was before are removed."""
    _same_source(folder, clip)
    numbers = (path.stem.removeprefix("part-") for path in folder.glob("part-*.json"))
    return {int(number) for number in numbers if number.isdigit() and _files(folder, int(number)) is not None}


def join(
    clip: Clip, target: Path, count: int, *, folder: Path, overwrite: bool = False, file: Path | None = None
) -> None:
    """Make a film of its segments, with the sound of the clip; then the folder goes away.

    Args:
        clip: The film that they were made of.
        target: What to write.
        count: How many there are; all are kept.
        folder: Where.
        overwrite: Whether `target` may be replaced.
        file: The clip's file, for the record.

    Raises:
        BadMedia: there are no frames; or a segment is damaged, and removed: made anew, it can be joined.
        OutputExists: `target` exists and may not be replaced.
        CannotWrite: no space, no permission.
    """
    from ml4a.media.video import _join, _parts, _resumable

    parts = []
    text = None
    for number in range(count):
        about = _files(folder, number)
        if about is None:
            raise BadMedia(f"segment {number} of {target.name} is not there; run again to make it")
        text = about["record"] if number == 0 else text
        parts += [_parts.read(folder / name) for name in about["files"]]
    if not parts:
        raise BadMedia(f"{clip.source.header.name} holds no frame that can be decoded; it may be cut short")
    if any(part.shape != parts[0].shape for part in parts):
        raise BadValue(f"the frames of a film have one size; those of {target.name} have several")
    made_by = None if text is None or not recording_enabled() else Record.from_json(text)
    if made_by is not None and file is not None:
        made_by = records.of_file(made_by, _film_input(file, clip.size))

    def show(temporary: Path, record: Record | None) -> None:
        _join.join_film(
            temporary, parts, clip.source, quality=QUALITY, record=None if record is None else record.to_json()
        )

    _resumable.publish(target, show, made_by, overwrite=overwrite)
    shutil.rmtree(folder, ignore_errors=True)


class _Frames:
    """A model as a function of arrays, which knows what made the first frame of the film.

    Args:
        memory: The model.
        parameters: Its parameters.
        file: The film's file.
        clip: The film.
    """

    def __init__(self, memory: Memory, parameters: dict[str, Any], file: Path | None, clip: Clip) -> None:
        self._memory, self._parameters = memory, parameters
        self._file, self._clip = file, clip
        self._keeps_record = recording_enabled()
        self._called = False
        self._made_by: Record | None = None
        self._path: Path | None = None
        self._before: Record | None = None

    def __call__(self, frame: Any) -> Any:
        """What becomes of the next frame."""
        from ml4a.media import image

        first, self._called = not self._called, True
        with recording(first):  # the frames after the first need not be hashed
            result = image.to_array(self._memory.model(frame, **self._parameters))
        if first and (record := last_record(self._memory.model)) is not None:
            self._settle(record)
        return self._memory.held(frame, result)

    def record(self) -> Record | None:
        """What made the film, once a frame is computed, now or before."""
        return (self._before or self._made_by) if self._keeps_record else None

    def go_on(self, path: Path, *, begun: bool) -> None:
        """Keep the record of the first frame in a file, and hold what goes on with the film to it."""
        self._path = path
        if begun and path.exists():
            try:
                self._before = Record.from_json(path.read_text("utf-8"))
            except (OSError, UnicodeDecodeError, BadValue):
                raise BadMedia(f"{path} is damaged; remove {path.parent} to begin anew") from None

    def _settle(self, record: Record) -> None:
        if self._before is not None:
            if _without_frame(record) != _without_frame(self._before):
                raise OutputExists(
                    f"{self._path and self._path.parent} is of a film that other weights, parameters or versions "
                    "began; give those again to go on with it, or remove it to begin anew"
                )
            return
        film = record.inputs[0] if self._file is None else _film_input(self._file, self._clip.size)
        self._made_by = records.of_file(record, film, steady=self._memory.steady)
        if self._path is not None:
            _write(self._path, self._made_by.to_json().encode())


def _without_frame(record: Record) -> Record:
    """A record of which only what is the same for all frames is left, as it is read back from a file."""
    plain = Record.from_json(record.to_json())
    versions = {name: version for name, version in plain.versions.items() if name != "threads"}
    return replace(plain, inputs=plain.inputs[1:], steady=0.0, versions=versions)


def _film_input(path: Path, size: tuple[int, int]) -> Input:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Input("", "file", sha256, f"{size[0]}x{size[1]}")


def _same_source(folder: Path, clip: Clip) -> None:
    """Remove what is kept of another film, such as the same file before it was changed."""
    path, now = folder / "source.json", json.dumps(_stamp(clip)).encode()
    if folder.exists() and (not path.exists() or path.read_bytes() != now):
        for each in folder.glob("*.zip"):
            each.unlink(missing_ok=True)
        for each in folder.glob("part-*.json"):
            each.unlink(missing_ok=True)
        (folder / "record.json").unlink(missing_ok=True)
    if not path.exists() or path.read_bytes() != now:
        _write(path, now)


def _stamp(clip: Clip) -> Any:
    """By which a film is known again."""
    from ml4a.media.video import _demux

    source, header = clip.source, clip.source.header
    about = [list(source.size), str(header.rate), str(header.duration), header.count]
    if isinstance(source, _demux.FilmFile) and isinstance(source.file, Path):
        found = source.file.stat()
        about += [found.st_size, found.st_mtime_ns]
    return about


def _about(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06}.json"


def _files(folder: Path, number: int) -> dict[str, Any] | None:
    """What is known of a segment that is kept, all of its files being there; else None."""
    try:
        about = json.loads(_about(folder, number).read_bytes())
        names, record = about["files"], about["record"]
        known = all(Path(name).name == name and (folder / name).is_file() for name in names)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return {"files": names, "record": record} if known and (record is None or isinstance(record, str)) else None


def _write(path: Path, content: bytes) -> None:
    with files.atomic(path, overwrite=True) as temporary:
        temporary.write_bytes(content)
