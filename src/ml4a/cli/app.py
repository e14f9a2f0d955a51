"""The command line's tree of commands."""

from __future__ import annotations

import functools

import cyclopts

import ml4a
from ml4a._core.errors import BadPlugin, UnknownName
from ml4a.models.registry import Verb, verbs
from ml4a.weights import plugins

from . import (
    about,
    canvas,
    dataset,
    derived,
    dreaming,
    external,
    film,
    functions,
    gan,
    glow,
    lipsyncing,
    masking,
    moving,
    of_text,
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
"""Built-in verbs that are not for pictures, folders and films."""


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
    others: list[list[Verb]] = []
    for name, candidates in verbs().items():
        if candidates[0].of_plugin:
            others.append(candidates)
        else:
            _add(app, _chosen(candidates, tokens) if tokens[:1] == [name] else candidates[0], candidates)
    functions.register(app, tokens)
    for group in (masking, canvas, film, sound, moving, visualizing, glow, vqgan, dataset):
        group.register(app)
    gan.register(app, tokens)
    app.command(weights_commands.build())
    app.command(external.build())
    for command in (*about.COMMANDS, what):
        app.command(command)
    app.register_install_completion_command()
    for candidates in sorted(others, key=lambda each: tokens[:1] == [each[0].name]):  # what may fail comes last
        _add_of_plugin(app, candidates, tokens)
    return app


def _add(app: cyclopts.App, verb: Verb, candidates: list[Verb]) -> None:
    """Add a verb, with the flags of the model that `verb` names."""
    main = verb.operation.main.kind
    if verb.name in _OF_OTHER_MEDIA and not verb.of_plugin:
        _OF_OTHER_MEDIA[verb.name].add(app, verb, candidates)
    elif main == "text":
        of_text.add(app, verb, candidates)
    elif main in ("picture", "pictures") or not verb.of_plugin:
        _add_of_pictures(app, verb, candidates)
    else:
        raise BadPlugin(f"{verb.name} of {verb.model} is made of a {main}, which only Python can give it: ml4a.load")


def _add_of_pictures(app: cyclopts.App, verb: Verb, candidates: list[Verb]) -> None:
    options = [*common_options(), *preview_options(verb), *model_options(candidates)]
    run = functools.partial(run_verb, verb)
    if verb.name == dreaming.VERB:
        options, run = [*dreaming.options(verb), *options], functools.partial(dreaming.run, verb)
    command = derived.command(verb.name, verb.operation, options, run)
    sources = "SOURCE..." if verb.operation.main.required else "[SOURCE...]"
    derived.add(app, verb.name, command, verb.operation.examples, sources=sources)


def _add_of_plugin(app: cyclopts.App, candidates: list[Verb], tokens: list[str]) -> None:
    """Add a verb that plug-ins alone bring; one is imported if it is asked for."""
    name = candidates[0].name
    if name in set(app):
        for verb in candidates:
            whose = plugins.installed()[verb.model].distribution
            plugins.leave_out(f"{verb.model}'s verb {name}", whose, "ml4a has a command of that name")
    elif tokens[:1] == [name]:
        _add(app, _chosen(candidates, tokens), candidates)
    else:
        app.command(cyclopts.App(name=name, help=candidates[0].summary))


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
