"""The command line's tree of commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import cyclopts

import ml4a
from ml4a._core.errors import UnknownName
from ml4a.models.registry import Verb, verbs

from . import about
from .adapter import flag
from .run import SOURCES_HELP, common_options, run_verb

SOURCES = Annotated[str, cyclopts.Parameter(name="SOURCE", help=SOURCES_HELP)]

HELP = """Machine learning for artists: pictures and films with pretrained networks.

Every verb takes a picture, a folder, a GIF or a film; `sample:astronaut` and its kin are accepted wherever a path is.
"""


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
        usage = f"Usage: ml4a {name} SOURCE... [OPTIONS]"
        app.command(_command(verb, candidates), name=name, usage=usage, help_epilogue=_examples(verb))
    for command in about.COMMANDS:
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


def _command(verb: Verb, candidates: list[Verb]) -> Callable[..., int]:
    """A function with the signature that cyclopts reads: sources, the operation's parameters, common options."""
    own = [parameter for name, parameter in verb.operation.parameters.items() if name != verb.operation.media[0].name]
    signature = [
        inspect.Parameter("sources", inspect.Parameter.VAR_POSITIONAL, annotation=SOURCES),
        *(flag(parameter) for parameter in own),
        *common_options(candidates),
    ]

    def command(*sources: str, **given: Any) -> int:
        bound = inspect.Signature(signature).bind(*sources, **given)
        bound.apply_defaults()  # cyclopts hands over only what was given
        return run_verb(verb, list(sources), bound.kwargs)

    command.__name__ = verb.name
    command.__doc__ = verb.operation.summary
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in signature}
    return command


def _examples(verb: Verb) -> str:
    return "Examples:\n\n" + "\n".join(f"    {line}" for line in verb.operation.examples)
