"""Packages as they are installed, each with a model for ml4a, in a folder that `PYTHONPATH` names."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

MARKS = "TOY_PLUGIN_MARKS"
"""The variable that names a folder in which each module leaves a file as it is imported."""

MODEL = '''
from __future__ import annotations

import os
from pathlib import Path

Path(os.environ["TOY_PLUGIN_MARKS"], __name__).touch()

from ml4a.plugin import Picture, PictureModel, Range, Doc, operation
from typing import Annotated


class Toy(PictureModel):
    """Makes pictures darker."""

    card = {card!r}

    def load(self, files):
        self.share = float(files["share"].read_text())

    @operation(verb={verb!r}, examples=("ml4a {verb} photo.jpg",))
    def __call__(self, picture: Picture, *, times: Annotated[int, Range(1, 9), Doc("How often.")] = 1) -> Picture:
        """Make `picture` darker."""
        return self.to_picture(self.to_tensor(picture) * self.share**times)
'''


def model(card: str, verb: str) -> str:
    """The source of a module with a model `Toy`."""
    return MODEL.format(card=card, verb=verb)


def card(share: Path, *, verbs: tuple[str, ...] = (), more: str = "") -> str:
    """A card whose weights are the number in the file `share`."""
    return f"""
        title = "Toy"
        task = "darken"
        summary = "Makes pictures darker, for tests."
        verbs = [{", ".join(f'"{verb}"' for verb in verbs)}]
        {more}

        [weights.half]
        licence = "MIT"
        licence_source = "this test"
        commercial = "yes"

        [weights.half.files.share]
        name = "share.txt"
        size = {share.stat().st_size}
        sha256 = "{hashlib.sha256(share.read_bytes()).hexdigest()}"
        format = "text"
        sources = ["file:{share}"]
    """


def install(
    folder: Path,
    name: str,
    code: str,
    *,
    card: str | None = None,
    distribution: str | None = None,
    package: str | None = None,
    points: str | bytes | None = None,
) -> Path:
    """Install a package as pip would leave it; return its folder.

    Args:
        folder: The folder of installed packages.
        name: Of the model.
        code: Of the package.
        card: The text of the model's card, if it has one.
        distribution: What the package is called for pip, by default after the model.
        package: What it is called for Python, by default `toy_NAME`.
        points: The entry points, by default the model's one.
    """
    distribution = distribution or f"toy-{name}"
    package = package or f"toy_{name}"
    points = f"[ml4a.models]\n{name} = {package}:Toy\n" if points is None else points
    place = folder / package
    place.mkdir(parents=True, exist_ok=True)
    (place / "__init__.py").write_text(code, encoding="utf-8")
    if card is not None:
        (place / f"{name}.toml").write_text(card, encoding="utf-8")
    about = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_bytes(points if isinstance(points, bytes) else points.encode())
    return place


def on_path() -> None:
    """Do in a process that has begun without `PYTHONPATH` what an interpreter does with it as it starts."""
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
