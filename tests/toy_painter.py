"""A model like those that optimise a picture: several styles, no picture needed, Ctrl-C keeps the best, films.

`plugged_in` makes it known to `ml4a` in this process, `plug_in` to processes that are started with a folder in
`PYTHONPATH`.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import pytest
import torch
import toy_card

from ml4a._core import progress
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture, Pictures
from ml4a._core.params import Doc, Range, Unrecorded
from ml4a.models import registry
from ml4a.models._base import PictureModel
from ml4a.models._operation import operation
from ml4a.weights import plugins

NAME = "painter"
MARKER = "TOY_PAINTER_MARKER"
"""The variable that names a file to write once three steps are done."""

Styles = Annotated[Pictures, Doc("Pictures whose colours to take.")]
Weights = Annotated[tuple[float, ...] | None, Range(0, 100), Doc("How much of each.")]
Layers = Annotated[tuple[str, ...], Doc("Where to look.")]
Iterations = Annotated[int, Range(1), Doc("Steps.")]
Seed = Annotated[int | None, Range(0, 2**63 - 1), Doc("Of the noise at the beginning.")]
Tile = Annotated[int | None, Range(16), Doc("Tile side.")]
Log = Annotated[str | None, Unrecorded(), Doc("A file that tells of every step.")]


class Blur(torch.nn.Module):
    scale = 1
    in_multiple = 1
    overlap: int | None = 2
    tile_multiple = 1
    bytes_per_pixel = 100

    def reduce_precision(self, dtype):
        return self

    def forward(self, x):
        x = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="replicate")
        return torch.nn.functional.avg_pool2d(x, 5, stride=1)


class Painter(PictureModel):
    """Blurs a picture, or noise, step by step, in the colours of other pictures."""

    card = NAME
    keeps_partial_films = True
    memory: torch.Tensor | None = None
    remembers = False

    def load(self, files):
        self.network = self.place(Blur())

    def for_film(self):
        film = copy.copy(self)
        film.remembers = True
        return film

    @operation(verb="paint-over", examples=("ml4a paint-over photo.jpg --style a.jpg --style b.jpg",))
    def __call__(
        self,
        picture: Picture | None = None,
        *,
        style: Styles,
        style_weights: Weights = None,
        layers: Layers = ("conv1",),
        iterations: Iterations = 50,
        seed: Seed = None,
        tile: Tile = None,
        log: Log = None,
    ) -> Picture:
        """Paint over `picture`, or over noise."""
        if style_weights is not None and len(style_weights) != len(style):
            raise BadValue(f"style_weights must be as many as the styles, {len(style)}, not {len(style_weights)}")
        x = self.to_tensor(picture) if picture is not None else noise(seed)
        if self.memory is not None:
            x = (x + self.memory) / 2
        try:
            for step in range(iterations):
                progress.report("painting", step, iterations, "iterations")
                x = torch.lerp(x, self.run(x, tile=tile), 0.5)
                if step == 3 and MARKER in os.environ:
                    Path(os.environ[MARKER]).touch()
        except KeyboardInterrupt:
            progress.interrupted()
        colors = torch.cat([self.to_tensor(each).mean((2, 3), keepdim=True) for each in style])
        weights = torch.tensor(style_weights or (1,) * len(style))[:, None, None, None]
        result = x / 2 + (colors * weights).sum(0, keepdim=True) / weights.sum() / 2
        if self.remembers:
            self.memory = result
        return self.to_picture(result)


def noise(seed):
    return torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(seed))


@contextmanager
def plugged_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let `ml4a.load("painter")` and `ml4a paint-over` find it; its weights are written to `folder`."""
    write_card(folder)
    with monkeypatch.context() as patch:
        known = {NAME: plugins.Plugin(NAME, __name__, "Painter", "toy-painter-plugin 1.0")}
        patch.setattr(plugins, "installed", lambda: known)
        registry.verbs.cache_clear()
        yield
    registry.verbs.cache_clear()


def plug_in(folder: Path) -> None:
    """Make `folder` one that, in `PYTHONPATH`, brings the model to processes of their own."""
    write_card(folder)
    about = folder / "toy_painter_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-painter-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{plugins.ENTRY_POINTS}]\n{NAME} = toy_painter:Painter\n")


def write_card(folder: Path) -> None:
    """The card, in this home, of weights that nobody reads."""
    path = folder / "painter.bin"
    path.write_bytes(b"no weights")
    toy_card.write(path.read_bytes(), f"file:{path}", name=NAME, file_name=path.name, verbs=["paint-over"])
