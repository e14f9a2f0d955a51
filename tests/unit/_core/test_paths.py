from __future__ import annotations

import os
import subprocess
import sys
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


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may become a user without a name")
def test_without_any_home_the_way_out_is_said(tmp_path: Path):
    code = """
import os
from ml4a._core import errors, paths
paths.cache_dir()
del os.environ["HOME"]
os.setuid(54321)
for folder in (paths.cache_dir, paths.config_dir):
    try:
        print(folder())
    except errors.BadValue as error:
        print(error)
"""
    unset = {"ML4A_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in unset} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert (
        done.stdout.splitlines()
        == ["this user has no home folder; set ML4A_HOME to a folder for weights and settings"] * 2
    )
