"""Masks as values: immutable, of no size of their own, combined with each other by operators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from ml4a._core.errors import BadValue
from ml4a._core.params import Doc, Range
from ml4a.media import _value, signals
from ml4a.media._value import Number, Value, at
from ml4a.media.image import _resample

from . import _planes
from ._planes import Array

_FARTHEST = 4.0
"""Canvas units that a mask can be feathered or grown by."""


class Mask(Value, ABC):
    """How much of something shows where, and when.

        ring = mask.circle(0.4) - mask.circle(0.3)
        ring((640, 360)).shape                               # (360, 640, 1)

    A mask has no size: calling it with one gives its values there. Lengths and places are in canvas units – the shorter
    side of the picture is 1, the origin in the middle, x to the right, y down – so that it looks the same at any size.
    Two masks are equal if they say the same; `repr` is the expression that makes the mask.
    """

    noun = "mask"
    example = "{circle: {radius: 0.3}}"
    prefix = "mask."

    def __call__(self, size: int | tuple[int, int], time: float = 0.0) -> Array:
        """The mask's values.

        Args:
            size: (width, height) in pixels; a number is the side of a square.
            time: Seconds.

        Returns:
            H×W×n float32 in [0, 1], a new array.

        Raises:
            BadValue: no such size, or a time that is no finite number.
            TooLarge: more pixels than a picture may have.
        """
        return self.drawn(_resample.target_size((1, 1), size), signals.number("the time", time))

    def drawn(self, size: tuple[int, int], time: float) -> Array:
        """Like calling, with arguments that are known to be good."""
        values = np.empty((size[1], size[0], self.channels), np.float32)
        self.draw(size, time, values)
        return values

    @abstractmethod
    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        """Write the values at a size and time to `out`, H×W×n float32, which may be a part of another array."""

    @property
    def channels(self) -> int:
        """How many values a pixel has."""
        return 1

    def __and__(self, other: Mask) -> Mask:
        """Where both are: the smaller value."""
        return _joined(Intersection, self, other)

    def __or__(self, other: Mask) -> Mask:
        """Where any is: the larger value."""
        return _joined(Union, self, other)

    def __invert__(self) -> Mask:
        """Where it is not: 1 - value."""
        return self.mask if isinstance(self, Inverse) else Inverse(self)

    def __sub__(self, other: Mask) -> Mask:
        """Where it is and the other is not: `a & ~b`."""
        return self & ~other if isinstance(other, Mask) else NotImplemented

    def feathered(self, radius: Number) -> Mask:
        """With soft edges: from 1 to 0 over about `radius` on either side (a Gaussian of half of it).

        What lies beyond the picture's border is taken to be as at the border.
        """
        return Feathered(self, radius)

    def grown(self, radius: Number) -> Mask:
        """Larger by `radius` on all sides, round at corners: the edge, where it passes one half, moves outwards.

        The new edge is sharp, whatever the old one was; feather the result where it should be soft.
        """
        return Grown(self, radius)

    def shrunk(self, radius: Number) -> Mask:
        """Smaller by `radius` on all sides, as `grown`. The picture's border is no edge."""
        return Grown(self, -Grown(self, radius).radius)

    def channel(self, number: int) -> Mask:
        """Only the channel of this number, counted from 0."""
        return Channel(self, number)

    def normalized(self) -> Mask:
        """With channels that sum to one; where all are 0, they share equally."""
        return Normalized(self)

    def _repr_png_(self) -> bytes:
        """Notebooks show it as it is at the beginning."""
        from ml4a.media import image

        from ._view import view

        return image.encode(view(self, 256), ".png")


