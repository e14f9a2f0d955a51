"""Sums, measures and signs in the letters in which one says them; numbers stay in digits."""

from __future__ import annotations

import re
from collections.abc import Callable

_NUMBER = r"\d(?:,?\d)*+"
_SCALE = r"(?:\s?(hundred|thousand|million|billion|trillion|bn|m|k)\b)?"
_SCALES = {"bn": "billion", "m": "million", "k": "thousand"}
_UNITS = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}
_MONEY = re.compile(rf"([$£€¥₹])\s?((?:{_NUMBER})?)(?:\.(\d++))?+(?!\.\d){_SCALE}", re.IGNORECASE)
_TIME = re.compile(
    r"(?<![\d:.])([01]?\d|2[0-3]):([0-5]\d)(?![\d:])(\s?[ap]\.?m\b(?:\.(?=\s?[,;:!?)]))?)?", re.IGNORECASE
)
_FRACTION = re.compile(r"(?:(?<![\d/.,])(\d{1,4})\s)?(?<![\d/.,])([1-9])/([2-9])(?![\d/])")
_DECIMAL = re.compile(rf"(?<![\d.,])({_NUMBER})((?:\.\d++)++)")
_COMMA = re.compile(r"(?<=\d),(?=\d)(?!\d{3}(?!\d))")
"""Between two numbers, where it does not set thousands apart."""
_DECADE = re.compile(r"(?<![\w.,])'?(1[1-9]|20)?([2-9])0s\b")
_LEADING_ZERO = re.compile(r"(?<![\d.,:$£€¥₹])0\d++(?![.,:]?\d)")
_MINUS = re.compile(r"(?<![\w.,)\-−])[-−](?=\d)")
_RANGE = re.compile(r"(?<=\d)\s?–\s?(?=\d)")
_HASH = re.compile(r"#(?=\d)")
_TENS = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_NTHS = {"3": "third", "4": "quarter", "5": "fifth", "6": "sixth", "7": "seventh", "8": "eighth", "9": "ninth"}

_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8"}
_AFTER_NUMBERS = {
    "%": "percent",
    "‰": "per mille",
    "°C": "degrees Celsius",
    "°F": "degrees Fahrenheit",
    "°": "degrees",
}
_BETWEEN = {
    "&": "and",
    "@": "at",
    "+": "plus",
    "=": "equals",
    "×": "times",
    "÷": "divided by",
    "±": "plus or minus",
    "<": "less than",
    ">": "greater than",
}
_GAPS = "/\\_*|~^•·→"
"""What stands between words and is not said."""
_AFTER = re.compile(rf"(?<=\d)\s?({'|'.join(map(re.escape, _AFTER_NUMBERS))})(?![a-zA-Z])")
_SIGN = re.compile(rf"(?:(?<!\s)\s++)?+([{re.escape(''.join(_BETWEEN))}])\s*+")
_GAP = re.compile(rf"[{re.escape(_GAPS)}]+")
_JOINT = re.compile(r"(?<=[a-zA-Z])(?=\d)|(?<=\d)(?=[a-zA-Z])(?!(?:st|nd|rd|th|s)\b)", re.IGNORECASE)
"""Where a letter meets a number: mp3, 3D, but 3rd."""


def in_letters(text: str) -> str:
    """A text with what is not read letter by letter written out; the time that it takes grows with the length alone."""
    steps: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
        (re.compile("|".join(_VULGAR)), lambda match: f" {_VULGAR[match.group()]}"),
        (_MONEY, _money),
        (_FRACTION, _fraction),
        (_TIME, _time),
        (_DECADE, _decade),
        (_DECIMAL, _decimal),
        (_COMMA, ", "),
        (_LEADING_ZERO, lambda match: " ".join(match.group())),
        (_AFTER, lambda match: f" {_AFTER_NUMBERS[match[1]]}"),
        (_RANGE, " to "),
        (_MINUS, "minus "),
        (_HASH, "number "),
        (_SIGN, lambda match: f" {_BETWEEN[match[1]]} "),
        (_GAP, " "),
        (_JOINT, " "),
    )
    for pattern, replacement in steps:
        text = pattern.sub(replacement, text)
    return text


def _money(match: re.Match[str]) -> str:
    sign, whole, part, scale = match.groups()
    if not whole and not part:
        return match.group()
    one, many, small, smalls = _UNITS[sign]
    if scale or (part and len(part) > 2):
        amount = f"{whole or 0}.{part}" if part else whole
        return f"{amount} {_SCALES.get((scale or '').lower(), scale or '')} {many}".replace("  ", " ")
    amounts = []
    if whole.strip("0,"):
        amounts.append(f"{whole} {one if whole == '1' else many}")
    cents = int((part or "").ljust(2, "0"))
    if cents:
        amounts.append(f"{cents} {small if cents == 1 else smalls}")
    return ", ".join(amounts) or f"zero {many}"


def _fraction(match: re.Match[str]) -> str:
    whole, over, under = match.groups()
    name = ("half" if over == "1" else "halves") if under == "2" else _NTHS[under] + ("" if over == "1" else "s")
    return f"{whole} and {'a' if over == '1' else over} {name}" if whole else f"{'one' if over == '1' else over} {name}"


def _time(match: re.Match[str]) -> str:
    hour, minute, half = match.groups()
    if minute == "00":
        said = hour if half else f"{hour} o'clock" if 0 < int(hour) <= 12 else f"{int(hour)} hundred"
    else:
        said = f"{int(hour)} {f'oh {minute[1]}' if minute[0] == '0' else minute}"
    return f"{said} {' '.join(half.strip().replace('.', ''))}" if half else said


def _decade(match: re.Match[str]) -> str:
    century, tens = match.groups()
    return f"{century} {_TENS[int(tens) - 2]}" if century else _TENS[int(tens) - 2]


def _decimal(match: re.Match[str]) -> str:
    return " point ".join([match[1], *(" ".join(part) for part in match[2][1:].split("."))])
