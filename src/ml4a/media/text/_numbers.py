"""Numbers as words, in English, as the voices of Tacotron learnt them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

# Each pattern begins where no digit is before it: long rows of digits are looked at once.
_THOUSANDS = re.compile(r"(?<![0-9])[0-9][0-9,]+[0-9]")
_POUNDS = re.compile(r"£([0-9,]*[0-9]+)")
_DOLLARS = re.compile(r"\$([0-9.,]*[0-9]+)")
_DECIMAL = re.compile(r"((?<![0-9])[0-9]+)\.([0-9]+)")
_ORDINAL = re.compile(r"(?<![0-9])([0-9]+)(st|nd|rd|th)")
_WHOLE = re.compile(r"[0-9]+")

_SMALL = (
    *("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = (
    *("", " thousand", " million", " billion", " trillion", " quadrillion", " quintillion", " sextillion"),
    *(" septillion", " octillion", " nonillion", " decillion"),
)
_NTHS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MOST_DIGITS = 3 * len(_SCALES)
"""Of a number that has a name; longer ones are read digit by digit."""


def in_words(text: str) -> str:
    """A text with its numbers and sums in dollars written out; years are read in pairs of digits."""
    steps: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
        (_THOUSANDS, lambda match: match.group().replace(",", "")),
        (_POUNDS, lambda match: f"{match[1]} pounds"),
        (_DOLLARS, _dollars),
        (_DECIMAL, lambda match: f"{match[1]} point {match[2]}"),
        (_ORDINAL, lambda match: _ordinal(match[1], match[2])),
        (_WHOLE, lambda match: _whole(match.group())),
    )
    for pattern, replacement in steps:
        text = pattern.sub(replacement, text)
    return text


def _dollars(match: re.Match[str]) -> str:
    whole, _, part = match[1].replace(",", "").partition(".")
    if "." in part:  # no sum at all
        return f"{match[1]} dollars"
    dollars, cents = whole.lstrip("0"), part.lstrip("0")
    amounts = [
        f"{amount} {unit}" if amount == "1" else f"{amount} {unit}s"
        for amount, unit in ((dollars, "dollar"), (cents, "cent"))
        if amount
    ]
    return ", ".join(amounts) or "zero dollars"


@functools.lru_cache(maxsize=4096)
def _ordinal(digits: str, ending: str) -> str:
    if len(digits) > _MOST_DIGITS:
        return f"{_one_by_one(digits)} {ending}"
    name = _name(int(digits), " and ")
    last = re.split(r"[ -]", name)[-1]
    return name.removesuffix(last) + (_NTHS.get(last) or f"{last.removesuffix('y')}{'ie' * last.endswith('y')}th")


@functools.lru_cache(maxsize=4096)
def _whole(digits: str) -> str:
    if len(digits) > _MOST_DIGITS:
        return _one_by_one(digits)
    number = int(digits)
    if not 1000 < number < 3000 or 2000 <= number < 2010:
        return _name(number)
    before, after = divmod(number, 100)
    if after == 0:
        return f"{_below_hundred(before)} hundred"
    return f"{_below_hundred(before)} {'oh ' * (after < 10)}{_below_hundred(after)}"


def _one_by_one(digits: str) -> str:
    return " ".join(_whole(digit) for digit in digits)


def _name(number: int, hundreds: str = " ") -> str:
    """A number's name; `hundreds` stands between its hundreds and what is less: "one hundred and five"."""
    groups = []
    rest = number
    for scale in _SCALES:
        rest, group = divmod(rest, 1000)
        if group:
            over, below = divmod(group, 100)
            words = f"{_SMALL[over]} hundred" if over else ""
            words += hundreds if over and below else ""
            groups.append(f"{words}{_below_hundred(below)}{scale}")
    last = hundreds if number % 1000 < 100 and number % 1000 else ", "
    named = ", ".join(groups[:0:-1])
    return f"{named}{last}{groups[0]}" if named else groups[0] if groups else "zero"


def _below_hundred(number: int) -> str:
    if number < len(_SMALL):
        return _SMALL[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]}-{_SMALL[ones]}" if ones else _TENS[tens]
