"""English as Tacotron's voices read it: a text in lower-case words, and those as the numbers of symbols.

The symbols and rules are those of keithito/tacotron, which NVIDIA's Tacotron 2 has taken over; `readable` comes
before them and writes out what they get wrong.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from ml4a._core import extras

from ._abbreviations import SPOKEN
from ._numbers import in_words
from ._signs import in_letters

_VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
_CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N", "NG"),
    *("P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
PHONES = tuple(sorted([*_CONSONANTS, *(f"{vowel}{stress}" for vowel in _VOWELS for stress in ("", "0", "1", "2"))]))
"""ARPAbet: consonants, and vowels unstressed (0), with the main stress (1), with another (2), or without saying."""
SYMBOLS = (*"_-!'(),.:;? ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", *(f"@{phone}" for phone in PHONES))
"""All that there are; their places are their numbers."""

_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS) if symbol != "_"}
_FIRST_LETTER = SYMBOLS.index("A")
_GROUP = re.compile(r"\{([^{}]*)\}")
_ABBREVIATION = re.compile(rf"\b({'|'.join(SPOKEN)})\.", re.IGNORECASE)
_NOT_AS_ANYASCII = {"£": "PS", "—": "--"}
"""What the original's transliteration has for these."""


def clean(text: str) -> str:
    """A text as the original reads it: ASCII, lower case, numbers and abbreviations written out, single spaces.

    Numbers are read as it reads them: 3.14 as "three point fourteen", £20 as "pstwenty".

    Raises:
        MissingExtra: it is not all in ASCII, and the package that knows other letters is not installed.
    """
    plain = in_words(_ascii(text).lower())
    return re.sub(r"\s+", " ", _ABBREVIATION.sub(lambda match: SPOKEN[match[1].lower()], plain))


def readable(text: str) -> str:
    """A text in the words and symbols that `ids` takes, with what `clean` alone gets wrong written as one says it.

    These are sums of money, percentages, decimals, times, fractions and signs. Sounds in braces stay as they are.
    """
    return "".join(f"{{{' '.join(sounds)}}}" if sounds else clean(in_letters(part)) for part, sounds in _parts(text))


def audible(ids: Sequence[int]) -> bool:
    """Whether there is anything to be said: a letter or a sound."""
    return any(number >= _FIRST_LETTER for number in ids)


def ids(text: str) -> list[int]:
    """The numbers of a text's symbols, cleaned; what is no symbol is left out.

    Sounds may be spelled out in braces, in ARPAbet: `Turn left on {HH AW1 S S T AH0 N} Street.` Braces with anything
    else in them are text.
    """
    found: list[int] = []
    for part, sounds in _parts(text):
        symbols = (f"@{sound}" for sound in sounds) if sounds else clean(part)
        found.extend(_NUMBERS[symbol] for symbol in symbols if symbol in _NUMBERS)
    return found


def _parts(text: str) -> Iterator[tuple[str, list[str]]]:
    """The text in turns of words and of sounds: either has none of the other."""
    begin = 0
    for match in _GROUP.finditer(text):
        sounds = match[1].split()
        if sounds and all(f"@{sound}" in _NUMBERS for sound in sounds):
            if match.start() > begin:
                yield text[begin : match.start()], []
            yield "", sounds
            begin = match.end()
    if begin < len(text):
        yield text[begin:], []


def _ascii(text: str) -> str:
    return text if text.isascii() else "".join(map(_letter, text))


@functools.lru_cache(maxsize=4096)
def _letter(character: str) -> str:
    """A character in ASCII: é is e, 中 Zhong; signs without a sound are nothing."""
    if character in _NOT_AS_ANYASCII:
        return _NOT_AS_ANYASCII[character]
    written: str = extras.load("anyascii", "speech").anyascii(character)
    return "" if len(written) > 2 and written[0] == written[-1] == ":" else written  # the names of emoji
