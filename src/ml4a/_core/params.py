"""A parameter is declared once, in a signature, and read from there by everything else.

    def __call__(self, picture: Picture, *, strength: Annotated[float, Range(0, 1), Doc("How much.")] = 1.0): ...

`parameters` reads the signature, `check` holds values to it: the same function for Python calls and the command line.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import operator
import reprlib
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from . import limits
from .errors import BadValue, UnknownName
from .kinds import Kind


@dataclass(frozen=True, slots=True)
class Range:
    """Inclusive bounds of a number. `None` leaves a side open."""

    low: float | None = None
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "any number"
        if self.high is None:
            return f"{self.low} or more"
        if self.low is None:
            return f"{self.high} or less"
        return f"between {self.low} and {self.high}"


@dataclass(frozen=True, slots=True)
class Doc:
    """One sentence for the user: help text, tooltip, table row."""

    text: str


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """Marks a parameter that no record tells of or sets, such as the name of a file of the user's."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation, as read from its signature."""

    name: str
    type: Any
    """`float`, `int`, `bool`, `str`, a `Literal`, a `tuple[…, ...]`, a union of these, or `Any` for a medium."""
    default: Any
    """`inspect.Parameter.empty` where the parameter is required."""
    range: Range | None
    doc: str
    kind: str | None
    """`"picture"`, `"pictures"`, `"style"` … for media; None for plain values."""
    keyword_only: bool
    recorded: bool = True

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is inspect.Parameter.empty

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a `Literal`, else nothing."""
        return tuple(
            value
            for member in union_members(self.type)
            if typing.get_origin(member) is Literal
            for value in typing.get_args(member)
        )

    @property
    def element(self) -> Any:
        """What a declared `tuple[float, ...]` is made of: `float`, `int` or `str`; None where it is no such tuple."""
        tuples = (typing.get_args(each) for each in union_members(self.type) if typing.get_origin(each) is tuple)
        return next((inner[0] for inner in tuples if inner[1:] == (...,) and inner[0] in (float, int, str)), None)


def union_members(annotation: Any) -> tuple[Any, ...]:
    """`int | None` → `(int, NoneType)`; anything else → itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


@functools.cache
def parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """The parameters of `function` by name, in order, without `self`, `*args` and `**kwargs`."""
    hints = typing.get_type_hints(function, include_extras=True)
    found = {}
    for name, raw in inspect.signature(function).parameters.items():
        if name == "self" or raw.kind in (raw.VAR_POSITIONAL, raw.VAR_KEYWORD):
            continue
        annotation, extras = _unpack(hints.get(name, Any))
        found[name] = Parameter(
            name=name,
            type=annotation,
            default=raw.default,
            range=_first(extras, Range),
            doc=getattr(_first(extras, Doc), "text", ""),
            kind=getattr(_first(extras, Kind), "name", None),
            keyword_only=raw.kind is raw.KEYWORD_ONLY,
            recorded=_first(extras, Unrecorded) is None,
        )
    return found


def kind_of_result(function: Callable[..., Any]) -> str | None:
    """`"picture"` … if `function` is annotated to return a medium."""
    _, extras = _unpack(typing.get_type_hints(function, include_extras=True).get("return", Any))
    return getattr(_first(extras, Kind), "name", None)


def check(parameter: Parameter, value: Any) -> Any:
    """Hold `value` to `parameter` and return it as the declared type.

    NumPy numbers become Python numbers and a whole float is accepted where an int is due; `True` is no number.

    Raises:
        BadValue: names the parameter, the bound and the value.
    """
    if parameter.kind is not None:
        return value
    members = union_members(parameter.type)
    if value is None and type(None) in members:
        return None
    choices = parameter.choices
    if choices:
        if value in choices:
            return value
        if all(isinstance(choice, str) for choice in choices) and isinstance(value, str):
            raise UnknownName(parameter.name.replace("_", " "), value, choices)
        raise BadValue(f"{parameter.name} must be one of {', '.join(map(repr, choices))}, not {value!r}")
    if float in members or int in members:
        if isinstance(value, tuple | list) and any(typing.get_origin(member) is tuple for member in members):
            return tuple(_number(parameter, item, parameter.element or int) for item in value)
        return _number(parameter, value, float if float in members else int)
    if parameter.element is not None:
        return _items(parameter, value)
    if members == (bool,):
        if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
            raise BadValue(f"{parameter.name} must be True or False, not {value!r}")
        return bool(value)
    if members == (str,) and not isinstance(value, str):
        raise BadValue(f"{parameter.name} must be text, not {value!r}")
    return value


def _items(parameter: Parameter, value: Any) -> tuple[Any, ...]:
    """The items of a list or a tuple, each held to the bounds; a single value is one of one."""
    items = tuple(value) if isinstance(value, tuple | list) else (value,)
    if not 1 <= len(items) <= limits.ITEMS:
        raise BadValue(f"{parameter.name} must be 1 to {limits.ITEMS} values, not {len(items)}")
    if parameter.element is not str:
        return tuple(_number(parameter, item, parameter.element) for item in items)
    for item in items:
        if not isinstance(item, str) or not item.strip():
            raise BadValue(f"{parameter.name} must be names, not {reprlib.repr(item)}")
    return items


def _number(parameter: Parameter, value: Any, kind: type) -> float | int:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise BadValue(
            f"{parameter.name} must be {'a whole number' if kind is int else 'a number'}, not {reprlib.repr(value)}"
        )
    try:
        number: float | int = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or (kind is int and not number.is_integer()):
        raise BadValue(
            f"{parameter.name} must be {'a whole' if kind is int else 'a finite'} number, not {reprlib.repr(value)}"
        )
    if kind is int:  # not by way of a float where that can be helped: it has no room for every seed
        number = operator.index(cast("Any", value)) if isinstance(value, numbers.Integral) else int(number)
    if parameter.range is not None and number not in parameter.range:
        raise BadValue(f"{parameter.name} must be {parameter.range}, not {reprlib.repr(value)}")
    return number


def _unpack(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Strip `Annotated`, also inside `Annotated[…] | None`, and collect what it carried."""
    if typing.get_origin(annotation) is Annotated:
        inner, *extras = typing.get_args(annotation)
        inner, more = _unpack(inner)
        return inner, (*extras, *more)
    members = union_members(annotation)
    if len(members) > 1:
        unpacked = [_unpack(member) for member in members]
        return typing.Union[tuple(inner for inner, _ in unpacked)], tuple(e for _, extras in unpacked for e in extras)  # noqa: UP007
    return annotation, ()


def _first(extras: tuple[Any, ...], kind: type) -> Any:
    return next((extra for extra in extras if isinstance(extra, kind)), None)
