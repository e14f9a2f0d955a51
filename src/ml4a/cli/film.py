"""`ml4a video …`: what is cut, joined and turned about without a model."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts
from cyclopts import Parameter

from ml4a import jobs
from ml4a._core.errors import BadValue
from ml4a._core.files import is_folder, refuse_existing
from ml4a._core.progress import listening
from ml4a.jobs.items import FILMS

from . import console, derived
from .adapter import STANDARD_STREAM
from .run import default_target

if TYPE_CHECKING:
    from ml4a.media.video import Clip

_NOT_DECIDING = {"output", "overwrite", "quiet", "preview"}
"""Flags that change nothing about what is made."""

File = Annotated[str, Parameter(name="FILE", help="A film, GIF, URL, `sample:NAME`, or a folder of frames.")]
Output = Annotated[str | None, Parameter(name=["--output", "-o"], help="Where to write; by default beside the film.")]
Overwrite = Annotated[bool, Parameter(negative="", help="Replace the output if it exists.")]
Quiet = Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", help="Print nothing but errors.")]
Rate = Annotated[float | None, Parameter(help="Frames per second; by default the film's own, 30 for a folder.")]
Height = Annotated[int | None, Parameter(help="Height in pixels; by default the film's own.")]
Start = Annotated[float, Parameter(help="Seconds since the beginning; negative ones count from the end.")]
End = Annotated[float | None, Parameter(help="The same; by default the end.")]


def trim(
    file: File, /, *, start: Start = 0.0, end: End = None, output: Output = None, overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Keep what lies between two moments, with its sound."""
    save_clip(open_clip(file).trim(start, end), output or beside(file, "trim"), overwrite, quiet)


