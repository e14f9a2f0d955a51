"""What is remembered of a film, as it is read back from a file: names with arrays of numbers and JSON values.

Parts of a whole are told apart by the beginnings of names: `tracker.next`, `tracker.0.box`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import BadValue


def below(name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a state whose names begin with `name.`, without that."""
    return {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}


def whole(name: str, state: Mapping[str, Any]) -> int:
    """A whole number, 0 or more.

    Raises:
        BadValue: it is something else, or missing.
    """
    value = state.get(name)
    if type(value) is not int or value < 0:
        raise BadValue(f"{name} is a whole number in what is remembered of a film, not {value!r}")
    return value
