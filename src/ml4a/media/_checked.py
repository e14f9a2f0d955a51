"""Arguments held to what the signature declares."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast

from ml4a._core.params import Doc, Parameter, Range, check, parameters, union_members

F = TypeVar("F", bound=Callable[..., Any])

Seed: TypeAlias = Annotated[int | None, Range(0, None), Doc("The same seed gives the same result; None draws one.")]

_PLAIN = (int, float, bool, str, types.NoneType)


def checked(function: F) -> F:
    """`function`, its numbers and choices checked by `ml4a._core.params.check` before it is called."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        declared = parameters(function)
        for name, value in bound.arguments.items():
            if _is_plain(declared[name]):
                bound.arguments[name] = check(declared[name], value)
        return function(*bound.args, **bound.kwargs)

    return cast("F", call)


def _is_plain(parameter: Parameter) -> bool:
    members = union_members(parameter.type)
    return all(member in _PLAIN or typing.get_origin(member) is Literal for member in members)
