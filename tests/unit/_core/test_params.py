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
    weights: Annotated[tuple[float, ...] | None, Range(0, 10), Doc("How much of each.")] = None,
    sizes: Annotated[int | tuple[int, int] | None, Range(1), Doc("Sizes.")] = None,
    layers: tuple[str, ...] = ("conv1",),
):
    """An operation."""


@pytest.fixture
def declared():
    return parameters(operation)


def test_a_signature_is_read_whole(declared):
    assert list(declared) == ["picture", "strength", "tile", "thin", "mode", "name", "weights", "sizes", "layers"]
    assert declared["picture"].kind == "picture"
    assert declared["picture"].required
    assert declared["strength"].range == Range(0, 1)
    assert declared["strength"].doc == "How much."
    assert declared["strength"].default == 1.0
    assert declared["tile"].range == Range(16, None)
    assert declared["mode"].choices == ("soft", "hard")
    assert [declared[name].element for name in ("weights", "layers", "sizes", "tile")] == [float, str, None, None]


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
        ("weights", [2, 1], (2.0, 1.0)),
        ("weights", (np.float32(0.5),), (0.5,)),
        ("weights", 3, (3.0,)),
        ("weights", None, None),
        ("sizes", [16, 32.0], (16, 32)),
        ("sizes", 16, 16),
        ("layers", ["conv1", "conv2"], ("conv1", "conv2")),
        ("layers", "conv1", ("conv1",)),
    ],
)
def test_a_good_value_comes_back_as_the_declared_type(declared, name, value, expected):
    result = check(declared[name], value)
    assert result == expected
    assert type(result) is type(expected)
    if isinstance(expected, tuple):
        assert [type(item) for item in result] == [type(item) for item in expected]


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
        ("weights", [1, 11], "weights must be between 0 and 10, not 11"),
        ("weights", [1, math.nan], "weights must be a finite number"),
        ("weights", [1, None], "weights must be a number, not None"),
        ("weights", "2,1", "weights must be a number, not '2,1'"),
        ("weights", [[1]], "weights must be a number, not"),
        ("weights", [], "weights must be 1 to 64 values, not 0"),
        ("weights", [1] * 65, "weights must be 1 to 64 values, not 65"),
        ("sizes", [16, 0], "sizes must be 1 or more, not 0"),
        ("layers", ["conv1", " "], "layers must be names, not ' '"),
        ("layers", [1], "layers must be names, not 1"),
        ("layers", (), "layers must be 1 to 64 values, not 0"),
    ],
)
def test_a_bad_value_names_parameter_bound_and_value(declared, name, value, words):
    with pytest.raises(BadValue, match="^" + words.replace("(", r"\(")):
        check(declared[name], value)


def test_an_unknown_choice_suggests_the_nearest(declared):
    with pytest.raises(UnknownName, match="no mode named 'sofd'; did you mean 'soft'"):
        check(declared["mode"], "sofd")


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (Range(0, 1), "between 0 and 1"),
        (Range(2), "2 or more"),
        (Range(high=3), "3 or less"),
        (Range(), "any number"),
    ],
)
def test_bounds_in_words(bounds, text):
    assert str(bounds) == text
