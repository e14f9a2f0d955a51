"""What warps and masks have in common: values that are declared, checked, shown, written to data and read from it."""

from __future__ import annotations

import functools
import reprlib
import typing
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, TypeAlias, TypeVar

from ml4a._core import params
from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.params import Parameter, union_members

from . import signals
from ._data import check_bounds, number, single_entry
from .signals import Signal

Number: TypeAlias = float | Signal
"""A number, or one that changes with time."""
Point: TypeAlias = tuple[float | Signal, float | Signal]
"""(x, y) in canvas units."""
V = TypeVar("V", bound="Value")

_DEPTH = 30
"""Values inside each other. What is deeper could not be read back from data."""
_MOST_ITEMS = 10_000
"""Points of a polygon, masks in a stack, warps in a row."""


class Value:
    """Immutable, and declared like a function: a frozen dataclass whose fields are its parameters.

        @dataclass(frozen=True, repr=False)
        class Zoom(Warp, kind="zoom"):
            factor: Annotated[Number, Range(0.001, 1000), Doc("1 leaves it, 2 doubles it.")]
            center: Center = (0.0, 0.0)

    Parameters are what `params.check` knows, signals where the type has them, points, other values, and tuples of
    these. What is of no declared type (`Any`), its class checks by itself; data cannot hold it.

    A class right below this one begins a family, and says how it is spoken of.
    """

    noun: ClassVar[str]
    """What a member is, in messages."""
    example: ClassVar[str]
    """A member as data."""
    prefix: ClassVar[str] = ""
    """What stands before the kind in expressions."""
    kinds: ClassVar[dict[str, type[Any]]]
    """The classes of the family by kind."""
    kind: ClassVar[str]
    """The name of what makes it, and its name in data."""

    def __init_subclass__(cls, kind: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Value in cls.__bases__:
            cls.kinds = {}
        if kind is not None:
            cls.kind = kind
            cls.kinds[kind] = cls

    def __post_init__(self) -> None:
        try:
            for name, parameter in params.parameters(type(self)).items():
                if (value := getattr(self, name)) is not parameter.default:  # which is right as it is written
                    object.__setattr__(self, name, _checked(parameter, parameter.type, value, name))
        except BadValue as error:
            raise BadValue(f"{self.prefix}{self.kind}: {error}") from None
        if self.depth > _DEPTH:
            raise BadValue(f"{self.noun}s can be put into each other {_DEPTH} times, not more")

    @property
    def moving(self) -> bool:
        """Whether it may change with time. What does not need be computed only once for each size."""
        return any(leaf.moving if isinstance(leaf, Value) else isinstance(leaf, Signal) for leaf in self.leaves())

    def changed(self) -> dict[str, Any]:
        """The parameters that must be given, and those that are not what they are by default."""
        known = params.parameters(type(self)).values()
        values = ((parameter, getattr(self, parameter.name)) for parameter in known)
        return {
            parameter.name: value for parameter, value in values if parameter.required or value != parameter.default
        }

    def leaves(self) -> Iterator[Any]:
        """What the parameters are made of: numbers, names, signals, values."""
        return leaves(tuple(getattr(self, name) for name in params.parameters(type(self))))

    def leaves_within(self) -> Iterator[Any]:
        """What the parameters are made of, and those of the values within."""
        for leaf in self.leaves():
            yield leaf
            if isinstance(leaf, Value):
                yield from leaf.leaves_within()

    @functools.cached_property
    def depth(self) -> int:
        """Values inside each other, itself included."""
        return 1 + max((leaf.depth for leaf in self.leaves() if isinstance(leaf, Value)), default=0)

    def to_data(self) -> Any:
        """What `from_data` reads: mappings, lists, numbers and names, as JSON and YAML have them.

        Raises:
            BadValue: it holds what they have not, such as pixels or a function.
        """
        where = f"{self.prefix}{self.kind}"
        return {self.kind: {name: to_data(value, f"{where}.{name}") for name, value in self.changed().items()}}

    @classmethod
    def arguments(cls, content: Any, where: str) -> dict[str, Any]:
        """What makes it again, from its content in data, which may come from anywhere.

        Raises:
            BadValue: in one line that names the place.
        """
        known = params.parameters(cls)
        if any(parameter.type is Any for parameter in known.values()):
            raise BadValue(f"{where} holds pixels, which cannot be read from text")
        check_names(content, where, known, [name for name, parameter in known.items() if parameter.required])
        return {name: read(known[name].type, value, f"{where}.{name}") for name, value in content.items()}

    def __repr__(self) -> str:
        known = params.parameters(type(self))
        given = (f"{'' if known[name].required else name + '='}{value!r}" for name, value in self.changed().items())
        return f"{self.prefix}{self.kind}({', '.join(given)})"


def at(value: Value, name: str, time: float) -> Any:
    """The number or the points `name` at `time`."""
    return held(params.parameters(type(value))[name], getattr(value, name), time)


def held(parameter: Parameter, value: Any, time: float) -> Any:
    """A number or points at `time`; a signal that leaves the range is held at its end."""
    if isinstance(value, tuple):
        return tuple(held(parameter, item, time) for item in value)
    if not isinstance(value, Signal):
        return value
    found, bounds = value.at(time), parameter.range
    if bounds is not None:
        found = found if bounds.low is None else max(found, bounds.low)
        found = found if bounds.high is None else min(found, bounds.high)
    return found


def leaves(value: Any) -> Iterator[Any]:
    """What a parameter's value is made of: the items of tuples, else itself."""
    if isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def to_data(value: Any, where: str) -> Any:
    """A parameter's value as mappings, lists, numbers and names.

    Raises:
        BadValue: they cannot hold it.
    """
    if isinstance(value, tuple):
        return [to_data(item, where) for item in value]
    if isinstance(value, Value | Signal):
        return value.to_data()
    if value is None or isinstance(value, float | int | str):
        return value
    raise BadValue(f"{where} is {type(value).__name__ if callable(value) else repr(value)}, which text cannot hold")


def from_data(family: type[V], data: Any, where: str) -> V:
    """The member of a family that `to_data` wrote. The data may come from anywhere.

    Raises:
        BadValue: it is none, in one line that names the place.
    """
    check_bounds(data, where)
    return _read(family, data, where)


def read(due: Any, value: Any, where: str) -> Any:
    """What the constructor takes for a parameter of the type `due`; what it does not take it refuses by itself."""
    if isinstance(due, type) and issubclass(due, Value):
        return _read(due, value, where)
    if typing.get_origin(due) is not tuple:
        return signals.from_data(value, where) if isinstance(value, dict) else value
    if not isinstance(value, list):
        return value
    inner = typing.get_args(due)
    types = [inner[0]] * len(value) if inner[-1] is Ellipsis else [*inner, *[Any] * len(value)]
    return tuple(read(types[index], item, f"{where}[{index}]") for index, item in enumerate(value))


def check_names(content: Any, where: str, known: Collection[str], required: Collection[str] = ()) -> None:
    """Refuse what is no mapping of known parameters, or lacks required ones.

    Raises:
        BadValue: names the place.
    """
    if not isinstance(content, dict):
        raise BadValue(f"{where} must be a mapping of parameters, not {type(content).__name__}")
    for name in content:
        if name not in known:
            raise BadValue(f"{where}: {UnknownName('parameter', name, known)}")
    if missing := [name for name in required if name not in content]:
        raise BadValue(f"{where} needs {' and '.join(missing)}")


def _read(family: type[V], data: Any, where: str) -> V:
    name, content = single_entry(data, where, family.example)
    if name not in family.kinds:
        raise BadValue(f"{where}: {UnknownName(family.noun, name, family.kinds)}")
    arguments = family.kinds[name].arguments(content, f"{where}.{name}")
    try:
        return family.kinds[name](**arguments)
    except BadValue as error:
        raise BadValue(f"{where}: {error}") from None


def _checked(parameter: Parameter, due: Any, value: Any, what: str) -> Any:
    """`value` as the declared type: numbers become Python's, lists tuples."""
    members = union_members(due)
    if isinstance(value, Signal) and Signal in members:
        return value
    if float in members and due is not parameter.type:
        return number(what, value)
    if typing.get_origin(due) is tuple:
        return _checked_items(parameter, typing.get_args(due), value, what)
    if float in members or int in members or due in (bool, str) or parameter.choices:
        if isinstance(value, Signal):
            raise BadValue(f"{what} cannot change with time; give a plain value, not {value!r}")
        return params.check(parameter, value)
    if due is not Any and not isinstance(value, members):
        noun = f"a {due.noun}" if issubclass(members[0], Value) else "text"
        raise BadValue(f"{what} must be {noun}, not {type(value).__name__}")
    return value


def _checked_items(parameter: Parameter, inner: tuple[Any, ...], value: Any, what: str) -> tuple[Any, ...]:
    many = inner[-1] is Ellipsis
    if not isinstance(value, tuple | list) or not (many or len(value) == len(inner)):
        raise BadValue(f"{what} must be {'a list' if many else 'a pair (x, y)'}, not {reprlib.repr(value)}")
    if many and not 1 <= len(value) <= _MOST_ITEMS:
        raise BadValue(f"{what} must be 1 to {_MOST_ITEMS} things, not {len(value)}")
    types = [inner[0]] * len(value) if many else inner
    what = f"each of {what}" if many else f"a coordinate of {parameter.name}"
    return tuple(_checked(parameter, due, item, what) for due, item in zip(types, value, strict=True))
