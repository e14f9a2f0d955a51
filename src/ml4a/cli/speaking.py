"""`ml4a speak`: a text in, a sound file out, sentence by sentence."""

from __future__ import annotations

import functools
import inspect
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts

from ml4a._core.errors import BadValue
from ml4a._core.progress import Interrupted, interruptible, listening
from ml4a.models import registry
from ml4a.models._operation import recording
from ml4a.models.registry import Verb

from . import console, derived
from .adapter import STANDARD_STREAM, flag, option
from .run import model_options

if TYPE_CHECKING:
    from ml4a.media.audio import Sound

VERB = "speak"
_SETTINGS = ("weights", "device", "dtype")
_TEXT = "What to say, in quotes; `-` reads it from standard input."


def command(verb: Verb, candidates: list[Verb]) -> Callable[..., int]:
    """The command for the model that `verb` names."""
    text = cyclopts.Parameter(name="TEXT", help=_TEXT, show_default=False)
    signature = inspect.Signature(
        [
            inspect.Parameter(
                "text", inspect.Parameter.POSITIONAL_ONLY, default=None, annotation=Annotated[str | None, text]
            ),
            option("file", str | None, None, "A text file to read out instead.", "--file", "-f"),
            *(flag(each) for each in verb.operation.parameters.values() if each is not verb.operation.main),
            option("output", str | None, None, "File to write; `-` for standard output, as WAV.", "--output", "-o"),
            option("overwrite", bool, False, "Replace the output if it exists."),
            option("quiet", bool, False, "Print nothing but errors.", "--quiet", "-q"),
            *(_voice(each) for each in model_options(candidates)),
        ]
    )

    def speak(*arguments: Any, **given: Any) -> int:
        bound = signature.bind(*arguments, **given)
        bound.apply_defaults()
        return _speak(verb, *bound.args, **bound.kwargs)

    speak.__doc__ = verb.operation.summary
    speak.__signature__ = signature  # type: ignore[attr-defined]
    speak.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
    return speak


def add(app: cyclopts.App, verb: Verb, candidates: list[Verb]) -> None:
    """Add the verb to the command line."""
    derived.add(app, VERB, command(verb, candidates), verb.operation.examples, sources="TEXT")


def _voice(shared: inspect.Parameter) -> inspect.Parameter:
    """The weights of a model that speaks are voices."""
    if shared.name != "weights":
        return shared
    text = "Whose voice (`ml4a models NAME` lists them), or a file."
    return option("weights", str, shared.default, text, "--voice", "--weights")


def _speak(verb: Verb, text: str | None, *, file: str | None, **options: Any) -> int:
    said = _text(text, file)
    own = {name: options[name] for name in verb.operation.parameters if name in options}
    load = functools.partial(registry.load, verb.model, **{name: options[name] for name in _SETTINGS})
    if options["output"] == STANDARD_STREAM:
        _to_standard_output(load().stream(said, **own))
        return 0
    target = Path(options["output"] or f"{VERB}.wav")
    _check(target, overwrite=options["overwrite"])
    with (
        console.progress_bars(quiet=options["quiet"]) as on_progress,
        listening(on_progress),
        recording(options["record"]),
        interruptible() as interruption,
    ):
        load()(said, **own).save(target, overwrite=options["overwrite"])
    if interruption.cancelled:
        raise Interrupted(target)
    if not options["quiet"]:
        print(target)
    return 0


def _text(text: str | None, file: str | None) -> str | Path:
    if (text is None) == (file is None):
        raise BadValue('say what to speak: ml4a speak "Hello there.", or ml4a speak --file story.txt')
    if file is not None:
        return Path(file)
    return sys.stdin.read() if text == STANDARD_STREAM else str(text)


def _check(target: Path, *, overwrite: bool) -> None:
    """Refuse what cannot be written before any work is done."""
    from ml4a._core.files import refuse_existing
    from ml4a.media.audio import _write

    _write.check(target, 1, None)
    refuse_existing(target, overwrite)


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