def join(
    *files: File,
    crossfade: Annotated[float, Parameter(help="Seconds in which each turns into the next.")] = 0.0,
    sound: Annotated[str | None, Parameter(help="A file whose sound replaces theirs.")] = None,
    rate: Rate = None,
    output: Output = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Put films, and folders of frames, one after the other, in the size of the first."""
    from ml4a.media import video

    if not files:
        raise BadValue("name the films to join: ml4a video join a.mp4 b.mp4 -o both.mp4")
    clips = [open_clip(file, rate) for file in files]
    whole = clips[0]
    if crossfade:
        for clip in clips[1:]:
            whole = video.crossfade(whole, clip, crossfade)
    else:
        whole = video.concat(clips)
    whole = whole if sound is None else whole.with_sound(sound)
    save_clip(whole, output or beside(files[0], "join"), overwrite, quiet)


def frames(
    file: File, /, *, start: Start = 0.0, end: End = None, rate: Rate = None, height: Height = None,
    output: Annotated[
        str | None, Parameter(name=["--output", "-o"], help="A folder, or names such as `frames/%04d.jpg`.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Save every frame as a picture."""
    target = Path(output) if output else beside(file, "frames", "")
    if "%" not in target.name:
        target = target / "%05d.png"
    save_clip(_shaped(open_clip(file), start, end, rate, height), target, overwrite, quiet)


def gif(
    file: File, /, *, start: Start = 0.0, end: End = None, rate: Rate = 15.0, height: Height = 320,
    output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Make an animation that plays everywhere: a GIF, or a WebP or PNG by the output's name."""
    clip = _shaped(open_clip(file), start, end, rate, height)
    save_clip(clip, output or beside(file, "small", ".gif"), overwrite, quiet)


def compare(
    *files: File,
    labels: Annotated[bool, Parameter(negative="--no-labels", help="Write each film's name below it.")] = True,
    height: Height = None,
    output: Output = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Show films side by side, at the pace of the first."""
    from ml4a.media import video

    if len(files) < 2:
        raise BadValue("name two films or more: ml4a video compare before.mp4 after.mp4 -o both.mp4")
    clips = [_shaped(open_clip(file), height=height) for file in files]
    names = [Path(file).name for file in files] if labels else None
    save_clip(video.side_by_side(clips, labels=names), output or beside(files[0], "compare"), overwrite, quiet)


def speed(
    file: File, factor: float, /, *, output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False
) -> None:
    """Play a film faster (FACTOR 2) or slower (0.5); the sound follows as on a tape."""
    save_clip(open_clip(file).speed(factor), output or beside(file, "speed"), overwrite, quiet)


def reverse(
    file: File, /, *, ping_pong: Annotated[bool, Parameter(negative="", help="Forwards first.")] = False,
    output: Output = None, overwrite: Overwrite = False, quiet: Quiet = False,
) -> None:  # fmt: skip
    """Play a film backwards, sound and all."""
    clip = open_clip(file)
    save_clip(clip.ping_pong() if ping_pong else clip.reverse(), output or beside(file, "reverse"), overwrite, quiet)


def sheet(
    file: File, /, *, columns: int = 4, rows: int = 3, height: int = 180, output: Output = None,
    overwrite: Overwrite = False,
) -> None:  # fmt: skip
    """Put frames from all over a film on one sheet."""
    from ml4a.media import image, video

    target = Path(output) if output else beside(file, "sheet", ".png")
    image.save(video.contact_sheet(open_clip(file), columns, rows, height=height), target, overwrite=overwrite)
    print(target)


_EXAMPLES = {
    trim: ("ml4a video trim clip.mp4 --start 2 --end 5.5",),
    join: (
        "ml4a video join a.mp4 b.mp4 --crossfade 1 -o both.mp4",
        "ml4a video join frames/ --rate 24 --sound song.mp3 -o film.mp4",
    ),
    frames: ("ml4a video frames clip.mp4 -o frames/", "ml4a video frames clip.mp4 --rate 2 -o stills/%03d.jpg"),
    gif: ("ml4a video gif clip.mp4 --start 1 --end 3 --height 240",),
    compare: ("ml4a video compare clip.mp4 styled.mp4 -o both.mp4",),
    speed: ("ml4a video speed clip.mp4 0.5",),
    reverse: ("ml4a video reverse clip.mp4 --ping-pong -o loop.mp4",),
    sheet: ("ml4a video sheet clip.mp4 --columns 5",),
}


def register(app: cyclopts.App) -> None:
    """Add `video` and its commands to the command line."""
    video = cyclopts.App(name="video", help="Trim, join, turn about and compare films, without a model.")
    for command, examples in _EXAMPLES.items():
        video.command(command, help_epilogue=derived.epilogue(examples))
    app.command(video)


def open_clip(file: str, rate: float | None = None) -> Clip:
    """A film, or the pictures of a folder or a pattern."""
    from ml4a.media import video

    if is_folder(file) or "*" in file:
        return video.from_images(file, rate or 30)
    clip = video.open(file)
    return clip if rate is None else clip.at_rate(rate)


def _shaped(
    clip: Clip, start: float = 0.0, end: float | None = None, rate: float | None = None, height: int | None = None
) -> Clip:
    if start or end is not None:
        clip = clip.trim(start, end)
    if rate is not None:
        clip = clip.at_rate(rate)
    return clip if height is None else clip.resize(height)


def beside(file: str, verb: str, suffix: str | None = None) -> Path:
    """`clip.mov` becomes `clip-trim.mov`; what is no file of a film becomes an MP4 unless `suffix` says otherwise."""
    path = default_target(verb, file)
    film = path.suffix if path.suffix.lower() in FILMS else ".mp4"
    return path.with_suffix(film if suffix is None else suffix)


def save_clip(clip: Clip, target: str | Path, overwrite: bool, quiet: bool) -> None:
    """Compute a clip and write it, with progress, and say where it is."""
    with console.progress_bars(quiet=quiet) as on_progress:
        path = clip.save(target, overwrite=overwrite, on_progress=on_progress)
    if not quiet:
        print(path)


def save_made(
    make: Callable[[int], Clip],
    target: str | Path,
    command: list[str],
    options: dict[str, Any],
    *,
    seed: int | None,
    keep_partial: bool = False,
) -> None:
    """Make a film and write it, with progress, and say where it is; if it was stopped before, it goes on.

    Args:
        make: Gives the clip, for a seed.
        target: What to write.
        command: The words that decide what is made; with standard input among them it begins anew each time.
        options: All flags.
        seed: Drawn if it is None.
        keep_partial: As `Clip.save` has it.
    """
    writing = {"overwrite": options["overwrite"], "keep_partial": keep_partial}
    with console.progress_bars(quiet=options["quiet"]) as on_progress, listening(on_progress):
        if STANDARD_STREAM in command:
            refuse_existing(Path(target), options["overwrite"])
            make(secrets.randbelow(2**32) if seed is None else seed).save(target, **writing)
        else:
            deciding = {name: value for name, value in options.items() if name not in _NOT_DECIDING}
            jobs.render(make, target, jobs.settings_of({"command": command, **deciding}), seed=seed, **writing)
    if not options["quiet"]:
        print(target)
