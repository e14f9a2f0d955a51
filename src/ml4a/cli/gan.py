"""`ml4a gan …`: pictures and films out of a generator's space."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.files import refuse_existing
from ml4a._core.progress import interruptible, listening, report
from ml4a.models import registry
from ml4a.models._operation import Operation, recording
from ml4a.models.registry import Verb

from . import console, derived, points
from .adapter import STANDARD_STREAM, flag, option, positional, read_picture
from .film import Overwrite, save_made
from .points import Point
from .run import default_target, load_model, model_options, output_options, preview_options

MODELS = dict.fromkeys(("stylegan", "stylegan3", "idinvert"), ("gan",))
"""Which models these commands work with; of those that have a command, the first is its default."""

_HELP = """Make pictures and films of things that do not exist, find photographs among them, and edit those.

A POINT of a generator's space is a seed, such as 7, or a file of latents, such as `ml4a gan project` writes.
"""
_POINT = "A seed, or a file of latents; by default another seed each time."
_GIVEN = ("latents", "other", "other_seed", "seeds", "sound", "picture", "onto")
"""Parameters that are arguments here and not flags."""
_PICTURES, _FILMS, _LATENTS = ".png", ".mp4", ".safetensors"


Blended = Annotated[str, Parameter(help="Weights of StyleGAN by name, or a file.")]


@dataclass(frozen=True, slots=True)
class _Command:
    """A command, and the operation that it calls."""

    operation: str
    arguments: str
    """As the usage shows them."""
    text: str
    """What the arguments are."""
    run: Callable[..., int]
    suffix: str = _PICTURES
    further: tuple[Any, ...] = ()
    """Flags that are no parameters of the operation."""


def register(app: cyclopts.App, tokens: list[str]) -> None:
    """Add `gan` and its commands to the command line; `tokens` say whose flags they have."""
    group = cyclopts.App(name="gan", help=_HELP)
    for name, command in _COMMANDS.items():
        able = [each for each in MODELS if command.operation in registry.model_class(each).operations()]
        model = _chosen(able, tokens) if tokens[:2] == ["gan", name] else able[0]
        verbs = [Verb(name, each, registry.model_class(each).operations()[command.operation]) for each in able]
        verb = next(each for each in verbs if each.model == model)
        parameters = [
            *_positionals(command),
            *(flag(each) for each in verb.operation.parameters.values() if each.name not in _GIVEN),
            *command.further,
            *preview_options(verb),
            *output_options(_output_help(command)),
            *model_options(verbs),
        ]
        run = functools.partial(_run, name, command, verb.operation)
        function = derived.function(name, verb.operation.summary, parameters, run)
        derived.add(group, name, function, _EXAMPLES[name], sources=command.arguments, group="gan")
    group.command(_blend, name="blend", help_epilogue=derived.epilogue(_EXAMPLES["blend"]))
    app.command(group)


def _chosen(able: list[str], tokens: list[str]) -> str:
    for before, token in zip(tokens, [*tokens[1:], ""], strict=True):
        name = token if before == "--model" else before.removeprefix("--model=") if "--model=" in before else ""
        if name:
            if name not in able:
                raise UnknownName(f"model for gan {tokens[1]}", name, able)
            return name
    return able[0]


def _positionals(command: _Command) -> list[Any]:
    names = command.arguments.replace("[", "").replace("]", "").replace("...", "").split()
    if "..." in command.arguments:
        annotation = Annotated[str, Parameter(name=names[0], help=command.text)]
        return [inspect.Parameter("points", inspect.Parameter.VAR_POSITIONAL, annotation=annotation)]
    required = "[" not in command.arguments
    return [positional(name.lower(), command.text, required=required) for name in names]


def _output_help(command: _Command) -> str:
    return {
        _FILMS: "A film, a GIF, or a folder for the frames.",
        _LATENTS: "File of latents to write; beside it a picture of what was found.",
    }.get(command.suffix, "Picture to write.")


def _run(name: str, command: _Command, about: Operation, *arguments: str | None, **options: Any) -> int:
    given = [each for each in arguments if each is not None]
    if STANDARD_STREAM in (options["output"], *given[1:]):
        raise BadValue("what goes in and comes out are files here, not standard input or output")
    own = {each: options[each] for each in about.parameters if each in options}
    load = functools.partial(load_model, options["model"], options)
    with recording(options["record"]):
        return command.run(_Work(name, command, about, given, own, options, load))


@dataclass(frozen=True, slots=True)
class _Work:
    """One run of a command."""

    name: str
    command: _Command
    about: Operation
    points: list[str]
    own: dict[str, Any]
    """Of the operation's parameters, those that are flags."""
    options: dict[str, Any]
    load: Callable[[], Any]

    def target(self, source: str | None = None) -> Path:
        """Where to write, refused if it is there already."""
        beside = Path(f"{self.name}.x") if source is None else default_target(self.name, source)
        target = Path(self.options["output"] or beside.with_suffix(self.command.suffix))
        if self.command.suffix == _FILMS and not target.suffix:
            target = target / "%05d.png"
        if self.command.suffix != _FILMS:  # of films, those that go on may be there
            refuse_existing(target, self.options["overwrite"])
        return target

    def operation(self) -> Callable[..., Any]:
        """The operation of the model, which is loaded now."""
        return getattr(self.load(), self.command.operation)

    def save_picture(self, make: Callable[[], Any], target: Path) -> int:
        """Make a picture, write it, and say where it is."""
        from ml4a.media import image

        with console.progress_bars(quiet=self.options["quiet"]) as on_progress, listening(on_progress):
            made = make()
        image.save(made, target, overwrite=self.options["overwrite"])
        self.tell(target)
        return 0

    def save_film(self, make: Callable[[], Any], target: Path) -> int:
        """Make a film, and write it frame by frame; Ctrl-C keeps what there is, and the same line goes on."""
        from ml4a.media.video import _save

        _save.check_name(target)

        def make_with(seed: int) -> Any:
            if "seed" in self.own:
                self.own["seed"] = seed
            return make()

        command = ["gan", self.name, *self.points]
        save_made(make_with, target, command, self.options, seed=self.own.get("seed"), keep_partial=True)
        return 0

    def tell(self, path: Path) -> None:
        """Say where something is."""
        if not self.options["quiet"]:
            print(path)


