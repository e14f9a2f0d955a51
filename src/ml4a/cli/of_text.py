"""Verbs that make something of a text: a picture, a sound or a film. Built-in ones may have commands of their own."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path
from typing import Any

import cyclopts

from ml4a._core.errors import BadValue
from ml4a._core.files import refuse_existing
from ml4a._core.params import check
from ml4a._core.progress import Interrupted, interruptible, listening
from ml4a.models import _media
from ml4a.models._operation import recording
from ml4a.models.registry import Verb

from . import console, derived
from .adapter import STANDARD_STREAM, flag, option, positional
from .run import load_model, model_options, output_options

_TEXT = "The text, in quotes; `-` reads it from standard input."
_SUFFIXES = {"picture": ".png", "sound": ".wav", "film": ".mp4"}
_PICTURES = ("picture", "pictures", "style")
_STEPS = {"steps", "iterations"}


def text_options(text: str) -> list[inspect.Parameter]:
    """The argument that is the text, of which `text` tells, and the flag that reads it from a file."""
    return [
        positional("text", text, required=False),
        option("file", str | None, None, "A text file to read instead.", "--file", "-f"),
    ]


def given_text(verb: str, example: str, text: str | None, file: str | None) -> str | Path:
    """The text that is meant: the argument, a file or standard input. The example is a line of shell.

    Raises:
        BadValue: neither is given, or both are; the message has the example.
        BadMedia: standard input is no text.
    """
    if (text is None) == (file is None):
        raise BadValue(f"say what to {verb}: {example}, or ml4a {verb} --file story.txt")
    if file is not None:
        return Path(file)
    return _media.text_of(sys.stdin.buffer, "standard input") if text == STANDARD_STREAM else str(text)


def add(app: cyclopts.App, verb: Verb, candidates: list[Verb]) -> None:
    """Add the verb to the command line, with the flags of the model that `verb` names."""
    about = verb.operation
    shown = [option("preview", str | None, None, "A picture file that shows what there is so far, again and again.")]
    parameters = [
        *text_options(_TEXT),
        *(flag(each) for each in about.parameters.values() if each is not about.main),
        *output_options("File to write; `-` for standard output."),
        *(shown if _STEPS & about.parameters.keys() else []),
        *model_options(candidates),
    ]
    command = derived.function(verb.name, about.summary, parameters, functools.partial(_run, verb))
    derived.add(app, verb.name, command, about.examples, sources="TEXT")


def _run(verb: Verb, text: str | None, *, file: str | None, **options: Any) -> int:
    examples = (*verb.operation.examples, f'ml4a {verb.name} "Hello there."')
    said = given_text(verb.name, examples[0], text, file)
    if options["output"] != STANDARD_STREAM:
        target = Path(options["output"] or f"{verb.name}{_suffix(verb)}")
        _write(verb, said, target, options)
        if not options["quiet"]:
            print(target)
        return 0
    with console.standard_output(_suffix(verb)) as target:
        _write(verb, said, target, options)
    return 0


def _suffix(verb: Verb) -> str:
    return _SUFFIXES.get(verb.operation.gives or "", ".png")


def _write(verb: Verb, said: str | Path, target: Path, options: dict[str, Any]) -> None:
    """Make it, and write it; after Ctrl-C, the best so far.

    Raises:
        Interrupted: Ctrl-C was pressed, and there is a best so far.
    """
    refuse_existing(target, options["overwrite"])
    _check_name(verb, target)
    parameters = verb.operation.parameters
    # What cannot be is refused before anything is downloaded.
    own = {name: check(each, options[name]) for name, each in parameters.items() if name in options}
    _media.loaded(verb.operation.main, said)
    pictures = [each for each in verb.operation.media if each.name in own and each.kind in _PICTURES]
    own |= {each.name: _media.loaded(each, own[each.name]) for each in pictures}
    with console.progress_bars(quiet=options["quiet"]) as bars:
        preview = options.get("preview")
        on_progress = (
            bars if preview is None else console.with_preview(bars, Path(preview), overwrite=options["overwrite"])
        )
        with listening(on_progress), recording(options["record"]), interruptible() as interruption:
            made = getattr(load_model(verb.model, options), verb.operation.name)(said, **own)
        _save(made, target, overwrite=options["overwrite"])
    if interruption.cancelled:
        raise Interrupted(target)


def _check_name(verb: Verb, target: Path) -> None:
    """Refuse a name that says no format in which the result can be written."""
    if _suffix(verb) == ".png":
        from ml4a.media.image import _formats

        _formats.by_suffix(target)


def _save(made: Any, target: Path, *, overwrite: bool) -> None:
    from PIL import Image

    from ml4a.media import image

    if isinstance(made, Image.Image):
        image.save(made, target, overwrite=overwrite)
    else:
        made.save(target, overwrite=overwrite)
