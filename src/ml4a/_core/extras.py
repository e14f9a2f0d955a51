"""Packages that not everybody needs: they come with an extra of ml4a and are imported when they are used."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from .errors import MissingExtra

_MODULES = {"dataset": "skimage", "face": "ai_edge_litert", "ray": "ray", "speech": "hibari"}
"""By which an extra is known to be installed."""


def installed(extra: str) -> bool:
    """Whether the packages of an extra are here."""
    return importlib.util.find_spec(_MODULES[extra]) is not None


def load(module: str, extra: str) -> ModuleType:
    """Import `module`, which `pip install "ml4a[EXTRA]"` brings.

    Raises:
        MissingExtra: it is not installed, or does not work here; the message says what to do.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingExtra(f'{package} is needed for this ({error}); pip install "ml4a[{extra}]" brings it') from error
