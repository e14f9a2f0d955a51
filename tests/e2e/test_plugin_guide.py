"""The plug-in that docs/plugins.md writes, as it stands there: installed by pip, and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import plugin_files
import pytest
import warm_command

from ml4a import image
from ml4a.jobs import read_record

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "plugins.md"


def files() -> dict[str, str]:
    """Each file that the guide shows in full, by name."""
    text = GUIDE.read_text(encoding="utf-8")
    return dict(re.findall(r"^`([\w/]+\.\w+)` [^\n]*\n\n```\w+\n(.*?)```", text, re.DOTALL | re.MULTILINE))


def test_it_is_small():
    shown = files()
    assert list(shown) == ["pyproject.toml", "ml4a_neon/neon.toml", "ml4a_neon/__init__.py"]
    assert sum(bool(line.strip()) for text in shown.values() for line in text.splitlines()) <= 60


@pytest.mark.slow
def test_it_does_what_the_guide_says(tmp_path):
    for name, text in files().items():
        path = tmp_path / "ml4a-neon" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(tmp_path / "site"), str(tmp_path / "ml4a-neon")], check=True)
    photo = image.sample("chelsea").crop((120, 60, 216, 124))
    image.save(photo, tmp_path / "photo.jpg")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def ml4a(*arguments: str) -> str:
        done = warm_command.run(*arguments, cwd=tmp_path, env=environment, before=plugin_files.on_path)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    assert ml4a("neon", "photo.jpg", "--glow", "2", "-o", "neon.png") == "neon.png\n"
    lit = image.to_array(tmp_path / "neon.png")
    assert lit.shape == (64, 96, 3)
    assert (lit.max(2) < 0.5).mean() > 0.2 < (lit.max(2) > 0.9).mean()  # dark between lines of light
    assert np.abs(lit - lit.mean(2, keepdims=True)).mean() > 0.01  # in colours
    record = read_record(tmp_path / "neon.png")
    assert (record.model, record.parameters["glow"]) == ("neon", 2)
    assert "neon: Neon: edges that glow (from ml4a-neon 0.1)" in ml4a("models", "neon")
