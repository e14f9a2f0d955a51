"""`ml4a flow` and `ml4a interpolate`: how things move, and what lies between two pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from ml4a._core.errors import BadValue
from ml4a._core.files import is_folder, refuse_existing
from ml4a.models import registry

from . import derived, film
from .adapter import STANDARD_STREAM, read_picture
from .compare import beside
from .film import Output, Overwrite, Quiet
from .run import default_target

if TYPE_CHECKING:
    from ml4a.media.motion import Flow

Files = Annotated[
    str, Parameter(name="FILE", help="Pictures, URLs, `sample:NAME`, or `-`; or one film, GIF or folder of frames.")
]
Model = Annotated[
    Literal["dis", "flownet"], Parameter(help="What finds the motion: `dis` needs no weights, `flownet` is a network.")
]
Weights = Annotated[str, Parameter(help="Which of FlowNet's weights; `ml4a models flownet` lists them.")]
Device = Annotated[str, Parameter(help="Where FlowNet computes: `cpu`, `cuda`, `mps` …")]
Compare = Annotated[bool, Parameter(negative="", help="Show the original beside the result.")]
Size = Annotated[int | None, Parameter(help="Height at which FlowNet looks; by default the picture's own.")]

MODELS = {"flownet": ("flow", "interpolate")}
"""Which models these commands can work with."""

_FLO = ".flo"


def flow(
    *files: Files,
    longest: Annotated[
        float | None,
        Parameter(help="Pixels that have the purest colours; by default the longest way; in films 1 % of the height."),
    ] = None,
    colors: Annotated[
        Literal["hue", "classic"], Parameter(help="Directions as hues, or in the colours of FlowNet's own program.")
    ] = "hue",
    model: Model = "dis",
    weights: Weights = "default",
    device: Device = "auto",
    size: Size = None,
    compare: Compare = False,
    output: Output = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Show how everything moves from one picture to another, or from each frame of a film to the next.

    Directions are colours, and what stands still is white. A `.flo` file keeps the flow itself, for other programs.
    """
    given = dict(locals())
    from ml4a.media import image, video

    finder = _Finder(model, weights, device, size)
    if len(files) == 1 and _is_film(files[0]):
        clip = film.open_clip(files[0])
        moving = video.flows(clip, longest=longest, colors=colors, engine=finder)
        moving = video.side_by_side([clip, moving]) if compare else moving
        target = output or film.beside(files[0], "flow")
        film.save_made(lambda _: moving, target, ["flow", *files], given, seed=0)
        return
    if len(files) != 2:
        raise BadValue(f"{_fault(files)}name two pictures, or one film: ml4a flow a.png b.png -o flow.png")
    target = Path(output) if output else default_target("flow", files[0]).with_suffix(".png")
    refuse_existing(target, overwrite)
    first, second = (read_picture(file) for file in files)
    if target.suffix.lower() == _FLO:
        if compare:
            raise BadValue("--compare is for pictures and films; a .flo file holds the flow alone")
        finder(first, second).save(target, overwrite=overwrite)
    else:
        shown = finder.shown(first, second, longest, colors)
        image.save(beside(first, shown) if compare else shown, target, overwrite=overwrite)
    if not quiet:
        print(target)


