"""The loop: a picture that becomes what an objective says, step by step, from coarse to fine.

dream = Synthesis(Pixels(photo), layer("relu4_3"), network, [Stage((512, 384), 50)], Adam(0.02))
for step, picture, losses in dream:
    ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ml4a._core import progress
from ml4a._core.errors import Ml4aError

from .average import Average
from .objectives import Objective
from .optimisers import Optimiser
from .parameterisation import Parameterisation
from .scene import Scene, Transform
from .schedule import Stage

if TYPE_CHECKING:
    import numpy as np

    from ml4a.networks.features import FeatureNetwork

_REPAIRS = 3
"""How often a run that left the numbers is taken back before it is given up."""


class Step(NamedTuple):
    """What a step has come to."""

    number: int
    """Steps so far, over all stages."""
    picture: torch.Tensor
    """1×3×H×W RGB; the mean of the last pictures, if that is kept."""
    losses: dict[str, float]
    """By the names of terms, weighted: their sum is what falls."""


class Synthesis:
    """A picture under way.

    Args:
        image: What is optimised; it is resized to each stage's size.
        objective: What it is to become; a function of the stage, where that depends on the size.
        network: What looks at it.
        stages: Sizes and iterations; at least one.
        optimiser: What changes it.
        transforms: What is done to the picture before the network looks, by chance.
        average: Share of the past in the mean of pictures that is the result; 0 takes the last picture.
        seed: Of all chance.
        device: Where to compute.
    """

    def __init__(
        self,
        image: Parameterisation,
        objective: Objective | Callable[[Stage], Objective],
        network: FeatureNetwork,
        stages: Sequence[Stage],
        optimiser: Optimiser,
        *,
        transforms: Sequence[Transform] = (),
        average: float = 0.0,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.image = image
        self.stages = list(stages)
        self.total = sum(stage.iterations for stage in stages)
        self.number = 0
        """Steps that were made."""
        self._objective = objective if callable(objective) else lambda _: objective
        self._network, self._optimiser, self._transforms = network, optimiser, transforms
        self._average = Average(average)
        self._generator = torch.Generator().manual_seed(seed)
        self._device = torch.device(device)
        self._stage, self._done, self._begun = 0, 0, False
        self._repairs = _REPAIRS

    def __iter__(self) -> Iterator[Step]:
        """Make the steps that are left."""
        while True:
            stage = self.stages[self._stage]
            if not self._begun:
                self._begin(stage)
            while self._done < stage.iterations:
                losses = self._step()
                self._done += 1
                self.number += 1
                yield Step(self.number, self.picture, losses)
            if self._stage == len(self.stages) - 1:  # what is resumed with more iterations goes on from here
                return
            if self._average.sum is not None:
                self.image.assign(self.picture)
            self._stage, self._done, self._begun = self._stage + 1, 0, False

    @property
    def picture(self) -> torch.Tensor:
        """What there is so far: 1×3×H×W RGB without gradients."""
        # A copy, because pixels are changed in place.
        return self.image.picture().detach().clone() if self._average.sum is None else self._average.value()

    def run(self, label: str, on_step: Callable[[Step], None] | None = None) -> torch.Tensor:
        """Make all steps and return the picture. Ctrl-C ends it with the picture so far.

        Args:
            label: What progress is reported as, with a preview now and then.
            on_step: Called after each step.

        Raises:
            Cancelled: the work was asked to stop.
        """
        steps = progress.reported(label, self, self.total, lambda step: _preview(step.picture), done=self.number)
        try:
            for step in steps:
                if on_step is not None:
                    on_step(step)
        except KeyboardInterrupt:
            if self.number == 0:
                raise
            progress.interrupted()
        return self.picture

    def state(self) -> dict[str, Any]:
        """All that it takes to go on exactly so later: tensors, numbers, and tables and lists of these."""
        return {
            "stage": self._stage,
            "done": self._done,
            "number": self.number,
            "parameters": [parameter.detach() for parameter in self.image.parameters],
            "average": self._average.state(),
            "optimiser": self._optimiser.state() if self._begun else {},
            "chance": self._generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same run, which may have had fewer iterations at its last stage."""
        self._stage, self._done, self.number = state["stage"], state["done"], state["number"]
        self._begin(self.stages[self._stage])
        if state["optimiser"]:
            self._optimiser.restore(state["optimiser"])
        self._put_back(state["parameters"])
        self._average.restore(state["average"])
        self._generator.set_state(state["chance"])

    def _begin(self, stage: Stage) -> None:
        self.image.resize(stage.size)
        self._scene = Scene(self._network, stage.size, self._device, self._transforms, self._generator, self._stage)
        self._scene.begin(self._objective(stage))
        self._optimiser.begin(self.image, self._scene)
        self._average.sum = None
        if self._average.decay:
            self._average.update(self.image.picture())
        self._begun = True

    def _step(self) -> dict[str, float]:
        before = [parameter.detach().clone() for parameter in self.image.parameters]
        chance = self._generator.get_state()
        try:
            by_part = self._optimiser.step()
        except KeyboardInterrupt:  # half a step is neither shown nor gone on with
            self._put_back(before)
            self._generator.set_state(chance)
            raise
        losses: dict[str, float] = {}
        for part, loss in by_part.items():
            losses[part.term.name] = losses.get(part.term.name, 0.0) + float(loss)
        if not all(map(math.isfinite, losses.values())):
            self._repair(before)
            return self._step()
        self.image.constrain()
        if self._average.decay:
            self._average.update(self.image.picture())
        return losses

    def _repair(self, before: Sequence[torch.Tensor]) -> None:
        """Go back to where the step began, and let the optimiser begin anew."""
        if self._repairs == 0:
            raise Ml4aError("the picture has left all bounds again and again; take smaller steps or smaller weights")
        self._repairs -= 1
        self._put_back([value.nan_to_num(0.5, 1, 0) for value in before])
        self._optimiser.begin(self.image, self._scene)

    def _put_back(self, values: Sequence[torch.Tensor]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.image.parameters, values, strict=True):
                parameter.copy_(value)


def _preview(picture: torch.Tensor) -> np.ndarray[Any, Any]:
    return picture[0].clamp(0, 1).permute(1, 2, 0).contiguous().cpu().numpy()
