"""How a style is named: a picture, the number of a built-in style, or a blend of those."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml4a._core.errors import BadValue

BUILT_IN = 26
_BLEND = re.compile(r"\s*\d+\s*(:[^,:]*)?(,\s*\d+\s*(:[^,:]*)?)*")


@dataclass(frozen=True, slots=True)
class Blend:
    """Built-in styles with weights that sum to one. `str` writes it as `read` reads it."""

    weights: tuple[tuple[int, float], ...]

    def __str__(self) -> str:
        if len(self.weights) == 1:
            return str(self.weights[0][0])
        return ",".join(f"{number}:{weight!r}" for number, weight in self.weights)


def read(value: Any) -> Any:
    """A `Blend` for `19`, `"19"`, `"3:0.5,12:0.5"` or `{3: 0.5, 12: 0.5}`; anything else is a picture, as it is.

    Raises:
        BadValue: a number that no built-in style has, or weights that are none.
    """
    if isinstance(value, str) and _BLEND.fullmatch(value):
        parts = [part.partition(":") for part in value.split(",")]
        return _blend([(int(number), _weight(weight, value)) for number, _, weight in parts])
    if isinstance(value, Mapping):
        return _blend([(number, _weight(weight, value)) for number, weight in value.items()])
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return _blend([(int(value), 1.0)])
    return value


def _weight(value: Any, whole: Any) -> float:
    try:
        weight = float(value) if value != "" else 1.0
    except (TypeError, ValueError):
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise BadValue(f"style {whole!r} has a weight that is no number of 0 or more; write 3:0.5,12:0.5")
    return weight


def _blend(pairs: list[tuple[Any, float]]) -> Blend:
    for number, _ in pairs:
        if not isinstance(number, numbers.Integral) or int(number) not in range(BUILT_IN):
            raise BadValue(f"style must be a picture or a number between 0 and {BUILT_IN - 1}, not {number!r}")
    total = sum(weight for _, weight in pairs)
    if total <= 0:
        raise BadValue("the weights of a blend of styles must not all be 0")
    if abs(total - 1) < 1e-9:  # so that a blend written by `str` is read back to the bit
        total = 1.0
    merged: dict[int, float] = {}
    for number, weight in pairs:
        merged[int(number)] = merged.get(int(number), 0.0) + weight / total
    return Blend(tuple(sorted(merged.items())))
