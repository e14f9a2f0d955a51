"""Operations that take, besides their own parameters, those of another."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def taking(other: Callable[..., Any]) -> Callable[[Method], Method]:
    """Let a method's `**rest` be the keywords of `other`, an operation of the same module, declared as they are there.

        @operation()
        @taking(__call__)
        def zoom(self, picture: Picture, *, seconds: Seconds = 10.0, **dream: Any) -> Clip: ...

    What the method declares itself stays as it is.
    """

    def decorate(method: Method) -> Method:
        plain = inspect.unwrap(other)
        own = list(inspect.signature(method).parameters.values())
        kept = [parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
        names = {parameter.name for parameter in kept}
        taken = [
            parameter
            for parameter in inspect.signature(plain).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in names
        ]
        signature = inspect.Signature([*kept, *taken])
        rest = {parameter.name for parameter in own} - names
        annotations = {name: kind for name, kind in method.__annotations__.items() if name not in rest}
        method.__annotations__ = annotations | {each.name: plain.__annotations__[each.name] for each in taken}
        method.__signature__ = signature  # type: ignore[attr-defined]
        return method

    return decorate
