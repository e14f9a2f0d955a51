"""Verbs that need no model: functions of the media layer, from a picture to a picture."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any

import cyclopts

from ml4a._core.params import parameters
from ml4a.models._operation import Operation

from . import derived
from .run import common_options, run

COMPLETION = "--install-completion"


class Function:
    """A picture function as a verb; its module is imported when the verb is asked for."""

    def __init__(self, verb: str, summary: str, location: str, *examples: str) -> None:
        self.verb = verb
        self.summary = summary
        self.examples = examples
        self._module, _, self._name = location.partition(":")

    @functools.cached_property
    def function(self) -> Callable[..., Any]:
        """What is called with each picture."""
        return getattr(importlib.import_module(self._module), self._name)

    @functools.cached_property
    def operation(self) -> Operation:
        """Its parameters, as `jobs.apply` and the command line want to know them."""
        return Operation(self._name, self.verb, self.summary, self.examples, parameters(inspect.unwrap(self.function)))

    def __call__(self, picture: Any, **given: Any) -> Any:
        """Do what the verb does to one picture."""
        return self.function(picture, **given)


FUNCTIONS = (
    Function(
        "match-color",
        "Give a picture the colours of another.",
        "ml4a.media.color:match_color",
        "ml4a match-color photo.jpg --reference painting.jpg",
        "ml4a match-color clip.mp4 --reference sample:embers --method transport --strength 0.7 -o warm.mp4",
    ),
)


def register(app: cyclopts.App, tokens: list[str]) -> None:
    """Add the verbs to the command line; of those that are not asked for, only what they do."""
    for each in FUNCTIONS:
        if tokens[:1] in ([], [each.verb], [COMPLETION]):
            command = derived.command(
                each.verb, each.operation, common_options(), functools.partial(run, each.verb, each)
            )
            derived.add(app, each.verb, command, each.examples)
        else:
            app.command(cyclopts.App(name=each.verb, help=each.summary))
