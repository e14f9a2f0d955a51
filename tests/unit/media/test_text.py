"""Where texts are cut, and how they are written when they are read aloud."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml4a._core.errors import BadValue
from ml4a.media import text
from ml4a.media.text import english

STORY = (
    "Dr. Smith paid $3.50. Nobody knew why. He left at 5 p.m. Then J. R. R. Tolkien came, e.g. by bus, with Mr. X. "
    "It's over... maybe. “Stop!” he said. She went to Apple Inc. in May. See no. 5. No. Never!"
)
SENTENCES = [
    "Dr. Smith paid $3.50.",
    "Nobody knew why.",
    "He left at 5 p.m.",
    "Then J. R. R. Tolkien came, e.g. by bus, with Mr. X. It's over... maybe.",
    "“Stop!” he said.",
    "She went to Apple Inc. in May.",
    "See no. 5.",
    "No.",
    "Never!",
]
HOSTILE = {
    "one word": "a" * 50_000,
    "dots": "." * 50_000,
    "digits": "1" * 50_000,
    "points": "1." * 25_000,
    "commas": "1," * 25_000,
    "colons": "1:" * 25_000,
    "slashes": "1/2" * 16_000,
    "dollars": "$1.," * 12_000,
    "braces": "{" * 50_000,
    "brackets": "[a](" * 12_000,
    "marks on one letter": "a" + "\u0301" * 50_000,
    "spaces": " " * 50_000,
    "lines": "\n " * 25_000,
    "ends and quotes": ".'" * 25_000,
    "halves of characters": "\ud800" * 1000,
    "signs": " & " * 16_000,
}


def squeezed(value: str) -> str:
    return "".join(value.split())


# -- Sentences ---------------------------------------------------------------------------------------------------------


def test_dots_of_abbreviations_numbers_and_initials_end_no_sentence():
    assert text.sentences(STORY) == SENTENCES


@pytest.mark.parametrize(
    ("given_text", "due"),
    [
        ("1. Buy milk. 2. Sell it.", ["1. Buy milk.", "2. Sell it."]),
        ("Born in 1999. He sang.", ["Born in 1999.", "He sang."]),
        ("The U.S. Army came. hello. bye", ["The U.S. Army came.", "hello.", "bye"]),
        ('"Go." (She went.) “Why?” Who knows…', ['"Go."', "(She went.)", "“Why?”", "Who knows…"]),
        ("One\nline. Two.\n\n \nThree\r\n\r\nfour", ["One line.", "Two.", "Three", "four"]),
        ("你好。世界！好吗？", ["你好。", "世界！", "好吗？"]),
        ("Pi is 3.14 and v1.2.3 is out.", ["Pi is 3.14 and v1.2.3 is out."]),
        ("", []),
        (" \n\t\u2028 ", []),
    ],
)
def test_what_a_sentence_is(given_text, due):
    assert text.sentences(given_text) == due


def test_paragraphs_are_between_empty_lines():
    assert text.paragraphs("A title\n\nOne line\nand another.\n \n\n\nEnd.\n") == [
        "A title",
        "One line and another.",
        "End.",
    ]


def test_a_long_sentence_is_cut_at_its_clauses_first():
    long = "When at last the rain had stopped; the children, who had waited, ran out and played in the wet garden."
    assert text.sentences(long, 60) == [
        "When at last the rain had stopped;",
        "the children, who had waited,",
        "ran out and played in the wet garden.",
    ]
    assert text.sentences(long.replace(";", ""), 66)[0].endswith("waited,")
    assert text.sentences("we walked along the river and talked about nothing at all", 40) == [
        "we walked along the river",
        "and talked about nothing at all",
    ]


def test_titles_numbers_and_spelled_sounds_stay_together():
    for longest in range(12, 40):
        pieces = text.sentences("we met Dr. Smith and no. 12 of 1 000 men {HH AW1 S} then", longest)
        assert not any(piece.endswith(("Dr.", "no.", " 1")) for piece in pieces), (longest, pieces)
        assert any("{HH AW1 S}" in piece for piece in pieces)
    pieces = text.sentences("say it: [ml4a](/ɛm ɛl fɔ/) again", 22)
    assert any("[ml4a](/ɛm ɛl fɔ/)" in piece for piece in pieces)
    assert text.sentences("a" * 30 + "123456", 33) == ["a" * 30, "123456"]


def test_nothing_is_cut_between_a_letter_and_its_marks():
    for piece in text.sentences("e\u0301" * 40 + "👩\u200d🚀" * 9, 7):
        assert not piece.startswith(("\u0301", "\u200d", "🚀"))


def test_a_length_below_one_is_refused():
    with pytest.raises(BadValue, match="at least 1 character, not 0"):
        text.sentences("word", 0)


@settings(deadline=None, max_examples=25)
@given(st.text() | st.text(alphabet="ab1.,;:!?'\"{}()[]/ \n$-–é中\u0301", max_size=120), st.integers(1, 40))
def test_pieces_are_the_text_and_none_is_too_long(value, longest):
    pieces = text.sentences(value, longest)
    assert squeezed("".join(pieces)) == squeezed(value)
    assert all(0 < len(piece) <= longest for piece in pieces)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_cut_and_read_in_time_that_grows_with_their_length(name):
    value = HOSTILE[name]
    begun = time.process_time()
    pieces = text.sentences(value, 200)
    ids = english.ids(english.readable(value))
    assert time.process_time() - begun < 5  # what looks again and again at the same takes minutes
    assert squeezed("".join(pieces)) == squeezed(value)
    assert all(0 <= number < len(english.SYMBOLS) for number in ids)


# -- English -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It cost £20, €1.5 million.", "it cost twenty pounds, one point five million euros."),
        ("$3.5 $1.01 $0", "three dollars, fifty cents one dollar, one cent zero dollars"),
        ("£0.50 ¥300 $2m", "fifty pence three hundred yen two million dollars"),
        ("3.14 and v1.2.0", "three point one four and v one point two point zero"),
        ("50% of 20 °C & -5°", "fifty percent of twenty degrees celsius and minus five degrees"),
        ("#1 at 5:30, 17:05, 5:00", "number one at five thirty, seventeen oh five, five o'clock"),
        ("9:00 a.m. or 5:30 pm", "nine a m. or five thirty p m"),
        ("1½ cups, 1/2, 3/4, 2 2/3", "one and a half cups, one half, three quarters, two and two thirds"),
        ("1914–1918, the '80s", "nineteen fourteen to nineteen eighteen, the eighties"),
        ("the 1990s", "the nineteen nineties"),
        ("and/or 2+2=4 mp3 3rd 007", "and or two plus two equals four mp three third zero zero seven"),
        ("me@home.org", "me at home.org"),
        ("Mr. X, Dr. No, St. Ives", "mister x, doctor no, saint ives"),
        ("1000th 101st 12th 0th", "one thousandth one hundred and first twelfth zeroth"),
        ("1,234,567", "one million, two hundred thirty-four thousand, five hundred sixty-seven"),
        ("1000000000005", "one trillion five"),
        (
            "1,2,3 or 1,50 or 1234,567",
            "one, two, three or one, fifty or one million, two hundred thirty-four thousand, five hundred sixty-seven",
        ),
        ("1066 1900 2000 2007 2010", "ten sixty-six nineteen hundred two thousand two thousand seven twenty ten"),
        ("1001 3000 1905", "ten oh one three thousand nineteen oh five"),
        ("Привет, 中国! 🎨", "privet, zhongguo! "),
        ("x-1 555-1234", "x-one five hundred fifty-five-twelve thirty-four"),
    ],
)
def test_texts_are_written_as_one_says_them(written, said):
    assert english.readable(written) == said


def test_what_is_readable_stays_as_it_is():
    said = english.readable("Mr. Jones paid £1,000 on {M EY1} the 3rd at 5:30 p.m.")
    assert english.readable(said) == said


def test_long_numbers_are_read_digit_by_digit():
    assert english.clean("9" * 37) == " ".join(["nine"] * 37)
    assert english.clean("9" * 36).endswith("nine hundred ninety-nine")


def test_sounds_are_spelled_out_in_braces_and_other_braces_are_text():
    ids = english.ids("A {K AE1 T}!")
    assert [english.SYMBOLS[number] for number in ids] == ["a", " ", "@K", "@AE1", "@T", "!"]
    assert english.ids("{cat}") == english.ids("cat")
    assert english.ids(english.readable("{K AE1 T} £1")) == english.ids("{K AE1 T} one pound")
    assert english.ids("{K AE1\nT}") == english.ids("{K AE1 T}")


def test_what_can_be_heard():
    assert english.audible(english.ids("a"))
    assert english.audible(english.ids("{K}"))
    assert not english.audible(english.ids("…?! _~"))
    assert english.ids("") == []


@settings(deadline=None, max_examples=60)
@given(st.text())
def test_any_text_has_symbols(value):
    readable = english.readable(value)
    assert readable == readable.lower() or "{" in value
    assert all(0 < number < 148 for number in english.ids(readable))
