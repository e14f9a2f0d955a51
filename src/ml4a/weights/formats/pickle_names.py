"""The closed list of names that a pickle may use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..._core.errors import UnsafeWeights
from .pickle_classes import Class

Find: TypeAlias = Callable[[str, str], Any]
"""Module and name → what stands for it: a function, called when the pickle says so, or a value, which is only data."""

_LONGEST_NAME = 120


def closed_list(known: Mapping[tuple[str, str], Any], classes: re.Pattern[str] | None = None) -> Find:
    """A `Find` for the names in `known`, each a pair of module and name, and for classes that stay data.

    Args:
        known: what the names stand for.
        classes: names, with their module in front, that stand for a `Class`: their objects are kept as data.
    """

    def find(module: str, name: str) -> Any:
        try:
            return known[module, name]
        except KeyError:
            # Names of any length come out of the memo again and again: only short ones are put together.
            whole = f"{module[:_LONGEST_NAME]}.{name[:_LONGEST_NAME]}"
            short = len(module) < _LONGEST_NAME and len(name) < _LONGEST_NAME
            if classes and short and name.isidentifier() and classes.fullmatch(whole):
                return Class(whole)
            asked = whole[:120].encode("unicode_escape").decode()
            raise UnsafeWeights(
                f"it asks for {asked}, which is not among the few names that plain weights need; nothing was run. "
                "Ask for the weights as safetensors"
            ) from None

    return find
