"""`ml4a glow …`: faces turned into codes, edited, mixed and turned back."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cyclopts

from ml4a._core.errors import BadValue
from ml4a._core.files import is_folder, refuse_existing
from ml4a._core.progress import listening
from ml4a.models import registry
from ml4a.models._operation import Operation, recording
from ml4a.models.registry import Verb

from . import console, derived
from .adapter import STANDARD_STREAM, flag, option, positional, read_picture
from .film import save_made
from .run import (
    Deferred,
    common_options,
    default_target,
    load_model,
    model_options,
    output_options,
    run,
)

_MODEL = "glow"
MODELS = {_MODEL: ("glow",)}
"""Which models these commands work with."""

_HELP = """Turn faces into codes and back: edit, mix and draw them.

A code is a file of latents: `--latents me.safetensors` saves that of the picture which is written, and `random` and
`decode` take one.
"""
_LATENTS = ".safetensors"
_PICTURE = "A picture with a face: a file, a URL, `sample:NAME`, or `-` for standard input."
_CODE = "A file of latents, as --latents saves it."


@dataclass(frozen=True, slots=True)
class _Command:
    """A command, and the operation that it calls."""

    operation: str
    arguments: tuple[str, ...]
    """Names of the operation's media, in order."""
    film: bool = False
    many: bool = False
    """Whether it takes folders and films, too."""
    has_code: bool = True
    """Whether what it makes has a code of its own, which can be saved."""


def register(app: cyclopts.App) -> None:
    """Add `glow` and its commands to the command line."""
    group = cyclopts.App(name="glow", help=_HELP)
    operations = registry.model_class(_MODEL).operations()
    for name, command in _COMMANDS.items():
        about = operations[command.operation]
        verb = Verb(name, _MODEL, about)
        work = functools.partial(_many if command.many else _one, verb, command)
        function = derived.function(name, about.summary, _parameters(verb, command), work)
        derived.add(group, name, function, _EXAMPLES[name], sources=_usage(about, command), group="glow")
    group.command(_attributes, name="attributes", help_epilogue=derived.epilogue(("ml4a glow attributes",)))
    app.command(group)


def _parameters(verb: Verb, command: _Command) -> list[inspect.Parameter]:
    flags = [flag(each) for each in verb.operation.parameters.values() if each.kind is None]
    text = f"File for the code of what is written; it ends in {_LATENTS}."
    flags += [option("codes", str | None, None, text, "--latents")] if command.has_code else []
    if command.many:
        return [*_sources(verb.operation), *flags, *common_options(), *model_options([verb])]
    text = "Film or GIF to write." if command.film else "Picture to write."
    names = [_argument(verb.operation, name) for name in command.arguments]
    return [*names, *flags, *output_options(text), *model_options([verb])]


def _sources(about: Operation) -> list[inspect.Parameter]:
    """What `derived.command` begins with: pictures, folders and films."""
    made = derived.command("", about, [], lambda sources, options: 0)
    return list(inspect.signature(made).parameters.values())[:1]


def _argument(about: Operation, name: str) -> inspect.Parameter:
    medium = about.parameters[name]
    text = _CODE if medium.kind == "latents" else _PICTURE
    return positional(name, text if medium.required else f"{_CODE} May be left out.", required=medium.required)


def _usage(about: Operation, command: _Command) -> str:
    if command.many:
        return "SOURCE..."
    names = [name.upper() if about.parameters[name].required else f"[{name.upper()}]" for name in command.arguments]
    return " ".join(names)


def _many(verb: Verb, command: _Command, *sources: str, **options: Any) -> int:
    """Pictures, folders and films, as of every verb that makes pictures of pictures; or one picture and its code."""
    source = next(iter(sources), None)
    if source is None:
        raise BadValue(f"name a picture, a folder or a film: ml4a glow {verb.name} photo.jpg")
    if options["codes"] is None:
        worker = Deferred(verb, options)
        return run(verb.name, worker, list(sources), options)
    if len(sources) > 1 or _is_many(source) or options["compare"] or options["steady"]:
        raise BadValue("--latents saves the code of one picture; leave it out, or name one picture alone")
    return _one(verb, command, source, **options)


