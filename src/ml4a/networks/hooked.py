"""Any classifier of one's own, with its layers to be looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from .features import FeatureNetwork

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class Hooked(FeatureNetwork):
    """Looks into a module that was written without thinking of it.

    Its layers are the submodules that return a tensor N×C×h×w or N×C, by their paths, such as `layer3.1.conv2`. Of
    one that runs several times, it is what it gives first.

    Args:
        module: Takes N×3×H×W. It is put into eval mode, and its parameters get no gradients from now on.
        mean: Red, green and blue that are taken off pictures in [0, 1] first.
        std: What they are then divided by.
        size: A side of the pictures that the module takes, in pixels.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_DEVIATION,
        size: int = 224,
    ) -> None:
        super().__init__()
        self.module = module.eval().requires_grad_(False)
        self.shortest = size
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)
        for name, part in module.named_modules():
            if name:
                part.register_forward_hook(partial(self._see, name))  # which copies and pickles along with the network

    def forward(self, picture: torch.Tensor) -> Any:
        """What the module makes of N×3×H×W RGB in [0, 1]."""
        return self.module((picture - self.mean) / self.std)

    def walk(self, picture: torch.Tensor, wanted: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """As in `FeatureNetwork`."""
        look = _Look(self, frozenset(wanted))
        token = _LOOK.set(look)
        try:
            self(picture)
        except _Enough:
            pass
        finally:
            _LOOK.reset(token)
        yield from look.seen.items()

    def _see(self, name: str, part: nn.Module, arguments: Any, result: Any) -> None:
        """Keep what a part returns, if this thread asks for it."""
        look = _LOOK.get()
        if look is None or look.network is not self or name in look.seen:
            return
        if look.wanted and name not in look.wanted:
            return
        if isinstance(result, torch.Tensor) and result.ndim in (2, 4):
            # What comes after it may work in place.
            look.seen[name] = result.clone() if result.ndim == 4 else result.clone()[:, :, None, None]
            if len(look.seen) == len(look.wanted):
                raise _Enough


@dataclass
class _Look:
    """What one call wants to see, and has seen."""

    network: Hooked
    wanted: frozenset[str]
    """Nothing means everything."""
    seen: dict[str, torch.Tensor] = field(default_factory=dict)


_LOOK: ContextVar[_Look | None] = ContextVar("look", default=None)


class _Enough(BaseException):
    """All that was wanted has been seen. No `except Exception` of the module's catches it."""
