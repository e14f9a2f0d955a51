"""What users get: the wheel, installed in a clean environment, used from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.xdist_group("wheel")  # so that it is built once


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    return next(folder.glob("ml4a-*.whl"))


@pytest.fixture(scope="module")
def ml4a(wheel, tmp_path_factory):
    """The command, installed with all its dependencies where nothing was before."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*command, "--constraint", str(ROOT / "constraints.txt"), str(wheel)], check=True)

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(folder / "bin" / "ml4a"), *arguments]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)

    return run


def test_the_wheel_has_everything_that_is_no_code(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in ("py.typed", "__init__.pyi", "weights/catalog/hed.toml", "gallery/page.html", "gallery/work.html"):
        assert f"ml4a/{name}" in names
    assert "ml4a/media/segmentation/sets/ade20k.json" in names


@pytest.mark.slow
def test_an_installed_ml4a_lists_its_models(ml4a, tmp_path):
    done = ml4a("models", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "fast_style" in done.stdout


@pytest.mark.slow
def test_an_installed_ml4a_makes_a_picture(ml4a, tmp_path):
    done = ml4a("style", "sample:eye", "--style", "3", "-o", "out.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["out.png"]


@pytest.mark.slow
def test_an_installed_ml4a_makes_the_gallery(ml4a, tmp_path):
    done = ml4a("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "gallery" / "index.html").exists()
    assert "gallery/index.html" in done.stdout
