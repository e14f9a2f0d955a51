"""Where a text can be cut: between paragraphs, sentences, clauses and words, in this order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from ml4a._core.errors import BadValue

from ._abbreviations import AT_ENDS_TOO, BEFORE_NAMES, BEFORE_NUMBERS

# Possessive: whatever a hostile text repeats is looked at once.
_CLOSING = "\"'”’»)\\]"
_END = re.compile(rf"(?<![.!?…])[.!?…]++[{_CLOSING}]*+(?=\s|$)|[。！？｡]++[」』”’）]*+")
_TOGETHER = re.compile(r"\{[^{}]*\}|\[[^\[\]()]*\]\(/[^()/]*/\)")
"""Sounds that are spelled out; they are one word."""
_PLACE = re.compile(r"\s|(?<=[、，；：])")
_INITIALS = re.compile(r"[^\W\d_](\.[^\W\d_])*")
_ITEM = re.compile(r"\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4}")
_CONJUNCTION = re.compile(
    r"\s(and|or|but|nor|so|yet|because|although|though|while|when|where|which|who|that|if|as|until|unless|before|after"
    r"|since|for|with|without)\b",
    re.IGNORECASE,
)
_LONGEST_ABBREVIATION = 12
_LONGEST_CLUSTER = 16
"""Marks on one letter that are kept with it."""
_OPENING = "\"'“‘«([¿¡"
_NEVER, _WORD, _AND, _COMMA, _CLAUSE = range(5)
"""How good a place is for a cut, from worst to best."""


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text, between which are empty lines, each in one line; there may be none."""
    found, lines = [], []
    for line in (*text.splitlines(), ""):
        words = line.split()
        if words:
            lines.append(" ".join(words))
        elif lines:
            found.append(" ".join(lines))
            lines = []
    return found


def sentences(text: str, longest: int = 300) -> list[str]:
    """Cut a text into what is said in one breath.

    Dots of abbreviations, initials, numbers and enumerations end no sentence. A sentence of more than `longest`
    characters is cut at its clauses, at a conjunction, or between words; inside a word, number or group of sounds
    only if that alone is longer. The time that it takes grows with the length alone, whatever is in the text.

    Args:
        text: Any text; line breaks are spaces, empty lines are always cut at.
        longest: Characters of a piece, at most.

    Returns:
        The pieces, none empty. But for white space they are the text.

    Raises:
        BadValue: `longest` is less than 1.
    """
    if longest < 1:
        raise BadValue(f"longest must be at least 1 character, not {longest}")
    whole = (sentence for paragraph in paragraphs(text) for sentence in _sentences(paragraph))
    return [piece for sentence in whole for piece in _pieces(sentence, longest)]


def _sentences(text: str) -> Iterator[str]:
    begin = 0
    for match in _END.finditer(text):
        if _is_end(text, begin, match):
            yield text[begin : match.end()].strip()
            begin = match.end()
    rest = text[begin:].strip()
    if rest:
        yield rest


def _is_end(text: str, begin: int, match: re.Match[str]) -> bool:
    mark = match.group()
    after = text[match.end() : match.end() + 8].lstrip().lstrip(_OPENING)
    lower, number = after[:1].islower(), after[:1].isdigit()
    if mark[0] in "。！？｡":
        return True
    if mark[0] in "!?":
        return not (lower and mark[-1] in _CLOSING)  # “Stop!” he said
    if len(mark.rstrip(_CLOSING)) > 1 or mark[0] == "…":
        return not lower
    first = text.rfind(" ", max(begin, match.start() - _LONGEST_ABBREVIATION), match.start()) + 1
    if first == 0 and match.start() - begin > _LONGEST_ABBREVIATION:
        return True
    word = text[max(first, begin) : match.start()].lstrip(_OPENING)
    if not text[begin : match.start() - len(word)].strip(_OPENING + " ") and _ITEM.fullmatch(word):
        return False  # 1. the first of a list
    small = word.lower()
    if small in BEFORE_NAMES or (small in BEFORE_NUMBERS and number):
        return False
    if small in AT_ENDS_TOO:
        return after[:1].isupper() or not after
    if _INITIALS.fullmatch(word):
        # J. R. R. Tolkien; but 5 p.m. Then
        return not after or ("." in word and word[-1].islower() and after[:1].isupper())
    return True


def _pieces(sentence: str, longest: int) -> Iterator[str]:
    """A sentence in pieces of the length allowed."""
    begin = 0
    while len(sentence) - begin > longest:
        end = _cut(sentence, begin, longest)
        piece = sentence[begin:end].strip()
        if piece:
            yield piece
        begin = end
        while begin < len(sentence) and sentence[begin] == " ":
            begin += 1
    if begin < len(sentence):
        yield sentence[begin:]


def _cut(text: str, begin: int, longest: int) -> int:
    """Where the piece that starts at `begin` is to end."""
    window = text[begin : begin + longest + _LONGEST_ABBREVIATION]
    together = [match.span() for match in _TOGETHER.finditer(window)]
    open_group = max(window.rfind("{"), window.rfind("["))
    if open_group > 0 and _TOGETHER.match(text[begin + open_group : begin + open_group + 2 * longest]):
        together.append((open_group, len(window)))
    places: dict[int, int] = {}
    for match in _PLACE.finditer(window, 1):
        place = match.start()
        if place > longest:
            break
        if any(first < place < last for first, last in together):
            continue
        places[_quality(window, place)] = place
    remaining = len(text) - begin
    even = remaining / -(-remaining // longest)
    for quality in (_CLAUSE, _COMMA, _AND, _WORD, _NEVER):
        if quality in places and (quality <= _WORD or places[quality] >= even / 2):
            return begin + places[quality]
    return begin + _inside_a_word(window, longest)


def _quality(window: str, place: int) -> int:
    before, after = window[place - 1], window[place + 1 : place + 2]
    if before in ";:—–；：" or after in ("—", "–", "("):
        return _CLAUSE
    if before in ",)，、":
        return _COMMA
    word = window[max(0, place - _LONGEST_ABBREVIATION) : place].rpartition(" ")[2].lstrip(_OPENING)
    if before == "." and (word[:-1].lower() in BEFORE_NAMES | BEFORE_NUMBERS or _INITIALS.fullmatch(word[:-1])):
        return _NEVER  # between a title and its name
    if (before.isdigit() and after.isdigit()) or before in "$£€¥#":
        return _NEVER  # between the parts of a number
    return _AND if _CONJUNCTION.match(window, place) else _WORD


def _inside_a_word(window: str, longest: int) -> int:
    """Where to cut what has no space: before a number rather than inside it, never between a letter and its marks."""
    end = longest
    while end > 1 and window[end] in "0123456789.," and window[end - 1] in "0123456789.,":
        end -= 1
    if end == 1:
        end = longest
    for place in range(end, max(0, end - _LONGEST_CLUSTER), -1):
        joined = unicodedata.category(window[place])[0] == "M" or window[place] in "\u200d\ufe0f"
        if not joined and window[place - 1] != "\u200d":
            return place
    return end