def interpolate(
    *files: Files,
    seconds: Annotated[
        float | None, Parameter(help="Pictures: length of the film; by default a second from each to the next.")
    ] = None,
    frames: Annotated[int | None, Parameter(help="Pictures: instead, how many frames there are in all.")] = None,
    slow: Annotated[float | None, Parameter(help="Films: how many times as long; 4 is slow motion.")] = None,
    rate: Annotated[
        float | None, Parameter(help="Frames per second; by default the film's own, 30 for pictures.")
    ] = None,
    model: Model = "dis",
    weights: Weights = "default",
    device: Device = "auto",
    size: Size = None,
    compare: Compare = False,
    output: Annotated[
        str | None, Parameter(name=["--output", "-o"], help="A film, a GIF, or a folder for the frames.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Make the frames between pictures, or between the frames of a film: everything is shown on its way.

    A film becomes slow motion (`--slow`), or has more frames per second (`--rate`). Its sound follows as on a tape.
    Pictures that have nothing in common fade into each other.
    """
    given = dict(locals())
    from ml4a.media import video

    finder = _Finder(model, weights, device, size)
    if len(files) == 1 and _is_film(files[0]):
        if seconds is not None or frames is not None:
            raise BadValue("--seconds and --frames are for pictures; a film takes --slow and --rate")
        if slow is None and rate is None:
            raise BadValue("say how slow the film becomes (--slow 4), or at how many frames per second (--rate 60)")
        clip, slower = film.open_clip(files[0]), 1 if slow is None else slow
        moving = clip.slowed(slower, rate=rate, engine=finder)
        moving = video.side_by_side([moving, clip.speed(1 / slower)]) if compare else moving
    else:
        if len(files) < 2:
            raise BadValue(
                f"{_fault(files)}name two pictures, or one film: ml4a interpolate a.png b.png -o between.mp4"
            )
        if slow is not None:
            raise BadValue("--slow is for a film; pictures take --seconds or --frames")
        if compare:
            raise BadValue("--compare is for a film, beside which its own frames are shown for longer")
        pictures = [read_picture(file) if file == STANDARD_STREAM else file for file in files]
        moving = video.between(
            pictures, seconds=seconds, frames=frames, rate=30 if rate is None else rate, engine=finder
        )
    target = Path(output) if output else film.beside(files[0], "interpolate")
    if not target.suffix or is_folder(target):
        target = target / "%05d.png"
    film.save_made(lambda _: moving, target, ["interpolate", *files], given, seed=0)


_EXAMPLES = {
    flow: (
        "ml4a flow first.jpg second.jpg -o flow.png",
        "ml4a flow first.jpg second.jpg -o flow.flo --model flownet",
        "ml4a flow clip.mp4 -o flow.mp4",
    ),
    interpolate: (
        "ml4a interpolate first.jpg second.jpg third.jpg --seconds 2 -o between.mp4",
        "ml4a interpolate clip.mp4 --slow 4 -o slow.mp4",
        "ml4a interpolate clip.mp4 --rate 60 -o smooth.mp4",
    ),
}


def register(app: cyclopts.App) -> None:
    """Add `flow` and `interpolate` to the command line."""
    for command, examples in _EXAMPLES.items():
        app.command(command, help_epilogue=derived.epilogue(examples))


class _Finder:
    """What finds the motion between two pictures; a network is loaded when the first two are there."""

    def __init__(self, model: str, weights: str, device: str, size: int | None) -> None:
        if size is not None and model != "flownet":
            raise BadValue(f"size is for --model flownet; {model} finds its own")
        self._load = lambda: registry.load(model, weights, device=device)
        self._size = size
        self._needs_network = model != "dis"
        self._network: Any = None

    def __call__(self, a: Any, b: Any) -> Flow:
        """The flow between two pictures; the second is resized to the first."""
        from ml4a.media import image, motion

        if self._needs_network:
            return self.network.flow(a, other=b, size=self._size)
        first = image.to_array(a)
        return motion.dis(first, image.resize(image.to_array(b), (first.shape[1], first.shape[0])))

    def shown(self, a: Any, b: Any, longest: float | None, colors: Any) -> Any:
        """The flow in colours; what a network made carries its record."""
        if self._needs_network:
            return self.network.show(a, other=b, longest=longest, colors=colors, size=self._size)
        return self(a, b).to_image(longest, colors)

    @property
    def network(self) -> Any:
        """The model, loaded."""
        self._network = self._network or self._load()
        return self._network


def _fault(files: tuple[str, ...]) -> str:
    from ml4a.media import sources

    return f"{sources.shown(files[0])} is no film; " if len(files) == 1 else ""


def _is_film(file: str) -> bool:
    from ml4a.media import video

    return file != STANDARD_STREAM and (is_folder(file) or "*" in file or video.is_film(file))
