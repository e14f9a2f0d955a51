"""Importing the models that other packages bring, so that one that is broken breaks nothing else."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import Any

from ml4a._core.errors import BadPlugin
from ml4a.weights.plugins import Plugin, shown

from ._base import Model


def imported(plugin: Plugin) -> type[Model]:
    """The class of a plug-in's model, imported now; what it prints on the way goes to standard error.

    Raises:
        BadPlugin: it cannot be imported, is no model, or is declared in a way that nothing can be made of.
    """
    found = _attribute(plugin)
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise BadPlugin(_fault(plugin, f"{plugin.attribute} is no class of models, derived from ml4a.plugin.Model"))
    if getattr(found, "card", None) != plugin.name:
        card = shown(repr(getattr(found, "card", None)))
        raise BadPlugin(_fault(plugin, f"the card of {plugin.attribute} is {card} where {plugin.name!r} is due"))
    try:
        operations = found.operations()
    except Exception as error:  # annotations that name nothing, a method without a docstring …
        raise BadPlugin(_fault(plugin, f"its operations cannot be read: {_told(error)}")) from error
    for about in operations.values():
        if not about.media:
            raise BadPlugin(_fault(plugin, f"its operation {about.name} takes no picture, film, sound or text"))
    return found


def _attribute(plugin: Plugin) -> Any:
    with contextlib.redirect_stdout(sys.stderr):
        try:
            return getattr(importlib.import_module(plugin.module), plugin.attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also of one that wants to exit
            raise BadPlugin(_fault(plugin, f"importing {plugin.module} fails: {_told(error)}")) from error


def _fault(plugin: Plugin, what: str) -> str:
    return f"{plugin.name} of {plugin.distribution} cannot be used: {what}"


def _told(error: BaseException) -> str:
    return shown(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