def _one(verb: Verb, command: _Command, *given: str | None, **options: Any) -> int:
    """A picture, with its code if that is wanted, or a film."""
    about = verb.operation
    media = {name: value for name, value in zip(command.arguments, given, strict=True) if value is not None}
    if options["output"] == STANDARD_STREAM or list(media.values()).count(STANDARD_STREAM) > 1:
        raise BadValue("what is written is a file here, and standard input is one picture")
    target, codes = _targets(verb, command, next(iter(media.values()), None), options)
    loaded = {name: _read(about, name, value) for name, value in media.items()}
    own = {name: options[name] for name in about.parameters if name in options}
    if command.film:
        return _film(verb, target, [*media.values()], loaded, options)
    with console.progress_bars(quiet=options["quiet"]) as on_progress:
        model = load_model(verb.model, options)
        with listening(on_progress), recording(options["record"]):
            made = getattr(model, about.name)(**loaded, **own)
        _save(made, target, options, on_progress)
    written = [target]
    if codes is not None:
        model.last_codes.with_record(model.last_record if options["record"] else None).save(
            codes, overwrite=options["overwrite"]
        )
        written.append(codes)
    if not options["quiet"]:
        print(*written, sep="\n")
    return 0


def _film(verb: Verb, target: Path, given: list[str], loaded: dict[str, Any], options: dict[str, Any]) -> int:
    """A film, which goes on where it was if it was stopped."""
    about = verb.operation
    own = {name: options[name] for name in about.parameters if name in options}

    def make(seed: int) -> Any:
        drawn = {"seed": seed} if "seed" in own else {}
        return getattr(load_model(verb.model, options), about.name)(**loaded, **{**own, **drawn})

    with recording(options["record"]):
        save_made(make, target, ["glow", verb.name, *given], options, seed=own.get("seed"), keep_partial=True)
    return 0


def _targets(verb: Verb, command: _Command, source: str | None, options: dict[str, Any]) -> tuple[Path, Path | None]:
    """Where the result and its code go, if they may be written there."""
    from ml4a.media.video import _save as films

    piped = source is None or source == STANDARD_STREAM
    usual = Path(f"{verb.name}.png") if piped else default_target(verb.name, source)
    if command.film or usual.suffix == _LATENTS:
        usual = usual.with_suffix(".mp4" if command.film else ".png")
    target = Path(options["output"] or usual)
    if command.film:  # one that goes on may be there
        films.check_name(target)
        return target, None
    refuse_existing(target, options["overwrite"])
    if options.get("codes") is None:
        return target, None
    codes = Path(options["codes"])
    if codes.suffix.lower() != _LATENTS:
        raise BadValue(f"a code is written as {_LATENTS}, not {codes.name}")
    refuse_existing(codes, options["overwrite"])
    return target, codes


def _read(about: Operation, name: str, value: str) -> Any:
    """A medium, read before anything is downloaded."""
    from ml4a.media import latents

    if about.parameters[name].kind != "latents":
        return read_picture(value)
    latents.load(value)
    return value  # as a file, of which the record tells the hash


def _save(made: Any, target: Path, options: dict[str, Any], on_progress: Callable[..., None]) -> None:
    from ml4a.media import image

    if hasattr(made, "frames"):
        made.save(target, overwrite=options["overwrite"], keep_partial=True, on_progress=on_progress)
    else:
        image.save(made, target, overwrite=options["overwrite"])


def _is_many(source: str) -> bool:
    from ml4a.media import video

    if source == STANDARD_STREAM:
        return False
    return is_folder(source) or "*" in source or source.startswith("camera:") or video.is_film(source)


def _attributes() -> None:
    """List what `edit` can change."""
    from ml4a.models.glow import ATTRIBUTES

    print("\n".join(ATTRIBUTES))


_COMMANDS = {
    "reconstruct": _Command("__call__", ("picture",), many=True),
    "edit": _Command("edit", ("picture",), many=True),
    "mix": _Command("mix", ("picture", "other")),
    "interpolate": _Command("interpolate", ("picture", "other"), film=True, has_code=False),
    "random": _Command("random", ("latents",)),
    "decode": _Command("decode", ("latents",), has_code=False),
}

_EXAMPLES = {
    "reconstruct": (
        "ml4a glow reconstruct me.jpg -o seen.png",
        "ml4a glow reconstruct me.jpg --latents me.safetensors",
    ),
    "edit": (
        "ml4a glow edit me.jpg --attribute Smiling -o smiling.png",
        "ml4a glow edit me.jpg --attribute Smiling,Young,Eyeglasses --amount 0.7,-0.5,1 -o other.png",
        "ml4a glow edit film.mp4 --attribute Blond_Hair --amount 0.8 -o blond.mp4",
    ),
    "mix": ("ml4a glow mix me.jpg you.jpg --amount 0.4 -o us.png",),
    "interpolate": ("ml4a glow interpolate me.jpg you.jpg --seconds 4 -o from_me_to_you.mp4",),
    "random": (
        "ml4a glow random --seed 7 -o nobody.png --latents nobody.safetensors",
        "ml4a glow random me.safetensors --temperature 0.3 -o somebody_like_me.png",
    ),
    "decode": ("ml4a glow decode me.safetensors -o me.png",),
}
