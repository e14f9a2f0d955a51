"""Every block of Python and every line of shell in the documents does what it says, with files of these names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import checkpoints
import film_files
import numpy as np
import pytest
from PIL import Image

from ml4a import audio, image

ROOT = Path(__file__).resolve().parents[2]
SIZES = {
    "README.md": (40, 512),
    "docs/canvas.md": (96, 72),
    "docs/generators.md": (96, 72),
    "docs/synthesis.md": (96, 72),
    "docs/voices_and_faces.md": (96, 72),
}
"""Of photo.jpg: README.md loads it 768 px high, and enlarges that."""
NOT_RUN = ("camera:0", "--install-completion", ". .venv/bin/activate", "net.pth", "wikiart", "OWNER")
"""Lines for a camera, a shell's own settings, a file that nobody has, and what is elsewhere."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("documents")]


@pytest.fixture
def folder(tmp_path, request):
    """A folder with a photograph, a painting, a film, a song and drawings in it."""
    size = SIZES[request.param]
    photo = image.load("sample:chelsea", size=size)
    image.save(image.load("sample:astronaut").crop((120, 0, 360, 240)).resize((120, 120)), tmp_path / "portrait.jpg")
    (tmp_path / "story.txt").write_text("It was a dark night.\n\nIt rained.", encoding="utf-8")
    for name in ("photo.jpg", "painting.jpg", "sky.jpg", "beach.jpg", "left.png"):
        image.save(photo, tmp_path / name)
    for number, name in enumerate(("a.png", "b.png", "bricks.png")):
        image.save(photo.crop((number, 0, number + 40, 32)), tmp_path / name)
    Image.fromarray(np.repeat(np.arange(4, dtype=np.uint8), 256).reshape(32, 32)).save(tmp_path / "labels.png")
    checkpoints.write("esrgan", "official", tmp_path, small=True)["network"].rename(tmp_path / "4x-Remacri.pth")
    (tmp_path / "drawings").mkdir()
    image.save(image.load("sample:ink", size=(24, 16)), tmp_path / "drawings" / "a.png")
    (tmp_path / "frames").mkdir()
    (tmp_path / "their" / "repository").mkdir(parents=True)
    (tmp_path / "their" / "repository" / "stylise.py").write_text("def apply(picture):\n    return 1 - picture\n")
    for name in ("clip.mp4", "other.mov", "a.mp4", "b.mp4"):
        film_files.write_film(tmp_path / name, film_files.pan(60, 64, 48), rate=10, sound=film_files.tones(6))
    audio.sample(1).save(tmp_path / "song.mp3")
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "frames" / "1.png")
    return tmp_path


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A home with small weights where the package index carries none, and with the cache of all tests."""
    home = checkpoints.furnish(tmp_path_factory.mktemp("documents") / "home")
    folder = Path(sys.executable).parent
    return {**os.environ, "ML4A_HOME": str(home), "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("folder", SIZES, indirect=True, ids=str)
def test_the_python_of_a_document_runs(folder, environment, request):
    found = blocks(request.node.callspec.params["folder"], "python")
    assert len(found) >= 2
    before = set(os.listdir(folder))
    command = [sys.executable, "-c", "\n".join(found)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    saved = {name for block in found for name in re.findall(r'"([\w-]+\.(?:png|mp4|webm|wav|mp3))"', block)} - before
    assert len(saved) >= 4
    assert saved <= set(os.listdir(folder))


@pytest.mark.parametrize("folder", ["README.md"], indirect=True, ids=str)
def test_the_lines_of_shell_of_the_read_me_run(folder, environment):
    lines = [line for block in blocks("README.md", "sh") for line in block.splitlines() if line.startswith("ml4a ")]
    lines = [line for line in lines if not any(words in line for words in NOT_RUN)]
    assert len(lines) >= 15
    for line in lines:
        command = ["bash", "-euo", "pipefail", "-c", line]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        for result in re.findall(r"-o (\w+\.\w+|\w+/)", line):
            assert (folder / result).exists(), line
