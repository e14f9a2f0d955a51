"""Operations that take what others take."""

from __future__ import annotations

from typing import Annotated, Any

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range, parameters
from ml4a.models._operation import operation
from ml4a.models._taking import taking

Amount = Annotated[float, Range(0, 1), Doc("How much.")]
Count = Annotated[int, Range(1), Doc("How often.")]


@operation()
def first(picture: Picture, *, amount: Amount = 0.5, count: Count = 3) -> Picture:
    """The first."""


@taking(first)
def second(picture: Picture | None = None, *, seconds: Annotated[float, Doc("How long.")] = 1.0, count: Count = 5,
           **rest: Any) -> dict[str, Any]:  # fmt: skip
    """The second."""
    return rest | {"count": count}


def test_its_parameters_are_its_own_and_then_those_of_the_other():
    found = parameters(second)
    assert list(found) == ["picture", "seconds", "count", "amount"]
    assert found["amount"] == parameters(first)["amount"]
    assert (found["count"].default, found["picture"].required) == (5, False)


def test_what_it_takes_along_arrives_as_the_rest():
    assert second(None, amount=0.2) == {"amount": 0.2, "count": 5}


def test_the_other_stays_as_it_was():
    assert list(parameters(first)) == ["picture", "amount", "count"]
