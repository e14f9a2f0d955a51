"""Numbers that change over time: key frames, waves and measured samples, which drive warps, masks and colours.

    from ml4a.media import signals

    breath = signals.wave(4, low=1.0, high=1.05)               # four seconds from one breath to the next
    push = signals.keys({0: 0.0, 2: 0.3, 5: 0.0}, ease="in_out")
    (breath + push).at(1.5)

Times are in seconds. Signals are immutable values: equal where they say the same, with a `repr` that makes them again.
"""

from __future__ import annotations

import bisect
import io
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from PIL import Image, ImageDraw

from ml4a._core.errors import BadValue, UnknownName

from ._data import check_bounds, number, single_entry

__all__ = ["Samples", "Signal", "from_data", "keys", "value_at", "wave"]

Ease: TypeAlias = Literal["linear", "in", "out", "in_out", "step"]
Shape: TypeAlias = Literal["sine", "triangle", "saw", "square"]

_SHOWN = 12
"""Samples that a `repr` writes out."""

_EASES: dict[str, Callable[[float], float]] = {
    "linear": lambda r: r,
    "in": lambda r: r * r,
    "out": lambda r: r * (2 - r),
    "in_out": lambda r: r * r * (3 - 2 * r),
    "step": lambda r: 0.0,
}
_SHAPES: dict[str, Callable[[float], float]] = {
    "sine": lambda r: 0.5 - 0.5 * math.cos(2 * math.pi * r),
    "triangle": lambda r: 1 - abs(1 - 2 * r),
    "saw": lambda r: r,
    "square": lambda r: float(r >= 0.5),
}
_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


class Signal:
    """A number for every time. Signals and numbers are added, subtracted, multiplied and divided with each other."""

    def at(self, time: float) -> float:
        """The value at `time` in seconds."""
        raise NotImplementedError

    @property
    def span(self) -> float:
        """Seconds after which it has shown all that it does; 0 if it never changes."""
        raise NotImplementedError

    def to_data(self) -> Any:
        """What `from_data` reads: mappings, lists, numbers and names, as JSON and YAML have them."""
        raise NotImplementedError

    def __add__(self, other: float | Signal) -> Signal:
        return _combined("+", self, other)

    def __radd__(self, other: float | Signal) -> Signal:
        return _combined("+", other, self)

    def __sub__(self, other: float | Signal) -> Signal:
        return _combined("-", self, other)

    def __rsub__(self, other: float | Signal) -> Signal:
        return _combined("-", other, self)

    def __mul__(self, other: float | Signal) -> Signal:
        return _combined("*", self, other)

    def __rmul__(self, other: float | Signal) -> Signal:
        return _combined("*", other, self)

    def __truediv__(self, other: float | Signal) -> Signal:
        return _combined("/", self, other)

    def __rtruediv__(self, other: float | Signal) -> Signal:
        return _combined("/", other, self)

    def __neg__(self) -> Signal:
        return _combined("*", -1.0, self)

    def _repr_png_(self) -> bytes:
        """Notebooks show the curve."""
        return _plot(self)


@dataclass(frozen=True, slots=True)
class _Keys(Signal):
    points: tuple[tuple[float, float], ...]
    ease: Ease
    loop: bool

    def at(self, time: float) -> float:
        first, last = self.points[0][0], self.points[-1][0]
        if self.loop and last > first:
            time = first + (time - first) % (last - first)
        after = bisect.bisect_right(self.points, time, key=lambda point: point[0])
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (start, low), (end, high) = self.points[after - 1 : after + 1]
        ratio = _EASES[self.ease]((time - start) / (end - start))
        return low + (high - low) * ratio

    @property
    def span(self) -> float:
        return self.points[-1][0]

    def to_data(self) -> Any:
        return {"keys": {"points": [list(point) for point in self.points], "ease": self.ease, "loop": self.loop}}

    def __repr__(self) -> str:
        points = ", ".join(f"{time!r}: {value!r}" for time, value in self.points)
        return f"keys({{{points}}}, ease={self.ease!r}, loop={self.loop})"


@dataclass(frozen=True, slots=True)
class _Wave(Signal):
    period: float
    low: float
    high: float
    shape: Shape
    phase: float

    def at(self, time: float) -> float:
        return self.low + (self.high - self.low) * _SHAPES[self.shape]((time / self.period + self.phase) % 1)

    @property
    def span(self) -> float:
        return self.period

    def to_data(self) -> Any:
        return {"wave": {name: getattr(self, name) for name in ("period", "low", "high", "shape", "phase")}}

    def __repr__(self) -> str:
        values = f"{self.period!r}, low={self.low!r}, high={self.high!r}, shape={self.shape!r}, phase={self.phase!r}"
        return f"wave({values})"


