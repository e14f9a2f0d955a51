from __future__ import annotations

from pathlib import Path

import pytest

from ml4a._core import paths


def test_ml4a_home_holds_cache_and_config(home: Path):
    assert paths.cache_dir() == home / "cache"
    assert paths.config_dir() == home / "config"


def test_without_ml4a_home_the_systems_own_places_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    assert "ml4a" in paths.cache_dir().parts
    assert "ml4a" in paths.config_dir().parts
    assert paths.cache_dir() != paths.config_dir()


def test_a_home_under_tilde_is_the_users(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ML4A_HOME", "~/art")
    assert paths.cache_dir() == Path.home() / "art" / "cache"
