"""`ml4a lipsync`: a face and a speech in, a film out."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyclopts

from ml4a._core.errors import BadValue
from ml4a.models import _media
from ml4a.models._operation import recording
from ml4a.models.registry import Verb

from . import derived
from .adapter import STANDARD_STREAM, flag, positional
from .film import save_made
from .run import default_target, load_model, model_options, output_options

if TYPE_CHECKING:
    from ml4a.media.video import Clip

VERB = "lipsync"
_FACE = "A film or a picture with a face: a file, a URL or `sample:NAME`."
_SPEECH = "What is said: a file or URL with sound, also that of a film; `-` reads it from standard input."


def add(app: cyclopts.App, verb: Verb, candidates: list[Verb]) -> None:
    """Add the verb to the command line, with the flags of the model that `verb` names."""
    parameters = [
        positional("face", _FACE),
        positional("speech", _SPEECH),
        *(flag(each) for each in verb.operation.parameters.values() if each.kind is None),
        *output_options("Film to write; by default named after FACE."),
        *model_options(candidates),
    ]
    lipsync = derived.function(VERB, verb.operation.summary, parameters, functools.partial(_lipsync, verb))
    derived.add(app, VERB, lipsync, verb.operation.examples, sources="FACE SPEECH")


def _lipsync(verb: Verb, face: str, speech: str, **options: Any) -> int:
    from ml4a.media import audio
    from ml4a.media.video import _save

    if STANDARD_STREAM in (face, options["output"]):
        raise BadValue("the face and the film are files here, not standard input or output")
    target = Path(options["output"] or default_target(VERB, face).with_suffix(".mp4"))
    _save.check_name(target)
    # What cannot be read is refused before anything is downloaded.
    parameters = verb.operation.parameters
    shown = _media.fetched(parameters["face"], face)
    _media.loaded(parameters["face"], shown)
    piped = speech == STANDARD_STREAM
    said = sys.stdin.buffer.read() if piped else _media.fetched(parameters["speech"], speech)
    audio.blocks(said)
    own = {name: options[name] for name in parameters if name in options}

    def make(_: int) -> Clip:
        with recording(options["record"]):
            return load_model(verb.model, options)(shown, speech=said, **own)

    save_made(make, target, [VERB, face, speech], options, seed=0, keep_partial=True)
    return 0
