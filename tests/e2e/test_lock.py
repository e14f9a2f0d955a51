"""The lock resolves from wheels alone, for every Python and system that ml4a promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("system", ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_resolves(python, system):
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--all-extras"]
    command += ["--constraint", "constraints.txt", "--only-binary", ":all:", "--quiet"]
    command += ["--python-version", python, "--python-platform", system]
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pinned = {line for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    chosen = {line.split()[0] for line in done.stdout.splitlines() if "==" in line and not line.startswith(" ")}
    assert "torch==2.13.0" in chosen
    unpinned = {line for line in chosen - pinned if not line.startswith(("nvidia-", "cuda-", "triton==", "colorama=="))}
    assert not {line for line in unpinned if line.split("==")[0] in {pin.split("==")[0] for pin in pinned}}
