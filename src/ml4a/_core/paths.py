"""Where ml4a keeps what outlives a run: `ML4A_HOME`, if set, else the places that the system has for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

from .errors import BadValue


def cache_dir() -> Path:
    """The folder of what can be fetched or made again: weights. It may not exist yet."""
    home = _home()
    return home / "cache" if home else _own(platformdirs.user_cache_path)


def config_dir() -> Path:
    """The folder of the user's own settings: cards. It may not exist yet."""
    home = _home()
    return home / "config" if home else _own(platformdirs.user_config_path)


def _own(place: Callable[..., Path]) -> Path:
    try:
        path = place("ml4a", appauthor=False)
    except RuntimeError:
        path = Path("~")  # as older versions of platformdirs leave it
    if path.parts[0] == "~":
        raise BadValue("this user has no home folder; set ML4A_HOME to a folder for weights and settings")
    return path


def _home() -> Path | None:
    home = os.environ.get("ML4A_HOME")
    return Path(home).expanduser().absolute() if home else None
