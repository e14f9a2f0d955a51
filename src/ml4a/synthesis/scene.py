"""A stage of a synthesis, as its objective sees it: a network, and a picture of a certain size."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from .objectives import PICTURE, Features, Loss, Objective, Part

if TYPE_CHECKING:
    from ml4a.networks.features import FeatureNetwork

Transform: TypeAlias = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
"""1×3×H×W to the same, perhaps of another size, by chance."""


class Scene:
    """What an objective's terms can ask of a stage, and their losses once they have begun.

    Args:
        network: What looks.
        size: The picture's width and height at this stage.
        device: Where to compute.
        transforms: What is done to the picture, one after the other, before the network looks.
        generator: Decides what is by chance.
        number: Which of the stages it is, counted from 0.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        size: tuple[int, int],
        device: torch.device,
        transforms: Sequence[Transform] = (),
        generator: torch.Generator | None = None,
        number: int = 0,
    ) -> None:
        self.network = network
        self.size = size
        self.number = number
        self.device = device
        self._transforms = transforms
        self._generator = generator or torch.Generator().manual_seed(0)
        self._losses: dict[Part, Loss] = {}
        self._before = self._generator.get_state()

    def look(self, picture: torch.Tensor, layers: Collection[str]) -> dict[str, torch.Tensor]:
        """What layers make of a picture that stays as it is: 1×3×H×W RGB in [0, 1], of any size, without gradients."""
        with torch.no_grad():
            picture = picture.to(self.device)
            found = self.network.features(picture, [layer for layer in layers if layer != PICTURE])
            return {PICTURE: picture, **found}

    def look_alike(self, picture: torch.Tensor, layers: Collection[str]) -> dict[str, torch.Tensor]:
        """The same of a picture that is transformed by the same chances as the one that is looked at in this step."""
        now = self._generator.get_state()
        self._generator.set_state(self._before)
        with torch.no_grad():
            shown = self._shown(picture.to(self.device))
        self._generator.set_state(now)
        return self.look(shown, layers)

    @property
    def parts(self) -> list[Part]:
        """Those of the objective that has begun."""
        return list(self._losses)

    def begin(self, objective: Objective) -> None:
        """Have the terms compute what will not change."""
        self._losses = {part: part.term.begin(self) for part in objective.parts}

    def loss(self, picture: torch.Tensor, part: Part) -> torch.Tensor:
        """The loss of a part's term by itself: neither weighted nor masked.

        Args:
            picture: 1×3×h×w RGB; for terms that look at each place by itself, a piece of the whole will do.
            part: One of the objective that has begun.
        """
        return self._losses[part](self._seen(picture, self._shown(picture), [part]))

    def losses(self, picture: torch.Tensor, parts: Sequence[Part] | None = None) -> dict[Part, torch.Tensor]:
        """The weighted loss of each part (of all, by default), with gradients as far as the picture has them.

        Args:
            picture: 1×3×H×W RGB.
            parts: Which, of the objective that has begun.
        """
        parts = list(self._losses) if parts is None else parts
        shown = self._shown(picture)
        found: dict[Part, torch.Tensor] = {}
        for mask in {id(part.mask): part.mask for part in parts}.values():
            group = [part for part in parts if part.mask is mask]
            whole, looked_at = (picture, shown) if mask is None else (_masked(picture, mask), _masked(shown, mask))
            seen = self._seen(whole, looked_at, group)
            found |= {part: part.weight * self._losses[part](seen) for part in group}
        return {part: found[part] for part in parts}

    def _shown(self, picture: torch.Tensor) -> torch.Tensor:
        self._before = self._generator.get_state()
        for transform in self._transforms:
            picture = transform(picture, self._generator)
        return picture

    def _seen(self, picture: torch.Tensor, shown: torch.Tensor, parts: Sequence[Part]) -> Features:
        return {PICTURE: picture, **self.network.features(shown, Objective(tuple(parts)).layers)}


def _masked(picture: torch.Tensor, mask: Any) -> torch.Tensor:
    """The same picture, whose gradient is multiplied by a mask."""
    weight = _mask_tensor(mask, picture)
    return picture.detach() + weight * (picture - picture.detach())


def _mask_tensor(mask: Any, picture: torch.Tensor) -> torch.Tensor:
    """H×W floats as 1×1×H×W of the size of `picture`, where it is."""
    mask = torch.as_tensor(mask, dtype=torch.float32, device=picture.device)[None, None]
    if mask.shape[-2:] == picture.shape[-2:]:
        return mask
    return torch.nn.functional.interpolate(mask, size=picture.shape[-2:], mode="bilinear", align_corners=False)
