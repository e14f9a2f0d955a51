from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
import pytest

from ml4a._core.errors import BadValue, UnknownName
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range, check, parameters


def operation(
    self,
    picture: Picture,
    *,
    strength: Annotated[float, Range(0, 1), Doc("How much.")] = 1.0,
    tile: Annotated[int | None, Range(low=16), Doc("Tile side.")] = None,
    thin: bool = False,
    mode: Literal["soft", "hard"] = "soft",
    name: str = "x",
):
    """An operation."""


@pytest.fixture
def declared():
    return parameters(operation)


def test_a_signature_is_read_whole(declared):
    assert list(declared) == ["picture", "strength", "tile", "thin", "mode", "name"]
    assert declared["picture"].kind == "picture"
    assert declared["picture"].required
    assert declared["strength"].range == Range(0, 1)
    assert declared["strength"].doc == "How much."
    assert declared["strength"].default == 1.0
    assert declared["tile"].range == Range(16, None)
    assert declared["mode"].choices == ("soft", "hard")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("strength", 0, 0.0),
        ("strength", np.float32(0.5), 0.5),
        ("tile", 16.0, 16),
        ("tile", np.int64(64), 64),
        ("tile", None, None),
        ("thin", np.True_, True),
        ("mode", "hard", "hard"),
    ],
)
def test_a_good_value_comes_back_as_the_declared_type(declared, name, value, expected):
    result = check(declared[name], value)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("strength", 1.5, "strength must be between 0 and 1, not 1.5"),
        ("strength", math.nan, "strength must be a finite number"),
        ("strength", math.inf, "strength must be a finite number"),
        ("strength", 10**400, "strength must be a finite number"),
        ("strength", "1", "strength must be a number, not '1'"),
        ("strength", True, "strength must be a number, not True"),
        ("tile", 8, "tile must be 16 or more, not 8"),
        ("tile", 16.5, "tile must be a whole number"),
        ("thin", 1, "thin must be True or False"),
        ("name", 3, "name must be text"),
        ("mode", 3, "mode must be one of 'soft', 'hard', not 3"),
    ],
)
def test_a_bad_value_names_parameter_bound_and_value(declared, name, value, words):
    with pytest.raises(BadValue, match="^" + words.replace("(", r"\(")):
        check(declared[name], value)


def test_an_unknown_choice_suggests_the_nearest(declared):
    with pytest.raises(UnknownName, match="no mode named 'sofd'; did you mean 'soft'"):
        check(declared["mode"], "sofd")
