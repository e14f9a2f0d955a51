"""`ml4a lipsync`: a face and a speech in, a film out."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cyclopts

from ml4a._core.errors import BadValue
from ml4a._core.progress import listening
from ml4a.models import registry
from ml4a.models.registry import Verb

from . import console, derived
from .adapter import STANDARD_STREAM, flag, option
from .run import default_target, model_options

VERB = "lipsync"
_SETTINGS = ("weights", "device", "dtype")
_FACE = "A film or a picture with a face: a file, a URL or `sample:NAME`."
_SPEECH = "What is said: a file or URL with sound, also that of a film; `-` reads it from standard input."


def command(verb: Verb, candidates: list[Verb]) -> Callable[..., int]:
    """The command for the model that `verb` names."""
    media = {parameter.name for parameter in verb.operation.media}
    signature = inspect.Signature(
        [
            _positional("face", "FACE", _FACE),
            _positional("speech", "SPEECH", _SPEECH),
            *(flag(each) for name, each in verb.operation.parameters.items() if name not in media),
            option("output", str | None, None, "Film to write; by default named after FACE.", "--output", "-o"),
            option("overwrite", bool, False, "Replace the output if it exists."),
            option("quiet", bool, False, "Print nothing but errors.", "--quiet", "-q"),
            *model_options(candidates),
        ]
    )

    def lipsync(*arguments: Any, **given: Any) -> int:
        bound = signature.bind(*arguments, **given)
        bound.apply_defaults()
        return _lipsync(verb, *bound.args, **bound.kwargs)

    lipsync.__doc__ = verb.operation.summary
    lipsync.__signature__ = signature  # type: ignore[attr-defined]
    lipsync.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
    return lipsync


def add(app: cyclopts.App, verb: Verb, candidates: list[Verb]) -> None:
    """Add the verb to the command line."""
    derived.add(app, VERB, command(verb, candidates), verb.operation.examples, sources="FACE SPEECH")


def _positional(name: str, shown: str, text: str) -> inspect.Parameter:
    annotation = Annotated[str, cyclopts.Parameter(name=shown, help=text)]
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY, annotation=annotation)


def _lipsync(verb: Verb, face: str, speech: str, **options: Any) -> int:
    from ml4a._core.files import refuse_existing
    from ml4a.media import audio
    from ml4a.models import _media
    from ml4a.models._operation import recording

    if STANDARD_STREAM in (face, options["output"]):
        raise BadValue("the face and the film are files here, not standard input or output")
    said = sys.stdin.buffer.read() if speech == STANDARD_STREAM else speech
    target = Path(options["output"] or default_target(VERB, face).with_suffix(".mp4"))
    refuse_existing(target, options["overwrite"])
    # What cannot be read is refused before anything is downloaded.
    parameters = verb.operation.parameters
    _media.loaded(parameters["face"], face)
    audio.blocks(said)
    own = {name: options[name] for name in parameters if name in options}
    with console.progress_bars(quiet=options["quiet"]) as on_progress:
        model = registry.load(verb.model, **{name: options[name] for name in _SETTINGS})
        with listening(on_progress), recording(options["record"]):
            clip = model(face, speech=said, **own)
        clip.save(target, overwrite=options["overwrite"], keep_partial=True, on_progress=on_progress)
    if not options["quiet"]:
        print(target)
    return 0
