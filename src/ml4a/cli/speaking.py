"""`ml4a speak`: a text in, a sound file out, sentence by sentence."""

from __future__ import annotations

import functools
import inspect
import itertools
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyclopts

from ml4a._core.progress import Interrupted, listening
from ml4a.models import _media
from ml4a.models._operation import recording
from ml4a.models.registry import Verb

from . import console, derived
from .adapter import STANDARD_STREAM, flag, option
from .of_text import given_text, text_options
from .run import load_model, model_options, output_options
from .sound import check_target

if TYPE_CHECKING:
    from ml4a._core.record import Record
    from ml4a.media.audio import Sound

VERB = "speak"
_TEXT = "What to say, in quotes; `-` reads it from standard input."


def add(app: cyclopts.App, verb: Verb, candidates: list[Verb]) -> None:
    """Add the verb to the command line, with the flags of the model that `verb` names."""
    parameters = [
        *text_options(_TEXT),
        *(flag(each) for each in verb.operation.parameters.values() if each is not verb.operation.main),
        *output_options("File to write; `-` for standard output, as WAV."),
        *(_voice(each) for each in model_options(candidates)),
    ]
    speak = derived.function(VERB, verb.operation.summary, parameters, functools.partial(_speak, verb))
    derived.add(app, VERB, speak, verb.operation.examples, sources="TEXT")


def _voice(shared: inspect.Parameter) -> inspect.Parameter:
    """The weights of a model that speaks are voices."""
    if shared.name != "weights":
        return shared
    text = "Whose voice (`ml4a models NAME` lists them), or a file."
    return option("weights", str, shared.default, text, "--voice", "--weights")


def _speak(verb: Verb, text: str | None, *, file: str | None, **options: Any) -> int:
    said = given_text(VERB, 'ml4a speak "Hello there."', text, file)
    own = {name: options[name] for name in verb.operation.parameters if name in options}
    if options["output"] == STANDARD_STREAM:
        _to_standard_output(load_model(verb.model, options).stream(said, **own))
        return 0
    target = Path(options["output"] or f"{VERB}.wav")
    check_target(target, overwrite=options["overwrite"])
    _media.loaded(verb.operation.main, said)  # what cannot be read is refused before anything is downloaded
    with console.progress_bars(quiet=options["quiet"]) as on_progress, listening(on_progress):
        model = load_model(verb.model, options)
        with recording(options["record"]):
            sounds = model.stream(said, **own)
        _to_file(sounds, target, model.last_record, overwrite=options["overwrite"])
    if not options["quiet"]:
        print(target)
    return 0


def _to_file(sounds: Iterator[Sound], target: Path, record: Record | None, *, overwrite: bool) -> None:
    """Written as it is said, so that a book needs no more memory than its longest sentence.

    Raises:
        Interrupted: Ctrl-C was pressed, and what was said by then is the file.
    """
    from ml4a.media import audio

    first = next(sounds)  # of what cannot be said at all, there is no file
    stopped = False
    with audio.writer(target, first.rate, overwrite=overwrite, record=record) as file:
        try:
            for sound in itertools.chain([first], sounds):
                file.write(sound)
        except KeyboardInterrupt:
            if not file.duration:
                raise
            stopped = True
    if stopped:
        raise Interrupted(target)


def _to_standard_output(sounds: Iterator[Sound]) -> None:
    """As a WAV whose length nobody knows yet, so that a sentence is heard while the next one is computed."""
    import numpy as np

    out = sys.stdout.buffer
    for number, sound in enumerate(sounds):
        if number == 0:
            form = struct.pack("<HHIIHH", 1, 1, sound.rate, 2 * sound.rate, 2, 16)
            out.write(b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + form + b"data\xff\xff\xff\xff")
        out.write((sound.samples[:, 0].clip(-1, 1) * 32767).round().astype(np.dtype("<i2")).tobytes())
        out.flush()
