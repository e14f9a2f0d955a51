"""The guides to jobs, data sets and other people's code do what they say, with files of these names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import film_files
import pytest

from ml4a import image, video

ROOT = Path(__file__).resolve().parents[2]
NOT_RUN = ("OWNER", "--update", "wikiart", "landscapes/", "--address")
"""Lines for repositories, pages and clusters that are elsewhere."""

_TREES = {
    "theirs": {
        "hubconf.py": "dependencies = ['numpy']\nimport numpy\n\ndef posterize(levels=3):\n    'Few colours.'\n"
        "    return lambda p: numpy.round(numpy.asarray(p) * levels) / levels\n",
        "models/__init__.py": "",
        "models/networks.py": "import hubconf\n",
    },
    "stylegan2-ada-pytorch": {
        "training/networks.py": "class Generator:\n    def __init__(self, **settings): ...\n",
        "train.py": "settings = open('configs/default.yaml').read()\n",
        "configs/default.yaml": "a: 1\n",
    },
    "pytorch-CycleGAN-and-pix2pix": {"models/networks.py": "import training.networks\n"},
    "their/repository": {
        "stylise.py": "def apply(picture, strength=1.0):\n    return 1 - strength * picture\n",
        "models/networks.py": "class Net:\n    def __init__(self, layers):\n        self.layers = layers\n"
        "    def forward(self, picture):\n        return picture / self.layers\n",
    },
}

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("documents")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with photographs, films and repositories, and what processes in it are started with."""
    folder = tmp_path_factory.mktemp("guides")
    for name in ("coffee", "chelsea", "astronaut", "rocket"):
        image.save(image.load(f"sample:{name}", size=(96, 72)), folder / "photos" / f"{name}.png")
    for name, kind in {"chelsea": "cat", "rocket": "dog"}.items():
        image.save(image.load(f"sample:{name}", size=(80, 80)), folder / "animals" / kind / f"{name}.png")
    image.save(image.load("sample:coffee", size=(96, 72)), folder / "photo.jpg")
    image.save(image.load("sample:chelsea", size=(96, 72)), folder / "again.jpg")
    face = image.load("sample:astronaut").crop((120, 0, 360, 240)).resize((120, 120))
    image.save(face, folder / "me.jpg")
    film_files.write_film(folder / "clip.mp4", film_files.pan(12, 64, 48), rate=10)
    video.from_frames([face] * 4, 4).save(folder / "film.mp4")
    for tree, files in _TREES.items():
        for name, text in files.items():
            (folder / tree / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / tree / name).write_text(text)
    programs = Path(sys.executable).parent
    return folder, {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def run(place, command):
    folder, environment = place
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"


def blocks(document, language):
    text = (ROOT / "docs" / f"{document}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(
    ("document", "made"),
    [
        ("jobs", ["drawings/coffee.png", "twice/rocket.png", "styled.mp4", "edges/coffee.png", "negative.mp4"]),
        ("datasets", ["pairs/train/train_A", "animals.zip", "squares-report/report.html", "lines/train_B", "me"]),
        ("external", ["styled.mp4"]),
    ],
)
def test_a_guide_does_what_it_says(document, made, place):
    folder, environment = place
    environment["ML4A_HOME"] = os.environ["ML4A_HOME"]
    if document == "external":
        environment["ML4A_HOME"] = str(folder / "home")
        run(place, ["ml4a", "external", "add", "theirs", "--as", "theirs", "--trust"])
        (folder / "styled.mp4").unlink(missing_ok=True)
    python = blocks(document, "python")
    assert python
    run(place, [sys.executable, "-c", "\n".join(python)])
    lines = [line for block in blocks(document, "sh") for line in block.splitlines() if line.startswith("ml4a ")]
    lines = [line for line in lines if not any(words in line for words in NOT_RUN)]
    assert len(lines) >= 3
    for line in lines:
        run(place, ["bash", "-euo", "pipefail", "-c", line])
    assert [name for name in made if not (folder / name).exists()] == []
