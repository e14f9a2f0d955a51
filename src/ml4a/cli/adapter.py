"""From a declared `Parameter` to a flag of cyclopts."""

from __future__ import annotations

import inspect
import sys
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
    return option(parameter.name, _plain_type(parameter), parameter.default, _help(parameter), negative=negative)


def option(name: str, kind: Any, default: Any, text: str, *flags: str, negative: str = "") -> inspect.Parameter:
    """A keyword with its help text; `flags` are its spellings, by default `--name`."""
    annotation = Annotated[
        kind, cyclopts.Parameter(name=flags or None, help=text, negative=negative, show_default=kind is not bool)
    ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _plain_type(parameter: Parameter) -> Any:
    if parameter.kind is None:
        return parameter.type
    # A medium is named by a path, a URL, `sample:NAME` or, for styles, a number.
    return str if parameter.default is not None else str | None


def _help(parameter: Parameter) -> str:
    if parameter.range is None or type(None) in union_members(parameter.type):
        return parameter.doc
    return f"{parameter.doc} ({parameter.range})"
