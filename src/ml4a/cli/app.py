"""The command line's tree of commands."""

from __future__ import annotations

import functools

import cyclopts

import ml4a
from ml4a._core.errors import UnknownName
from ml4a.models.registry import Verb, verbs

from . import (
    about,
    canvas,
    derived,
    dreaming,
    film,
    functions,
    gan,
    glow,
    lipsyncing,
    masking,
    moving,
    sound,
    speaking,
    visualizing,
    vqgan,
)
from . import weights as weights_commands
from .run import common_options, model_options, preview_options, run_verb
from .what import what

HELP = """Machine learning for artists: pictures, films and voices with pretrained networks.

Most verbs take a picture, a folder, a GIF or a film; `sample:astronaut` and its kin are accepted wherever a path is.
"""


_OF_OTHER_MEDIA = {speaking.VERB: speaking, lipsyncing.VERB: lipsyncing}
"""Verbs that are not for pictures, folders and films."""


def build(tokens: list[str]) -> cyclopts.App:
    """The app for these arguments: `--model` decides whose flags a verb has."""
    app = cyclopts.App(
        name="ml4a",
        help=HELP,
        version=ml4a.__version__,
        help_format="markdown",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for name, candidates in verbs().items():
        verb = _chosen(candidates, tokens) if tokens[:1] == [name] else candidates[0]
        if name in _OF_OTHER_MEDIA:
            _OF_OTHER_MEDIA[name].add(app, verb, candidates)
            continue
        options = [*common_options(), *preview_options(verb), *model_options(candidates)]
        run = functools.partial(run_verb, verb)
        if name == dreaming.VERB:
            options, run = [*dreaming.options(verb), *options], functools.partial(dreaming.run, verb)
        command = derived.command(name, verb.operation, options, run)
        sources = "SOURCE..." if verb.operation.main.required else "[SOURCE...]"
        derived.add(app, name, command, verb.operation.examples, sources=sources)
    functions.register(app, tokens)
    for group in (masking, canvas, film, sound, moving, visualizing, glow, vqgan):
        group.register(app)
    gan.register(app, tokens)
    app.command(weights_commands.build())
    for command in (*about.COMMANDS, what):
        app.command(command)
    app.register_install_completion_command()
    return app


def _chosen(candidates: list[Verb], tokens: list[str]) -> Verb:
    for before, token in zip(tokens, [*tokens[1:], ""], strict=True):
        name = (
            token if before == "--model" else before.removeprefix("--model=") if before.startswith("--model=") else ""
        )
        if name:
            by_name = {verb.model: verb for verb in candidates}
            if name not in by_name:
                raise UnknownName(f"model for {candidates[0].name}", name, by_name)
            return by_name[name]
    return candidates[0]
