"""What a model and `steady` remember of the frames of one film, as values that can be written to a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml4a._core import states
from ml4a._core.errors import BadMedia

from .work import for_film

if TYPE_CHECKING:
    from ml4a.media.motion import Steady


class Memory:
    """A model as it is called for the frames of one film, with what holds them steady.

    What remembers tells what by `film_state() -> dict`, of arrays of numbers and JSON values, and takes that back by
    `set_film_state(state)`. None in place of it says that there is something to remember which cannot be told. What
    remembers nothing is its own `for_film()`.

    Args:
        model: As `apply` takes it.
        steady: How far each frame is held to the one before, between 0 and 1.
    """

    def __init__(self, model: Any, steady: float) -> None:
        self.model = for_film(model)
        self.steady = steady
        self._same = self.model is model
        self._hold = _steady(steady) if steady else None

    @property
    def remembers(self) -> bool:
        """Whether what becomes of a frame depends on the frames before it."""
        return self._hold is not None or not self._same

    def held(self, frame: Any, result: Any) -> Any:
        """A result, held to the one before if that is wanted; H×W×C floats."""
        return result if self._hold is None else self._hold(frame, result)

    def state(self) -> dict[str, Any]:
        """What is remembered now; its arrays are never written to again."""
        held = {} if self._hold is None else self._hold.film_state()
        own = film_state(self.model)
        if own is None:
            return {"forgotten": True}
        return {**{f"steady.{name}": value for name, value in held.items()},
                **{f"model.{name}": value for name, value in own.items()}}  # fmt: skip

    def set(self, state: Mapping[str, Any]) -> bool:
        """Remember what `state` told; False if it told that it could not tell.

        Raises:
            BadMedia: it is no such state.
        """
        if state.get("forgotten"):
            return False
        try:
            if self._hold is not None:
                self._hold.set_film_state(states.below("steady", state))
            if own := states.below("model", state):
                set_film_state(self.model, own)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadMedia("what is kept of the film was damaged; remove its folder to begin anew") from None
        return True


def film_state(model: Any) -> dict[str, Any] | None:
    """What a model, a model's method or a stand-in remembers of a film; None if it cannot tell."""
    tell = getattr(getattr(model, "__self__", model), "film_state", None)
    if tell is not None:
        return tell()
    return {} if for_film(model) is model else None


def set_film_state(model: Any, state: Mapping[str, Any]) -> None:
    """Let it remember what it told.

    Raises:
        BadValue: it told nothing like that.
        AttributeError: it never tells anything.
    """
    getattr(model, "__self__", model).set_film_state(state)


def _steady(amount: float) -> Steady:
    from ml4a.media.motion import Steady

    return Steady(amount)
