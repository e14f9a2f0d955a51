"""What all warps share: parameters that may change with time, operators, text, and the picture through them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np

from ml4a._core import params
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Parameter
from ml4a.media import _value
from ml4a.media._value import Number, Point, Value
from ml4a.media.signals import Signal

from ._points import Place, Points

Center: TypeAlias = Annotated[
    Point, Doc("The point around which it happens: (x, y) in canvas units, (0, 0) is the middle.")
]
Border: TypeAlias = Literal["mirror", "wrap", "clamp", "transparent"]
Interpolation: TypeAlias = Literal["bilinear", "bicubic"]

_MOST_REPEATS = 1000


class Warp(Value, ABC):
    """A way to look at a picture: a value without a size, applied by calling it with a picture of any kind.

        dizzy = zoom(1.02) @ rotate(0.01) & noise(0.1)
        dizzy(photo)

    It is a backward map: it says for each place of the result where in the picture to look. Lengths and places are in
    canvas units – the shorter side is 1, the origin in the middle, x to the right, y down – so that it does the same at
    any size; angles are in radians, counter-clockwise on the screen. Any number may be a `Signal`. Two warps are equal
    if they say the same; `repr` is the expression that makes the warp.

        a @ b       what b makes of the picture, seen through a
        a & b       the displacements of both, added
        a ** 3      a @ a @ a
    """

    noun = "warp"
    example = "{zoom: {factor: 1.02}}"
    neutral: ClassVar[dict[str, float]] = {}
    """Parameters which, if they all have these values, leave every picture as it is."""

    @abstractmethod
    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`. Signals have become numbers before."""

    def __call__(
        self,
        picture: Picture,
        *,
        time: float = 0.0,
        border: Border = "mirror",
        interpolation: Interpolation = "bilinear",
        size: int | tuple[int, int] | None = None,
    ) -> Any:
        """The picture through the warp; see `canvas.apply`."""
        from .apply import apply

        return apply(picture, self, time=time, border=border, interpolation=interpolation, size=size)

    def at(self, time: float) -> Self:
        """The warp with every signal replaced by its value at `time`; what leaves its range is held at its end."""
        if not self.moving:
            return self
        moments = {
            name: _at(parameter, getattr(self, name), time)
            for name, parameter in params.parameters(type(self)).items()
            if any(isinstance(leaf, Signal | Warp) for leaf in _value.leaves(getattr(self, name)))
        }
        named: Any = self
        return replace(named, **moments) if moments else self

    @property
    def idle(self) -> bool:
        """Whether it leaves every picture as it is."""
        return bool(self.neutral) and all(getattr(self, name) == value for name, value in self.neutral.items())

    def __matmul__(self, other: Warp) -> Warp:
        from .combine import compose

        return compose(self, other) if isinstance(other, Warp) else NotImplemented

    def __and__(self, other: Warp) -> Warp:
        from .combine import together

        return together(self, other) if isinstance(other, Warp) else NotImplemented

    def __pow__(self, times: int) -> Warp:
        from .affine import Identity
        from .combine import compose

        if not isinstance(times, int) or isinstance(times, bool) or not 0 <= times <= _MOST_REPEATS:
            raise BadValue(f"a warp is repeated a whole number of times up to {_MOST_REPEATS}, not {times!r}")
        return compose(*[self] * times) if times else Identity()

    def _repr_png_(self) -> bytes:
        """Notebooks show what it makes of a test grid."""
        from ml4a.media import image

        from .view import view

        return image.encode(view(self), ".png")


def scalar(number: Number) -> np.float32:
    """A parameter, or what is made of it, in formulas: signals have become numbers before."""
    if isinstance(number, Signal):
        raise TypeError("a score is applied at a time: warp.at(time)")
    return np.float32(number)


def plain(number: Number) -> float:
    """Like `scalar`, in full precision."""
    if isinstance(number, Signal):
        raise TypeError("a score is applied at a time: warp.at(time)")
    return number


def point(center: tuple[Number, Number]) -> Place:
    """A center in formulas."""
    return plain(center[0]), plain(center[1])


def _at(parameter: Parameter, value: Any, time: float) -> Any:
    if isinstance(value, Warp):
        return value.at(time)
    if isinstance(value, tuple):
        return tuple(_at(parameter, item, time) for item in value)
    return _value.held(parameter, value, time)