@dataclass(frozen=True, slots=True, init=False)
class Samples(Signal):
    """Measured values, such as the loudness of a sound: linear between them, held before the first and after the last.

        Samples([0.1, 0.8, 0.3], rate=30).at(1 / 60)

    Args:
        values: The first is that of time 0.
        rate: Values in a second.

    Raises:
        BadValue: no values, or one that is not finite; a rate that is not above 0.
    """

    values: tuple[float, ...]
    rate: float

    def __init__(self, values: Sequence[float] | np.ndarray[Any, Any], rate: float) -> None:
        if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
            raise BadValue(f"the values of samples are a list of numbers, not {type(values).__name__}")
        try:
            array = np.asarray(values)
        except ValueError:  # lists of several lengths
            array = np.array(None)
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "fiu":
            raise BadValue("the values of samples are a list of numbers, at least one")
        if not np.isfinite(array).all():
            raise BadValue(f"the values of samples must be finite; number {int(np.isfinite(array).argmin())} is not")
        object.__setattr__(self, "values", tuple(array.astype(np.float64).tolist()))
        object.__setattr__(self, "rate", _positive("the rate of samples", rate))

    def at(self, time: float) -> float:
        """The value at `time` in seconds."""
        place = min(max(time * self.rate, 0.0), len(self.values) - 1.0)
        before = min(int(place), len(self.values) - 2) if len(self.values) > 1 else 0
        low, high = self.values[before], self.values[min(before + 1, len(self.values) - 1)]
        return low + (high - low) * (place - before)

    @property
    def span(self) -> float:
        """Seconds from the first value to the last."""
        return (len(self.values) - 1) / self.rate

    def to_data(self) -> Any:
        """What `from_data` reads."""
        return {"samples": {"values": list(self.values), "rate": self.rate}}

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.values[:_SHOWN])) + (", …" if len(self.values) > _SHOWN else "")
        return f"Samples([{shown}], {self.rate!r})"


@dataclass(frozen=True, slots=True)
class _Combined(Signal):
    operator: str
    left: float | Signal
    right: float | Signal

    def at(self, time: float) -> float:
        left, right = value_at(self.left, time), value_at(self.right, time)
        if self.operator == "/" and right == 0:
            raise BadValue(f"the signal {self!r} divides by zero at {time:g} s")
        return _OPERATORS[self.operator](left, right)

    @property
    def span(self) -> float:
        return max(side.span if isinstance(side, Signal) else 0.0 for side in (self.left, self.right))

    def to_data(self) -> Any:
        return {self.operator: [side.to_data() if isinstance(side, Signal) else side for side in self._sides]}

    @property
    def _sides(self) -> tuple[float | Signal, float | Signal]:
        return self.left, self.right

    def __repr__(self) -> str:
        left, right = (f"({side!r})" if isinstance(side, _Combined) else repr(side) for side in self._sides)
        return f"{left} {self.operator} {right}"


def keys(points: Mapping[float, float], ease: Ease = "linear", loop: bool = False) -> Signal:
    """A value at each of some times, and an easing between them; held before the first and after the last.

        keys({0: 1.0, 2: 1.1, 3: 1.0}, ease="in_out", loop=True)

    Args:
        points: Seconds → value.
        ease: From one value to the next: `"linear"`; `"in"` starts slowly, `"out"` ends slowly, `"in_out"` both;
            `"step"` keeps the value until the next key.
        loop: Begin again at the last key, whose value should be that of the first.

    Raises:
        BadValue: no points, or a time or value that is no finite number; no such easing.
    """
    if not isinstance(points, Mapping) or not points:
        raise BadValue("the points of keys are a mapping of seconds to values, such as {0: 1.0, 2: 1.1}")
    _known("easing", ease, get_args(Ease))
    pairs = [(number("a time of keys", time), number("a value of keys", value)) for time, value in points.items()]
    if len({time for time, _ in pairs}) < len(pairs):
        raise BadValue("the points of keys name one time twice")
    return _Keys(tuple(sorted(pairs)), ease, _flag("loop", loop))


