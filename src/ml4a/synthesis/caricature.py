"""What a network sees in a picture, and more of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue

from . import pictures
from .objectives import Features, Loss, Objective, Term

if TYPE_CHECKING:
    from ml4a._core.kinds import Picture

    from .scene import Scene

_LEAST_LIKENESS = 0.1
"""So that a picture that begins as noise knows where to go."""


class Caricature(Term):
    """Seeing in each layer what there is to be seen in `picture`, the more the better.

    Olah et al., Feature Visualization, Distill 2017; the form is that of Mayukhdeb's torch-dreams. In each step the
    picture is transformed as what is optimised is.

    Args:
        picture: 1×3×H×W RGB in [0, 1].
        layers: Whose losses are added up.
        power: Of how much of it there is; 2 exaggerates more.
    """

    name = "caricature"

    def __init__(self, picture: torch.Tensor, layers: Sequence[str], power: float = 1.0) -> None:
        if not layers:
            raise BadValue("a caricature is of one or more layers")
        self.picture, self.layers, self.power = picture, tuple(layers), power

    def begin(self, scene: Scene) -> Loss:
        """Minus the likeness of the features, multiplied by how much they agree."""
        width, height = scene.size
        due = self.picture.to(scene.device)
        if due.shape[-2:] != (height, width):
            due = F.interpolate(due, (height, width), mode="bilinear", align_corners=False)

        def loss(seen: Features) -> torch.Tensor:
            wanted = scene.look_alike(due, self.layers)
            return torch.stack([difference(seen[layer], wanted[layer], self.power) for layer in self.layers]).sum()

        return loss


def caricature(picture: Picture, *layers: str, power: float = 1.0) -> Objective:
    """More of what layers see in a picture; see `Caricature`."""
    return Objective.of(Caricature(pictures.tensor(picture), layers, power))


def difference(found: torch.Tensor, wanted: torch.Tensor, power: float = 1.0) -> torch.Tensor:
    """The loss of one layer, of features of the same shape; what disagrees counts against it at any power."""
    agreement = (found * wanted).sum()
    likeness = (agreement / (wanted.norm() + 1e-6)).clamp(min=_LEAST_LIKENESS)
    return -likeness * agreement * agreement.abs().pow(power - 1)