# -- What each command does ----------------------------------------------------------------------------------------


def _sample(work: _Work) -> int:
    from ml4a.media import image

    count, seed = work.options["count"], work.own.pop("seed")
    if count < 1:
        raise BadValue(f"count must be 1 or more, not {count}")
    if work.points and (count > 1 or seed is not None):
        raise BadValue("name seeds and files, or say --seed and --count, not both")
    wanted = list(points.each(work.points)) or points.drawn(count, seed)
    output = Path(work.options["output"] or work.name)
    if len(wanted) == 1 and (output.suffix or work.options["output"] is None):
        return work.save_picture(lambda: next(_made(work, wanted)), work.target(points.file_of(work.points)))
    if output.suffix:
        names = [point.name for point in wanted]
        return work.save_picture(lambda: image.grid(_made(work, wanted), labels=names), work.target())
    targets = [output / f"{point.file_name}{_PICTURES}" for point in wanted]
    for target in targets:
        refuse_existing(target, work.options["overwrite"])
    with console.progress_bars(quiet=work.options["quiet"]) as on_progress, listening(on_progress):
        for target, picture in zip(targets, _made(work, wanted), strict=True):
            image.save(picture, target, overwrite=work.options["overwrite"])
            work.tell(target)
    return 0


def _single(work: _Work) -> int:
    """A picture, or a film, of one point."""
    point = points.one(work.points, pictures="picture" in work.about.parameters)
    own = {**work.own, **point.arguments} if work.points else work.own
    save = work.save_film if work.command.suffix == _FILMS else work.save_picture
    return save(lambda: work.operation()(**own), work.target(points.file_of(work.points)))


def _several(work: _Work) -> int:
    """A picture, or a film, of several."""
    given = points.several(work.points, f"ml4a gan {work.name} 1 2 3")
    save = work.save_film if work.command.suffix == _FILMS else work.save_picture
    return save(lambda: work.operation()(**given, **work.own), work.target(points.file_of(work.points)))


def _mix(work: _Work) -> int:
    one, other = (points.one([text]) for text in work.points)
    second = {"other_seed": other.seed} if other.latents is None else {"other": other.latents}
    own = {**work.own, **one.arguments, **second}
    return work.save_picture(lambda: work.operation()(**own), work.target(points.file_of(work.points)))


def _walk(work: _Work) -> int:
    from ml4a.media import audio

    sound = work.points[0] if work.points else None
    if sound is not None:
        audio.blocks(sound)  # what is no sound is refused before anything is downloaded
    return work.save_film(lambda: work.operation()(sound, **work.own), work.target(sound))


def _project(work: _Work) -> int:
    from ml4a.media import image

    (source,) = work.points
    target = work.target(None if source == STANDARD_STREAM else source)
    if target.suffix.lower() != _LATENTS:
        raise BadValue(f"what is found is written as {_LATENTS}, not {target.name}; a picture of it comes beside")
    shown = target.with_suffix(_PICTURES)
    refuse_existing(shown, work.options["overwrite"])
    picture = read_picture(source)
    preview = work.options["preview"]
    with console.progress_bars(quiet=work.options["quiet"]) as bars, interruptible() as interruption:
        on_progress = bars
        if preview is not None:
            on_progress = console.with_preview(bars, Path(preview), overwrite=work.options["overwrite"])
        model = work.load()
        with listening(on_progress):
            found = model.project(picture, **work.own)
        found.save(target, overwrite=work.options["overwrite"])
        image.save(model(found), shown, overwrite=work.options["overwrite"])
    work.tell(target)
    work.tell(shown)
    return 130 if interruption.cancelled else 0