def wave(period: float, low: float = 0.0, high: float = 1.0, shape: Shape = "sine", phase: float = 0.0) -> Signal:
    """A value that rises from `low` to `high` and comes back, again and again.

        wave(2, low=-0.1, high=0.1)

    Args:
        period: Seconds from one time to the next, above 0.
        low: Where it begins.
        high: Where it is after half a period; `"saw"` climbs for the whole period and falls at once.
        shape: `"sine"`, `"triangle"`, `"saw"` or `"square"`.
        phase: How far into the period it begins: 0.5 begins at `high`.

    Raises:
        BadValue: a period that is not above 0, a number that is not finite, no such shape.
    """
    _known("wave shape", shape, get_args(Shape))
    bounds = [number(f"{name} of a wave", value) for name, value in (("low", low), ("high", high), ("phase", phase))]
    return _Wave(_positive("the period of a wave", period), bounds[0], bounds[1], shape, bounds[2])


def value_at(x: float | Signal, time: float) -> float:
    """What `x` is at `time`: a number is always itself."""
    return x.at(time) if isinstance(x, Signal) else x


def from_data(data: Any, where: str = "the signal") -> float | Signal:
    """Read what `Signal.to_data` wrote; a plain number is itself. The data may come from anywhere.

    Args:
        data: One name with its parameters, such as `{"wave": {"period": 2}}`.
        where: What to call it in messages.

    Raises:
        BadValue: it is no signal, in one line that names the place.
    """
    check_bounds(data, where)
    return _read(data, where)


def _read(data: Any, where: str) -> float | Signal:
    if isinstance(data, numbers.Real):
        return number(where, data)
    name, content = single_entry(data, where, "{wave: {period: 2}}")
    readers = {"keys": _read_keys, "wave": _read_wave, "samples": _read_samples}
    place = f"{where}.{name}"
    if name in _OPERATORS:
        if not isinstance(content, list) or len(content) != 2:
            raise BadValue(f"{place} must be a list of two signals or numbers")
        return _combined(name, *(_read(side, f"{place}[{index}]") for index, side in enumerate(content)))
    if name not in readers:
        raise BadValue(f"{where}: {UnknownName('signal', name, (*readers, *_OPERATORS))}")
    if not isinstance(content, dict):
        raise BadValue(f"{place} must be a mapping of parameters")
    try:
        return readers[name](**content)
    except TypeError as error:  # a parameter that is missing or unknown
        raise BadValue(f"{place}: {str(error).partition(') ')[2] or error}") from None
    except BadValue as error:
        raise BadValue(f"{place}: {error}") from None


def _read_keys(*, points: Any, ease: Any = "linear", loop: Any = False) -> Signal:
    if not isinstance(points, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in points):
        raise BadValue("points must be a list of [seconds, value]")
    times = [number("a time of keys", time) for time, _ in points]
    if len(set(times)) < len(times):
        raise BadValue("the points of keys name one time twice")
    return keys(dict(points), ease, loop)


def _read_wave(*, period: Any, low: Any = 0.0, high: Any = 1.0, shape: Any = "sine", phase: Any = 0.0) -> Signal:
    return wave(period, low, high, shape, phase)


def _read_samples(*, values: Any, rate: Any) -> Signal:
    return Samples(values, rate)


def _combined(operator: str, left: Any, right: Any) -> Signal:
    """Both sides are signals or finite numbers."""
    sides = [side if isinstance(side, Signal) else number("a signal's partner", side) for side in (left, right)]
    if operator == "/" and sides[1] == 0:
        raise BadValue("a signal cannot be divided by zero")
    return _Combined(operator, sides[0], sides[1])


def _positive(what: str, value: Any) -> float:
    if number(what, value) <= 0:
        raise BadValue(f"{what} must be above 0, not {value!r}")
    return float(value)


def _flag(what: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValue(f"{what} must be True or False, not {value!r}")
    return value


def _known(what: str, name: Any, known: Sequence[str]) -> None:
    if not isinstance(name, str) or name not in known:
        raise UnknownName(what, str(name), known)


def _plot(signal: Signal) -> bytes:
    """The curve over two spans, or a second at least, as a PNG."""
    width, height, margin = 480, 120, 14
    seconds = 2 * signal.span or 1.0
    values = np.array([signal.at(seconds * column / (width - 1)) for column in range(width)])
    low, high = float(values.min()), float(values.max())
    rows = margin + (height - 2 * margin) * (high - values) / ((high - low) or 1.0)
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    pen.line(list(enumerate(rows.tolist())), fill=(30, 90, 160), width=2)
    grey = (120, 120, 120)
    pen.text((3, 1), f"{high:.4g}", fill=grey)
    pen.text((3, height - 12), f"{low:.4g}", fill=grey)
    pen.text((width - 3, height - 12), f"{seconds:.4g} s", fill=grey, anchor="ra")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
