"""Guided dreams: each place of a layer becomes more like the place of another picture that it resembles most.

Mordvintsev et al., DeepDream, 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .objectives import Features, Loss, Objective, Term
from .pictures import tensor
from .scene import Scene

if TYPE_CHECKING:
    from ml4a._core.kinds import Picture

_MOST = 1 << 24
"""Products that are compared at once."""


class Guide(Term):
    """A layer's features, to be those of a guide: of those that are nearest now, the product is to be high.

    Args:
        picture: The guide, 1×3×h×w RGB in [0, 1], of any size.
        layer: Where they are compared.
    """

    def __init__(self, picture: torch.Tensor, layer: str) -> None:
        self.name, self.layers, self.picture = f"{layer} guided", (layer,), picture

    def begin(self, scene: Scene) -> Loss:
        """Minus the mean product with the features that it is highest with."""
        layer = self.layers[0]
        guide = scene.look(self.picture, self.layers)[layer][0].flatten(1)

        def loss(seen: Features) -> torch.Tensor:
            features = seen[layer][0].flatten(1)
            best = guide[:, nearest(features.detach(), guide)]
            return -(features * best).sum(0).mean()

        return loss


def nearest(features: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
    """For each column of C×n features, the number of the column of C×m guides whose product with it is highest."""
    most = max(1, _MOST // guide.shape[1])
    return torch.cat([(part.T @ guide).argmax(dim=1) for part in features.split(most, dim=1)])


def guided(picture: Picture, layer: str) -> Objective:
    """What `layer` sees in `picture`, wherever it fits; see `Guide`."""
    return Objective.of(Guide(tensor(picture), layer))
