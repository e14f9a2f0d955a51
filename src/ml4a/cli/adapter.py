"""From a declared `Parameter` to a flag of cyclopts."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import cyclopts

from ml4a._core.params import Parameter, union_members

STANDARD_STREAM = "<->"
"""Stands for a lone `-` while cyclopts parses, which would take `-` for an option."""


def shield_streams(tokens: list[str]) -> list[str]:
    """Replace each lone `-` (standard input or output) by a token that parses as a value."""
    return [STANDARD_STREAM if token == "-" else token for token in tokens]  # noqa: S105  # no password


def read_picture(source: str) -> Any:
    """What a lone picture argument stands for: standard input's bytes for `-`, else a path, URL or `sample:NAME`."""
    from ml4a.media import image

    return image.load(sys.stdin.buffer.read() if source == STANDARD_STREAM else source)


def flag(parameter: Parameter) -> inspect.Parameter:
    """A keyword of the command's signature that cyclopts turns into `--name`."""
    # What is so by default must be possible to switch off.
    negative = f"--no-{parameter.name.replace('_', '-')}" if parameter.default is True else ""
    reading = {} if parameter.element is None else {"converter": _from_commas, "n_tokens": 1}
    kind, text = _plain_type(parameter), _help(parameter)
    return option(parameter.name, kind, parameter.default, text, negative=negative, **reading)


def positional(name: str, text: str, *, required: bool = True) -> inspect.Parameter:
    """An argument without a flag, with its help text, which shows its name in capitals."""
    kind: Any = str if required else str | None
    annotation = Annotated[kind, cyclopts.Parameter(name=name.upper(), help=text, show_default=False)]
    default = inspect.Parameter.empty if required else None
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY, default=default, annotation=annotation)


def option(
    name: str, kind: Any, default: Any, text: str, *flags: str, negative: str = "", **reading: Any
) -> inspect.Parameter:
    """A keyword with its help text; `flags` are its spellings, by default `--name`.

    `reading` says how cyclopts reads it, where that is not told by its type.
    """
    show: Any = _with_commas if isinstance(default, tuple) else kind is not bool
    shown = cyclopts.Parameter(name=flags or None, help=text, negative=negative, show_default=show, **reading)
    annotation = Annotated[kind, shown]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _plain_type(parameter: Parameter) -> Any:
    if parameter.kind is None:
        return parameter.type
    # A medium is named by a path, a URL, `sample:NAME` or, for styles, a number; several by as many flags.
    kind = list[str] if parameter.kind == "pictures" else str
    return kind if parameter.default is not None else kind | None


def _from_commas(kind: Any, tokens: Sequence[cyclopts.Token]) -> list[Any]:
    """The items of `2,1`, and of further flags of the same name; what is no number `check` complains of by name."""
    element = Parameter("", kind, None, None, "", None, True).element
    return [_item(element, text.strip()) for token in tokens for text in token.value.split(",")]


def _with_commas(items: tuple[Any, ...]) -> str:
    return ",".join(map(str, items))


def _item(element: Any, text: str) -> Any:
    try:
        return element(text)
    except ValueError:
        return text


def _help(parameter: Parameter) -> str:
    if parameter.range is None or type(None) in union_members(parameter.type):
        return parameter.doc
    return f"{parameter.doc} ({parameter.range})"
