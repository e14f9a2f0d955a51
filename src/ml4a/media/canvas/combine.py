"""Warps made of warps: seen through each other, added, and mixed by masks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Any

import numpy as np

from ml4a._core import params
from ml4a._core.errors import BadValue
from ml4a._core.params import Doc, Range
from ml4a.media import signals
from ml4a.media._value import check_names, read, to_data
from ml4a.media.signals import Signal

from ._points import Array, Points
from ._warp import Number, Warp
from ._weights import Mask, checked_mask, is_moving, weights


@dataclass(frozen=True, repr=False)
class _Group(Warp):
    """Several warps in a row."""

    warps: tuple[Warp, ...]

    @property
    def idle(self) -> bool:
        """Whether none of them does anything."""
        return all(warp.idle for warp in self.warps)

    def to_data(self) -> Any:
        """What `canvas.from_data` reads."""
        return {self.kind: [warp.to_data() for warp in self.warps]}

    @classmethod
    def arguments(cls, content: Any, where: str) -> dict[str, Any]:
        """What makes it again."""
        if not isinstance(content, list):
            raise BadValue(f"{where} must be a list of warps")
        return {"warps": read(tuple[Warp, ...], content, where)}


@dataclass(frozen=True, repr=False)
class Compose(_Group, kind="compose"):
    """The first of some warps, looking at what the others make of the picture."""

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        return reduce(lambda moved, warp: warp.follow(moved), self.warps, points)

    def __repr__(self) -> str:
        return " @ ".join(f"({warp!r})" if isinstance(warp, Together) else repr(warp) for warp in self.warps)


@dataclass(frozen=True, repr=False)
class Together(_Group, kind="together"):
    """The displacements of some warps, added."""

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        if self.idle:
            return points
        moved = [warp.follow(points) for warp in self.warps if not warp.idle]
        start = points.matrix
        if start is not None and all(each.matrix is not None for each in moved):
            return Points(
                points.stage, points.rows, start + sum(each.matrix - start for each in moved if each.matrix is not None)
            )
        return points.moved_to(*(_added(points.arrays[axis], [each.arrays[axis] for each in moved]) for axis in (0, 1)))

    def __repr__(self) -> str:
        return " & ".join(map(repr, self.warps))


@dataclass(frozen=True, repr=False)
class Mix(Warp, kind="mix"):
    """Between some warps: where to look is the mean of where they look, weighted by a mask."""

    mask: Annotated[Any, Range(0, 1), Doc("What weighs them: None, a number for the first, a mask.")]
    warps: tuple[Warp, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "mask", checked_mask(self.mask))

    @property
    def moving(self) -> bool:
        """Whether the mask or any of the warps may change with time; a function may."""
        return is_moving(self.mask) or any(warp.moving for warp in self.warps)

    @property
    def idle(self) -> bool:
        """Whether none of them does anything."""
        return all(warp.idle for warp in self.warps)

    def follow(self, points: Points) -> Points:
        """Where pixels look that looked at `points`."""
        shares = weights(self.mask, len(self.warps), points)
        moved = [warp.follow(points) for warp in self.warps]
        if all(isinstance(share, float) for share in shares) and all(each.matrix is not None for each in moved):
            parts = [share * each.matrix for share, each in zip(shares, moved, strict=True) if each.matrix is not None]
            return Points(points.stage, points.rows, np.add.reduce(parts))
        return points.moved_to(*(_mean(shares, [each.arrays[axis] for each in moved]) for axis in range(2)))

    def to_data(self) -> Any:
        """What `canvas.from_data` reads."""
        name = "share" if self.mask is None or isinstance(self.mask, float | Signal) else "mask"
        mask = to_data(self.mask, f"mix.{name}")
        return {self.kind: {name: mask, "warps": [warp.to_data() for warp in self.warps]}}

    @classmethod
    def arguments(cls, content: Any, where: str) -> dict[str, Any]:
        """What makes it again."""
        from ml4a.media import mask as masks

        check_names(content, where, ("mask", "share", "warps"), ("warps",))
        if len(content) != 2:
            raise BadValue(f"{where} must have warps, and either a mask or a share")
        if "mask" in content:
            mask = masks.from_data(content["mask"], f"{where}.mask")
        else:
            mask = None if content["share"] is None else signals.from_data(content["share"], f"{where}.share")
        return {"mask": mask, "warps": read(tuple[Warp, ...], content["warps"], f"{where}.warps")}

    def __repr__(self) -> str:
        return f"mix({', '.join(map(repr, (self.mask, *self.warps)))})"


def compose(*warps: Warp) -> Warp:
    """The first warp, looking at what the second makes of the picture, and so on: `a @ b @ c`.

    Raises:
        BadValue: no warps, or something that is none.
    """
    parts = tuple(part for warp in warps for part in (warp.warps if isinstance(warp, Compose) else (warp,)))
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Warp) else Compose(parts)


def together(*warps: Warp) -> Warp:
    """The displacements of some warps, added: `a & b & c`.

    Raises:
        BadValue: no warps, or something that is none.
    """
    parts = tuple(part for warp in warps for part in (warp.warps if isinstance(warp, Together) else (warp,)))
    return parts[0] if len(parts) == 1 and isinstance(parts[0], Warp) else Together(parts)


def mix(mask: Mask | Array | Number | None, *warps: Warp) -> Warp:
    """Between some warps: where to look is the mean of where they look, weighted by a mask.

        mix(mask.circle(0.3).feathered(0.1), zoom(1.05), rotate(0.02))      # zooms within, turns without
        mix(signals.keys({0: 0, 4: 1}), swirl(2), kaleidoscope(6))         # from the second to the first

    Args:
        mask: H×W[×n] floats from 0 up, or what gives them for a size and a time. Channel k weighs the k-th warp; they
            are divided by their sum, and where that is 0 all warps have equal shares. One channel for two warps weighs
            the first, and what is left of 1 the second; so does a number from 0 to 1. None: equal shares.
        warps: Two or more.

    Raises:
        BadValue: no mask, or no warps; when it is applied: as many channels as there are neither warps nor one, or
            values that are negative or not finite.
    """
    if len(warps) < 2:
        raise BadValue(f"mix needs a mask and two warps or more, not {len(warps)}")
    return Mix(mask, warps)


def interpolate(a: Warp, b: Warp, r: Number) -> Warp:
    """Between two scores of one shape: every number is that of `a` where r is 0, that of `b` where it is 1.

        interpolate(zoom(1.02) @ rotate(0.1), zoom(0.98) @ rotate(-0.1), signals.keys({0: 0, 10: 1}))

    Whole numbers (octaves, periods) go to the nearest and cannot follow a signal. Seeds, and what is no number, must be
    equal.

    Raises:
        BadValue: the scores differ in more than numbers.
    """
    if not isinstance(a, Warp) or type(a) is not type(b):
        raise BadValue(f"only scores of one shape can be interpolated, not {a!r} and {b!r}")
    if not isinstance(r, Signal):
        r = signals.number("r", r)
    return type(a)(
        **{
            name: _between(getattr(a, name), getattr(b, name), r, f"{a.kind}.{name}")
            for name in params.parameters(type(a))
        }
    )


def _between(a: Any, b: Any, r: Number, where: str) -> Any:
    if isinstance(a, Warp) and isinstance(b, Warp):
        return interpolate(a, b, r)
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        return tuple(_between(one, other, r, where) for one, other in zip(a, b, strict=True))
    if type(a) is type(b) and a == b:
        return a
    if isinstance(a, int) and isinstance(b, int) and not isinstance(r, Signal) and not where.endswith(".seed"):
        return round(a + (b - a) * r)
    if isinstance(a, float | Signal) and isinstance(b, float | Signal):
        return a * (1 - r) + b * r
    raise BadValue(f"{where} is {a!r} in one score and {b!r} in the other; only numbers can be interpolated")


def _added(start: Array, places: list[Array]) -> Array:
    """`start` and the ways from it to all of the places."""
    total = places[0].copy()
    for place in places[1:]:
        total += place
        total -= start
    return total


def _mean(shares: list[Any], places: list[Array]) -> Array:
    """The weighted mean of places; the shares sum to one."""
    if len(places) == 2:
        mean = places[0] - places[1]
        mean *= shares[0]
        mean += places[1]
        return mean
    mean = places[0] * shares[0]
    for share, place in zip(shares[1:], places[1:], strict=True):
        mean += place * share
    return mean
