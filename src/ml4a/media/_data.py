"""Data from outside that say what signals, masks and scores are: mappings, lists, numbers, names; none is trusted."""

from __future__ import annotations

import contextlib
import math
import numbers
import reprlib
from typing import Any

from ml4a._core.errors import BadValue

_DEPTH = 100
"""Lists and mappings inside each other that data may have; reading it is recursive."""
_ITEMS = 2_000_000
"""Values that data may have: an hour of samples at 500 a second."""


def check_bounds(data: Any, where: str) -> None:
    """Hold data from outside to a depth and a size, before anything recursive reads it.

    Raises:
        BadValue: it is deeper or larger than any score of ours, or has keys that are not text.
    """
    open_: list[tuple[Any, int]] = [(data, 0)]
    count = 0
    while open_:
        value, depth = open_.pop()
        count += 1
        if depth > _DEPTH or count > _ITEMS:
            raise BadValue(f"{where} has more than {_DEPTH} levels or {_ITEMS:,} values, which no score of ours has")
        if isinstance(value, dict):
            if not all(isinstance(key, str) for key in value):
                raise BadValue(f"{where} has a name that is no text")
            open_.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list | tuple):
            open_.extend((item, depth + 1) for item in value)


def single_entry(data: Any, where: str, example: str) -> tuple[str, Any]:
    """The name and the content of `{name: content}`, of which there is an example for the message.

    Raises:
        BadValue: it is something else.
    """
    if not isinstance(data, dict) or len(data) != 1:
        raise BadValue(f"{where} must be one name with its parameters, such as {example}")
    return next(iter(data.items()))


def number(what: str, value: Any) -> float:
    """`value` as a finite float; NumPy's numbers are numbers, True is none.

    Raises:
        BadValue: it is not one; `what` is named.
    """
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number that is too large
            if math.isfinite(found := float(value)):
                return found
    shown = reprlib.repr(value)
    raise BadValue(f"{what} must be a finite number, not {shown}")
