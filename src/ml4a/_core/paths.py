"""Where ml4a keeps what outlives a run: `ML4A_HOME`, if set, else the places that the system has for it."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The folder of what can be fetched or made again: weights. It may not exist yet."""
    home = _home()
    return home / "cache" if home else platformdirs.user_cache_path("ml4a", appauthor=False)


def config_dir() -> Path:
    """The folder of the user's own settings: cards. It may not exist yet."""
    home = _home()
    return home / "config" if home else platformdirs.user_config_path("ml4a", appauthor=False)


def _home() -> Path | None:
    home = os.environ.get("ML4A_HOME")
    return Path(home).expanduser().absolute() if home else None
