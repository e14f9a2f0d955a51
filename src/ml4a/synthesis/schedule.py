"""From coarse to fine: the sizes of a synthesis, and how long each takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml4a._core.errors import BadValue


@dataclass(frozen=True, slots=True)
class Stage:
    """Some iterations at one size."""

    size: tuple[int, int]
    """Width and height."""
    iterations: int


def scales(smallest: int, largest: int) -> list[int]:
    """Longest sides from about `smallest` to `largest`, each √2 of the one before: 128, 181, 256, 362, 512."""
    smallest, found = min(smallest, largest), []
    for number in range(largest.bit_length() * 2 + 1):
        side = round(largest / 2 ** (number / 2))
        if side < smallest:
            break
        found.append(side)
    return sorted(set(found))


def fitting(size: tuple[int, int], longest: int, *, enlarge: bool = False) -> tuple[int, int]:
    """Width and height with the given longest side, in proportion; small ones stay unless they are to be enlarged."""
    width, height = size
    if not enlarge and max(size) <= longest:
        return size
    if width >= height:
        return longest, max(1, round(longest * (height / width)))
    return max(1, round(longest * (width / height))), longest


def per_stage(values: int | float | Sequence[int | float], count: int) -> list[int | float]:
    """One value for each stage: the first ones as given, then the last again and again.

    Raises:
        BadValue: there are more values than stages, or none.
    """
    values = [values] if isinstance(values, int | float) else list(values)
    if not 1 <= len(values) <= count:
        raise BadValue(f"{count} stages take 1 to {count} values, not {len(values)}")
    return values + values[-1:] * (count - len(values))
