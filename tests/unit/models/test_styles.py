from __future__ import annotations

import pytest

from ml4a._core.errors import BadValue
from ml4a.models.styles import Blend, read


@pytest.mark.parametrize("value", [19, "19", " 19 ", {19: 2.0}, "19:0.3", "19:1,19:2"])
def test_one_style_in_every_spelling(value):
    assert read(value) == Blend(((19, 1.0),))


@pytest.mark.parametrize("value", ["3:0.5,12:0.5", "12:2, 3:2", {3: 0.1, 12: 0.1}, "3,12"])
def test_a_blend_adds_up_to_one(value):
    assert read(value) == Blend(((3, 0.5), (12, 0.5)))


def test_a_blend_is_read_back_to_the_bit():
    blend = read("1:1,2:1,3:1,7:0.1")
    assert read(str(blend)) == blend


@pytest.mark.parametrize("value", ["painting.jpg", "19.jpg", "sample:waves", "3:x.png"])
def test_anything_else_is_a_picture(value):
    if value == "3:x.png":
        with pytest.raises(BadValue, match="weight"):
            read(value)
    else:
        assert read(value) is value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (26, "a number between 0 and 25, not 26"),
        (-1, "a number between 0 and 25, not -1"),
        ("99", "not 99"),
        ("3:-1", "weight"),
        ("3:nan", "weight"),
        ("3:inf", "weight"),
        ("3:0", "must not all be 0"),
        ({"a": 1}, "not 'a'"),
    ],
)
def test_a_style_that_is_none_is_refused(value, words):
    with pytest.raises(BadValue, match=words):
        read(value)
