"""L-BFGS that may begin anywhere: its steps are bounded, and shortened until the loss falls.

Liu & Nocedal, 1989; Nocedal & Wright, Numerical Optimization, 2006, chapters 3 and 7. torch's own begins with a step of
next to nothing, and believes the curvature that it finds there: it may stand still for a hundred steps, or jump out of
all bounds.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from .objectives import Part
from .optimisers import Optimiser
from .parameterisation import Parameterisation
from .scene import Scene

_ENOUGH = 1e-4
"""Share of the decrease that the slope promises which is enough."""
_SHORTEST, _LONGEST = 0.1, 0.5
"""What a step that was too long is multiplied by, at least and at most."""
_TRIALS = 12


class QuasiNewton(Optimiser):
    """Goes where L-BFGS says, as far as the loss falls. Most steps cost one evaluation.

    It is for losses that are the same whenever they are asked for: without transforms by chance.

    Args:
        history: How many steps it learns from. Each takes twice the parameters' memory.
        first: Length of the first step: the root mean square of what it changes, in the parameters' unit.
        longest: Length of the longest step, likewise.
    """

    def __init__(self, history: int = 20, *, first: float = 8 / 255, longest: float = 16 / 255) -> None:
        self._history, self._first, self._longest = history, first, longest

    def begin(self, image: Parameterisation, scene: Scene) -> None:
        """Begin anew: curvature at another size is another."""
        self._image, self._scene = image, scene
        self._moves: list[torch.Tensor] = []
        self._turns: list[torch.Tensor] = []
        """How the gradient changed with each move."""
        self._here: torch.Tensor | None = None
        self._at_bottom = False

    def step(self) -> dict[Part, torch.Tensor]:
        """One step downhill; none if there is no way down."""
        here = self._flat()
        if self._here is None or not torch.equal(here, self._here):  # begun, or moved by somebody else
            self._losses, self._gradient = self._evaluate()
            self._at_bottom = False
        before = self._losses
        for direction in [] if self._at_bottom else self._directions():
            if self._search(here, direction):
                break
            self._moves, self._turns = [], []
        else:
            self._at_bottom = True  # for all that can be told in these numbers, so that it is not looked for again
        self._here = self._flat()
        return before

    def state(self) -> dict[str, Any]:
        """The moves and turns that are kept, and the gradient where they have led."""
        if self._here is None:
            return {}
        losses = torch.stack(list(self._losses.values()))
        known = {"here": self._here, "gradient": self._gradient, "losses": losses}
        return {"moves": self._moves, "turns": self._turns, **known}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        device = self._flat().device
        self._moves, self._turns = ([each.to(device) for each in state[name]] for name in ("moves", "turns"))
        self._here, self._gradient = state["here"].to(device), state["gradient"].to(device)
        self._losses = dict(zip(self._scene.parts, state["losses"].to(device), strict=True))

    def _directions(self) -> list[torch.Tensor]:
        """Where to go, and if that is of no use, where else."""
        down = -self._gradient
        steepest = down * (self._first / _length(down))
        return [self._newton(), steepest] if self._moves else [steepest]

    def _newton(self) -> torch.Tensor:
        """The step to the bottom, by the curvature of the last steps: the two loops of L-BFGS."""
        direction, shares = -self._gradient, []
        weights = [1 / torch.dot(move, turn) for move, turn in zip(self._moves, self._turns, strict=True)]
        kept = list(zip(self._moves, self._turns, weights, strict=True))
        for move, turn, weight in reversed(kept):
            share = weight * torch.dot(move, direction)
            direction = direction - share * turn
            shares.append(share)
        _, turn, weight = kept[-1]
        direction = direction / (weight * torch.dot(turn, turn))
        for (move, turn, weight), share in zip(kept, reversed(shares), strict=True):
            direction = direction + move * (share - weight * torch.dot(turn, direction))
        return direction

    def _search(self, here: torch.Tensor, direction: torch.Tensor) -> bool:
        """Go along a direction until the loss has fallen enough, or back if it does not."""
        slope, before = float(torch.dot(self._gradient, direction)), _total(self._losses)
        length = _length(direction)
        if not (slope < 0 and math.isfinite(length)):
            return False
        share = min(1.0, self._longest / length)
        for _ in range(_TRIALS):
            move = direction * share
            self._go_to(here + move)
            losses, gradient = self._evaluate()
            after = _total(losses)
            if after <= before + _ENOUGH * share * slope:
                self._keep(move, gradient - self._gradient)
                self._losses, self._gradient = losses, gradient
                return True
            bottom = -slope * share / (2 * ((after - before) / share - slope))  # of the parabola through all three
            share *= min(max(bottom / share, _SHORTEST), _LONGEST) if math.isfinite(bottom) else _SHORTEST
        self._go_to(here)
        return False

    def _keep(self, move: torch.Tensor, turn: torch.Tensor) -> None:
        """Learn from a step; where the gradient turned away, there is nothing to learn."""
        if torch.dot(move, turn) > 1e-10:
            self._moves, self._turns = [*self._moves, move][-self._history :], [*self._turns, turn][-self._history :]

    def _evaluate(self) -> tuple[dict[Part, torch.Tensor], torch.Tensor]:
        losses = self._scene.losses(self._image.picture())
        gradients = torch.autograd.grad(torch.stack(list(losses.values())).sum(), self._image.parameters)
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        return {part: loss.detach() for part, loss in losses.items()}, flat

    def _flat(self) -> torch.Tensor:
        return torch.cat([parameter.detach().reshape(-1) for parameter in self._image.parameters])

    def _go_to(self, place: torch.Tensor) -> None:
        sizes = [parameter.numel() for parameter in self._image.parameters]
        with torch.no_grad():
            for parameter, values in zip(self._image.parameters, place.split(sizes), strict=True):
                parameter.copy_(values.view_as(parameter))


def _length(move: torch.Tensor) -> float:
    """The root mean square, but never 0."""
    return float(move.norm()) / math.sqrt(move.numel()) or 1.0


def _total(losses: dict[Part, torch.Tensor]) -> float:
    return float(sum(losses.values()))