@dataclass(frozen=True, repr=False)
class _Joined(Mask):
    """Masks joined by one operator, all of the same number of channels, or of one, which then counts for all."""

    masks: tuple[Mask, ...]

    operator: ClassVar[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = sorted({mask.channels for mask in self.masks} - {1})
        if len(counts) > 1:
            raise BadValue(f"masks of {counts[0]} and {counts[1]} channels cannot be joined; take a .channel of one")

    @property
    def channels(self) -> int:
        return max(mask.channels for mask in self.masks)

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        first, *others = self.masks
        if first.channels == self.channels:
            first.draw(size, time, out)
        else:
            out[:] = first.drawn(size, time)
        for mask in others:
            drawn = mask.drawn(size, time)
            for number in range(self.channels):
                channel = out[:, :, number]
                self.join(channel, drawn[:, :, min(number, mask.channels - 1)], channel)

    @staticmethod
    @abstractmethod
    def join(a: Array, b: Array, out: Array) -> None:
        """Write what the operator makes of two values to `out`."""

    def __repr__(self) -> str:
        return f" {self.operator} ".join(f"({m!r})" if isinstance(m, _Joined) else repr(m) for m in self.masks)


@dataclass(frozen=True, repr=False)
class Intersection(_Joined, kind="and"):
    """The smallest of several masks."""

    operator = "&"

    @staticmethod
    def join(a: Array, b: Array, out: Array) -> None:
        np.minimum(a, b, out=out)


@dataclass(frozen=True, repr=False)
class Union(_Joined, kind="or"):
    """The largest of several masks."""

    operator = "|"

    @staticmethod
    def join(a: Array, b: Array, out: Array) -> None:
        np.maximum(a, b, out=out)


@dataclass(frozen=True, repr=False)
class _Changed(Mask):
    """What becomes of another mask."""

    mask: Mask

    @property
    def channels(self) -> int:
        return self.mask.channels

    def __repr__(self) -> str:
        inner = f"({self.mask!r})" if isinstance(self.mask, _Joined | Inverse) else repr(self.mask)
        _, *others = self.changed().values()
        return f"{inner}.{self.kind}({', '.join(map(repr, others))})"


@dataclass(frozen=True, repr=False)
class Inverse(_Changed, kind="not"):
    """1 - a mask."""

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        self.mask.draw(size, time, out)
        np.subtract(1, out, out=out)

    def __repr__(self) -> str:
        return f"~({self.mask!r})" if isinstance(self.mask, _Joined) else f"~{self.mask!r}"


@dataclass(frozen=True, repr=False)
class Feathered(_Changed, kind="feathered"):
    """A mask with soft edges."""

    radius: Annotated[Number, Range(0, _FARTHEST), Doc("Width of the slope on either side of an edge, canvas units.")]

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        self.mask.draw(size, time, out)
        out[:] = _planes.blurred(out, at(self, "radius", time) * min(size) / 2)


@dataclass(frozen=True, repr=False)
class Grown(_Changed, kind="grown"):
    """A mask whose edges are moved outwards, or inwards by a negative radius."""

    radius: Annotated[Number, Range(-_FARTHEST, _FARTHEST), Doc("How far edges move outwards, in canvas units.")]

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        self.mask.draw(size, time, out)
        for number in range(self.channels):
            out[:, :, number] = _planes.grown(out[:, :, number], at(self, "radius", time) * min(size))


@dataclass(frozen=True, repr=False)
class Channel(_Changed, kind="channel"):
    """One channel of a mask."""

    number: Annotated[int, Range(0), Doc("Which, counted from 0.")]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.number >= self.mask.channels:
            raise BadValue(f"there is no channel {self.number}; the mask has {self.mask.channels}, counted from 0")

    @property
    def channels(self) -> int:
        return 1

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        out[:] = self.mask.drawn(size, time)[:, :, self.number : self.number + 1]


@dataclass(frozen=True, repr=False)
class Normalized(_Changed, kind="normalized"):
    """A mask whose channels sum to one."""

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        self.mask.draw(size, time, out)
        for rows in _planes.blocks(size):
            part = out[rows]
            total = np.add.reduce([part[:, :, number] for number in range(self.channels)])
            nothing = total == 0
            if nothing.any():
                part[nothing] = 1
                total[nothing] = self.channels
            for number in range(self.channels):
                part[:, :, number] /= total


@dataclass(frozen=True, repr=False)
class Stack(Mask, kind="stack"):
    """The channels of several masks, one after the other."""

    masks: tuple[Mask, ...]

    @property
    def channels(self) -> int:
        return sum(mask.channels for mask in self.masks)

    def draw(self, size: tuple[int, int], time: float, out: Array) -> None:
        first = 0
        for mask in self.masks:
            mask.draw(size, time, out[:, :, first : first + mask.channels])
            first += mask.channels

    def __repr__(self) -> str:
        return f"mask.stack({', '.join(map(repr, self.masks))})"


def stack(*masks: Mask) -> Mask:
    """One mask with the channels of all of these: the k-th weighs the k-th thing that is mixed.

        thirds = mask.stack(mask.circle(0.3), mask.noise(0.4), mask.solid()).normalized()

    Raises:
        BadValue: no masks, or something that is none.
    """
    return Stack(masks)


def from_data(data: Any, where: str = "the mask") -> Mask:
    """Read what `Mask.to_data` wrote.

        mask.from_data({"arcs": {"n": 3, "period": 2}}) == mask.arcs(3, period=2)

    Args:
        data: One name with its parameters. Nothing in it is trusted.
        where: What to call it in messages.

    Raises:
        BadValue: it is no mask, in one line that names the place.
    """
    return _value.from_data(Mask, data, where)


def _joined(kind: type[_Joined], a: Mask, b: Mask) -> Any:
    """Joined into one flat list: hundreds of dots need no hundreds of levels."""
    if not isinstance(b, Mask):
        return NotImplemented
    sides = (side.masks if isinstance(side, kind) else (side,) for side in (a, b))
    return kind(tuple(mask for side in sides for mask in side))
