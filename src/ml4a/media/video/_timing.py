"""Seconds, factors and frame rates as the exact fractions that were meant."""

from __future__ import annotations

import math
import numbers
from fractions import Fraction
from typing import Any

from ml4a._core.errors import BadValue

_FINEST = 1_000_000
"""The largest denominator: 0.7 is 7/10, though no float is, and the frames of television begin at multiples of 1001."""
_TELEVISION_RATES = (24, 30, 48, 60, 120)
_HIGHEST_RATE = 1000


def exact(name: str, value: Any, least: float = -math.inf) -> Fraction:
    """A finite number of at least so much.

    Raises:
        BadValue: it is not one.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value) or value < least:
        bound = "" if least == -math.inf else f" from {least:g} up"
        raise BadValue(f"{name} must be a finite number{bound}, not {value!r}")
    if isinstance(value, numbers.Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    return Fraction(float(value)).limit_denominator(_FINEST)


def exact_rate(rate: float | Fraction) -> Fraction:
    """Frames per second: those of television, such as 29.97, are thousands divided by 1001.

    Raises:
        BadValue: not a number above 0 and up to 1000.
    """
    found = exact("rate", rate)
    if not 0 < found <= _HIGHEST_RATE:
        raise BadValue(f"rate must be a number of frames per second above 0 and up to {_HIGHEST_RATE}, not {rate!r}")
    television = Fraction(round(found) * 1000, 1001)
    is_television = round(found) in _TELEVISION_RATES and abs(found - television) < Fraction(1, 200)
    return television if is_television else found
