"""How parameters follow gradients. torch's optimisers, and what they keep from stage to stage."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch.nn import functional as F

from .objectives import Part
from .parameterisation import Parameterisation, enlarged
from .scene import Scene


class Optimiser(ABC):
    """Changes a parameterisation step by step."""

    @abstractmethod
    def begin(self, image: Parameterisation, scene: Scene) -> None:
        """Start at a stage: the parameters may be new, and of another size."""

    @abstractmethod
    def step(self) -> dict[Part, torch.Tensor]:
        """Go one step, and return the losses of where it began."""

    def state(self) -> dict[str, Any]:
        """What must be kept to go on exactly so: tensors, numbers, and lists and tables of these."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:  # noqa: B027  # most optimisers keep something, but need not
        """Go on from a state; `begin` has been called."""


class _OfTorch(Optimiser):
    """An optimiser of torch's."""

    _inner: torch.optim.Optimizer
    _image: Parameterisation
    _scene: Scene

    def _descend(self) -> dict[Part, torch.Tensor]:
        """Compute losses and gradients."""
        self._inner.zero_grad()
        losses = self._scene.losses(self._image.picture())
        torch.stack(list(losses.values())).sum().backward()
        return {part: loss.detach() for part, loss in losses.items()}

    def state(self) -> dict[str, Any]:
        """What torch keeps of each parameter."""
        return {str(key): dict(value) for key, value in self._inner.state_dict()["state"].items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Give it back to torch."""
        kept = self._inner.state_dict()
        kept["state"] = {int(key): value for key, value in state.items()}
        self._inner.load_state_dict(kept)


class Adam(_OfTorch):
    """Kingma & Ba, ICLR 2015; with `weight_decay`, as Loshchilov & Hutter have it.

    Args:
        rate: How far a step goes, in the parameters' unit.
        betas: Share of the past in the means of gradients and of their squares.
        weight_decay: Share of the parameters' own size that they lose, as a multiple of `rate`.
        longest: A picture's gradient that is longer than this is shortened to it.
        keep: Whether the means go along from stage to stage, resized as the picture is.
    """

    def __init__(
        self,
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        *,
        weight_decay: float = 0.0,
        longest: float | None = None,
        keep: bool = False,
    ) -> None:
        self._rate, self._betas, self._decay, self._longest, self._keep = rate, betas, weight_decay, longest, keep

    def begin(self, image: Parameterisation, scene: Scene) -> None:
        """Take up the parameters, and what is kept from the stage before."""
        before = self.state() if self._keep and hasattr(self, "_inner") else {}
        self._image, self._scene = image, scene
        self._inner = torch.optim.AdamW(image.parameters, self._rate, self._betas, weight_decay=self._decay)
        if before:
            self.restore({key: _resized(value, image.parameters[int(key)]) for key, value in before.items()})

    def step(self) -> dict[Part, torch.Tensor]:
        """One step along the mean gradient, as long as that is steady."""
        losses = self._descend()
        if self._longest is not None:
            _shorten(_parameters(self._inner), self._longest)
        self._inner.step()
        return losses


class LBFGS(_OfTorch):
    """Liu & Nocedal, 1989: steps that learn from the last ones how the loss is curved.

    Args:
        history: How many steps it learns from. Each takes twice the parameters' memory.
    """

    def __init__(self, history: int = 100) -> None:
        self._history = history

    def begin(self, image: Parameterisation, scene: Scene) -> None:
        """Begin anew: curvature at another size is another."""
        self._image, self._scene = image, scene
        self._inner = torch.optim.LBFGS(
            image.parameters, max_iter=1, history_size=self._history, tolerance_grad=-1, tolerance_change=-1
        )

    def step(self) -> dict[Part, torch.Tensor]:
        """One step of length 1."""
        found: dict[Part, torch.Tensor] = {}

        def closure() -> float:
            found.update(self._descend())
            return float(sum(found.values()))

        self._inner.step(closure)
        return found


def _parameters(optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _shorten(parameters: list[torch.Tensor], longest: float) -> None:
    """Shorten the gradient of each picture, which all parameters have one after the other; as torch does for one."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients])
    shares = (longest / (squares.sum(dim=0).sqrt() + 1e-6)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(shares.view(-1, *[1] * (gradient.ndim - 1)))


def _resized(state: dict[str, Any], parameter: torch.Tensor) -> dict[str, Any]:
    """Adam's two means of 1×C×H×W pixels at another size; squares stay positive."""
    size = (parameter.shape[3], parameter.shape[2])
    return state | {
        "exp_avg": enlarged(state["exp_avg"], size),
        "exp_avg_sq": F.relu(enlarged(state["exp_avg_sq"], size, "bilinear")),
    }