def _diffuse(work: _Work) -> int:
    first, onto = (read_picture(text) for text in work.points)
    return work.save_picture(lambda: work.operation()(first, onto=onto, **work.own), work.target(work.points[0]))


def _blend(
    one: Blended,
    other: Blended,
    /,
    *,
    resolution: Annotated[int, Parameter(help="The blocks from here on are the other's: 8, 16, 32 …")] = 32,
    share: Annotated[float, Parameter(help="How much of the other's they are, 0 to 1.")] = 1.0,
    output: Annotated[str, Parameter(name=["--output", "-o"], help="The new weights.")] = "blend.safetensors",
    overwrite: Overwrite = False,
) -> None:
    """Make weights of two: what is coarse in pictures is of ONE, what is fine of OTHER, which was trained from it."""
    from ml4a.models import stylegan

    print(stylegan.blend(one, other, output, resolution=resolution, share=share, overwrite=overwrite))


def _made(work: _Work, wanted: list[Point]) -> Iterator[Any]:
    call = work.operation()
    for number, point in enumerate(wanted):
        report("sampling", number, len(wanted), "pictures")
        yield call(**point.arguments, **work.own)


_COMMANDS = {
    "sample": _Command(
        *("__call__", "[POINT...]", "Seeds, or files of latents, to show.", _sample),
        further=(option("count", int, 1, "How many; a file gets them all on one sheet, a folder one by one."),),
    ),
    "walk": _Command("walk", "[SOUND]", "A sound that drives the walk, and is heard with it.", _walk, _FILMS),
    "interpolate": _Command("interpolate", "POINT...", "What to go through.", _several, _FILMS),
    "project": _Command(
        "project", "PICTURE", "A picture, URL, `sample:NAME`, or `-` for standard input.", _project, _LATENTS
    ),
    "edit": _Command("edit", "[POINT]", _POINT, _single),
    "explore": _Command("explore", "[POINT]", _POINT, _single),
    "mix": _Command("mix", "ONE OTHER", "A seed, or a file of latents.", _mix),
    "panorama": _Command("panorama", "POINT...", "From left to right.", _several),
    "diffuse": _Command("diffuse", "PICTURE ONTO", "A picture, URL or `sample:NAME`.", _diffuse),
    "turn": _Command("turn", "[POINT]", _POINT, _single, _FILMS),
}

_EXAMPLES = {
    "sample": (
        "ml4a gan sample --seed 7 -o face.png",
        "ml4a gan sample --count 16 --truncation 0.6 -o sheet.png",
        "ml4a gan sample 3 14 15 --weights afhqcat -o cats/",
        "ml4a gan sample --weights my-network.pkl --noise random",
    ),
    "walk": (
        "ml4a gan walk --seconds 10 --seed 1 -o walk.mp4",
        "ml4a gan walk song.mp3 --react 1.5 --weights afhqwild -o dance.mp4",
    ),
    "interpolate": (
        "ml4a gan interpolate 1 2 3 --seconds 12 -o faces.mp4",
        "ml4a gan interpolate me.safetensors you.safetensors --mode linear --no-loop -o us.mp4",
    ),
    "project": (
        "ml4a align me.jpg --size 1024 -o aligned.png && ml4a gan project aligned.png -o me.safetensors",
        "ml4a gan project cat.png --weights afhqcat --space w --iterations 200 --preview now.png",
    ),
    "edit": (
        "ml4a gan edit 7 --direction sefa:2 --amount 4 -o edited.png",
        "ml4a gan edit me.safetensors --direction pca:0 --layers 0,1,2,3 -o turned.png",
        "ml4a gan edit me.jpg --model idinvert --direction age --amount 2 -o older.png",
    ),
    "explore": (
        "ml4a gan explore 7 -o directions.png",
        "ml4a gan explore 7 --kind pca --count 10 --amount 4 -o directions.png",
    ),
    "mix": (
        "ml4a gan mix 3 14 -o mixed.png",
        "ml4a gan mix me.safetensors 14 --layers 8,9,10,11 -o mixed.png",
    ),
    "panorama": ("ml4a gan panorama 1 2 3 4 -o wide.png", "ml4a gan panorama 5 6 --tileable -o paper.png"),
    "diffuse": ("ml4a gan diffuse me.jpg you.jpg -o us.png",),
    "turn": ("ml4a gan turn 7 --model stylegan3 --weights ffhqu-r --rotate 360 -o turning.mp4",),
    "blend": (
        "ml4a gan blend ffhq metfaces --resolution 64 -o painted.safetensors",
        "ml4a gan sample --seed 7 --weights painted.safetensors -o painted.png",
    ),
}
