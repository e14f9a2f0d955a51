"""Commands derived from operations: sources, a flag for each parameter, common options."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import cyclopts

from ml4a.models._operation import Operation

from .adapter import flag
from .run import SOURCES_HELP


def command(
    name: str,
    operation: Operation,
    further: list[inspect.Parameter],
    run: Callable[[list[str], dict[str, Any]], int],
) -> Callable[..., int]:
    """A function with the signature that cyclopts reads.

    Args:
        name: The verb.
        operation: Its main picture comes from the sources, everything else is a flag.
        further: Flags that are no parameters of the operation.
        run: Called with the sources and every flag's value; returns the exit status.
    """
    main = operation.main
    help_text = SOURCES_HELP if main.required else f"{SOURCES_HELP} May be left out."
    source = Annotated[str, cyclopts.Parameter(name="SOURCE", help=help_text)]
    parameters = [
        inspect.Parameter("sources", inspect.Parameter.VAR_POSITIONAL, annotation=source),
        *(flag(parameter) for parameter in operation.parameters.values() if parameter.name != main.name),
        *further,
    ]
    return function(name, operation.summary, parameters, lambda *sources, **given: run(list(sources), given))


def function(
    name: str, summary: str, parameters: list[inspect.Parameter], run: Callable[..., int]
) -> Callable[..., int]:
    """A function with the signature that cyclopts reads.

    Args:
        name: The verb.
        summary: Its help.
        parameters: Its arguments and flags.
        run: Called with the values of them all; returns the exit status.
    """
    signature = inspect.Signature(parameters)

    def called(*arguments: Any, **given: Any) -> int:
        bound = signature.bind(*arguments, **given)
        bound.apply_defaults()  # cyclopts hands over only what was given
        return run(*bound.args, **bound.kwargs)

    called.__name__ = name
    called.__doc__ = summary
    called.__signature__ = signature  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in signature.parameters.values()}
    return called


def add(
    app: cyclopts.App,
    name: str,
    function: Callable[..., int],
    examples: Iterable[str],
    *,
    sources: str = "SOURCE...",
    group: str = "",
) -> None:
    """Make `function` the command `name` of `app`, with its examples in the help.

    Args:
        app: The command line, or a group of it.
        name: Of the command.
        function: From `command` or `function`.
        examples: Lines of shell.
        sources: The arguments as the usage shows them.
        group: What the group is called.
    """
    usage = f"Usage: ml4a {f'{group} {name}'.strip()} {sources} [OPTIONS]"
    app.command(function, name=name, usage=usage, help_epilogue=epilogue(examples))


def epilogue(examples: Iterable[str]) -> str:
    """What stands below a command's help."""
    return "Examples:\n\n" + "\n".join(f"    {line}" for line in examples)
