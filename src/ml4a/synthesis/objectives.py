"""What a picture is to become: sums of things that can be said of what a network sees in it.

    channel("mixed4d", 139) - 0.5 * channel("mixed4d", 65) + 0.1 * style(painting)

A `Term` says one thing and turns it into a loss, which falls as the picture comes nearer; an `Objective` adds terms up
with weights, and a negative weight asks for the contrary.
"""

from __future__ import annotations

import math
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from ml4a._core.errors import BadValue

if TYPE_CHECKING:
    from .scene import Scene

Features: TypeAlias = Mapping[str, "torch.Tensor"]
"""What layers make of the picture, N×C×h×w by name; `PICTURE` has the picture itself, before it was transformed."""
Loss: TypeAlias = Callable[[Features], "torch.Tensor"]
"""Features to a single number."""

PICTURE = "picture"
"""Stands for the picture where layers are named: N×3×H×W RGB in [0, 1]."""


class Term(ABC):
    """One thing that can be said of a picture."""

    name: str
    """What its loss is listed under."""
    layers: tuple[str, ...]
    """The layers that it looks at, or `PICTURE`."""

    @abstractmethod
    def begin(self, scene: Scene) -> Loss:
        """What is to fall while the picture has the size of `scene`; what does not change is computed here, once."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A term in a sum. Two are the same only if they are one: masks cannot be compared."""

    weight: float
    term: Term
    mask: Any = None
    """H×W floats in [0, 1]: where its gradient reaches the picture; None is everywhere."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A sum of weighted terms. Objectives add up, and are multiplied by numbers; `sum()` takes them, too."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, term: Term) -> Objective:
        """The objective that is one term."""
        return cls((Part(1.0, term),))

    def __add__(self, other: Any) -> Objective:
        if isinstance(other, numbers.Real) and other == 0:  # where `sum` begins
            return self
        return Objective(self.parts + other.parts) if isinstance(other, Objective) else NotImplemented

    __radd__ = __add__

    def __mul__(self, factor: Any) -> Objective:
        if not isinstance(factor, numbers.Real):
            return NotImplemented
        if not math.isfinite(factor):
            raise BadValue(f"the weight of an objective must be a finite number, not {factor}")
        return Objective(tuple(replace(part, weight=part.weight * float(factor)) for part in self.parts))

    __rmul__ = __mul__

    def __neg__(self) -> Objective:
        return self * -1

    def __sub__(self, other: Any) -> Objective:
        return self + -other if isinstance(other, Objective) else NotImplemented

    def within(self, mask: Any) -> Objective:
        """The same, but only where `mask` is: H×W floats in [0, 1], stretched to the picture."""
        return Objective(tuple(replace(part, mask=mask) for part in self.parts))

    @property
    def layers(self) -> tuple[str, ...]:
        """Of the network, those that the terms look at."""
        named = dict.fromkeys(layer for part in self.parts for layer in part.term.layers)
        return tuple(layer for layer in named if layer != PICTURE)


class Channel(Term):
    """The mean of one channel of a layer, to be high."""

    def __init__(self, layer: str, number: int) -> None:
        self.name, self.layers, self.number = f"{layer}:{number}", (layer,), number

    def begin(self, scene: Scene) -> Loss:
        """Minus the mean of the channel."""
        layer = self.layers[0]
        check_channels(scene, layer, [self.number])
        return lambda seen: -seen[layer][:, self.number].mean()


class Neuron(Term):
    """One channel of a layer in the middle of the picture, to be high."""

    def __init__(self, layer: str, number: int) -> None:
        self.name, self.layers, self.number = f"{layer}:{number} in the middle", (layer,), number

    def begin(self, scene: Scene) -> Loss:
        """Minus the value in the middle."""
        layer = self.layers[0]
        check_channels(scene, layer, [self.number])

        def loss(seen: Features) -> torch.Tensor:
            features = seen[layer]
            return -features[:, self.number, features.shape[2] // 2, features.shape[3] // 2].mean()

        return loss


class Layer(Term):
    """All that a layer sees already, to be stronger: half the mean square, as DeepDream has it."""

    def __init__(self, layer: str) -> None:
        self.name, self.layers = layer, (layer,)

    def begin(self, scene: Scene) -> Loss:
        """Minus half the mean square."""
        layer = self.layers[0]
        return lambda seen: -seen[layer].square().mean() / 2


class Direction(Term):
    """A mixture of a layer's channels, to be high."""

    def __init__(self, layer: str, weights: Mapping[int, float]) -> None:
        self.name, self.layers, self.weights = f"{layer}:mixed", (layer,), dict(weights)

    def begin(self, scene: Scene) -> Loss:
        """Minus the weighted sum of the channels' means."""
        layer = self.layers[0]
        check_channels(scene, layer, self.weights)

        def loss(seen: Features) -> torch.Tensor:
            return -sum(
                (w * seen[layer][:, number].mean() for number, w in self.weights.items()), seen[layer].new_zeros(())
            )

        return loss


def channel(layer: str, number: int) -> Objective:
    """More of what channel `number` of `layer` looks for."""
    return Objective.of(Channel(layer, _channel_number(number)))


def neuron(layer: str, number: int) -> Objective:
    """More of what channel `number` of `layer` looks for, in the middle of the picture alone."""
    return Objective.of(Neuron(layer, _channel_number(number)))


def layer(name: str) -> Objective:
    """More of whatever `name` sees."""
    return Objective.of(Layer(name))


def direction(layer: str, weights: Mapping[int, float]) -> Objective:
    """More of a mixture of channels of `layer`: `{65: 1, 139: -0.5}`."""
    return Objective.of(Direction(layer, {_channel_number(number): float(w) for number, w in weights.items()}))


def check_channels(scene: Scene, layer: str, numbers: Iterable[int]) -> None:
    """Refuse channels that the layer has not; of a layer that there is not, say nothing: looking names the nearest.

    Raises:
        BadValue: names the channels that there are.
    """
    count, highest = scene.network.layers().get(layer), max(numbers)
    if count is not None and highest >= count:
        raise BadValue(f"layer {layer} has channels 0 to {count - 1}, not {highest}")


def _channel_number(number: Any) -> int:
    if not isinstance(number, numbers.Integral) or isinstance(number, bool) or number < 0:
        raise BadValue(f"a channel is a whole number of 0 or more, not {number!r}")
    return int(number)
