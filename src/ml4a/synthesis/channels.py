"""Several pictures at once, each for a channel of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from .objectives import Loss, Objective, Term, check_channels

if TYPE_CHECKING:
    from .scene import Scene


class Channels(Term):
    """The mean of channel `numbers[n]` of a layer in picture n, to be high.

    The pictures go through the network together, which is quicker, and do not know of each other.

    Args:
        layer: Its name.
        numbers: As many as there are pictures.
    """

    def __init__(self, layer: str, numbers: Sequence[int]) -> None:
        self.name, self.layers, self.numbers = layer, (layer,), tuple(numbers)

    def begin(self, scene: Scene) -> Loss:
        """Minus the sum of the pictures' means."""
        layer = self.layers[0]
        check_channels(scene, layer, self.numbers)
        numbers = torch.tensor(self.numbers, device=scene.device)
        pictures = torch.arange(len(numbers), device=scene.device)
        return lambda seen: -seen[layer][pictures, numbers].mean((1, 2)).sum()


def channels(layer: str, numbers: Sequence[int]) -> Objective:
    """Of each picture, more of its own channel; see `Channels`."""
    return Objective.of(Channels(layer, numbers))
