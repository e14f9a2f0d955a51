"""DeepDream's way of following gradients: tile by tile, equally strong at every size of detail.

Mordvintsev et al., DeepDream with TensorFlow, 2015, as Kogan's programs of 2020 have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ml4a.ops import laplacian
from ml4a.ops.legacy_bilinear import resized

from .objectives import Part
from .octaves import WHITE
from .optimisers import Optimiser
from .parameterisation import Parameterisation, Pixels
from .scene import Scene

_LEAST = 1e-7
"""Added to the mean size of gradients before they are divided by it."""


class Ascent(Optimiser):
    """Adds each part's gradient to the pixels, for itself: smoothed, normalised, masked and weighted.

    Gradients are computed in tiles, which keeps memory small whatever the picture's size; the picture is rolled by
    chance before it is cut up, so that no seams are seen. Terms must therefore be of those that look at each place by
    itself, such as channels and layers. What is left over beyond the last tile, up to half of one, waits for another
    step.

    Args:
        step: How far to go along the sum, where white is 255; one for all stages, or for each.
        levels: Sizes of detail that become equally strong; 0 leaves gradients as they are. The same.
        normalize: Whether the mean size of a gradient's values becomes 1.
        gray: Whether all colours go the same way.
        tile: Side of a tile in pixels.
        jitter: Whether the picture is rolled.
        chance: Decides how far.
    """

    def __init__(
        self,
        step: float | Sequence[float] = 1.0,
        levels: int | Sequence[int] = 8,
        *,
        normalize: bool = False,
        gray: bool = False,
        tile: int = 512,
        jitter: bool = True,
        chance: np.random.RandomState | None = None,
    ) -> None:
        self._steps, self._levels = step, levels
        self._normalize, self._gray, self._tile, self._jitter = normalize, gray, tile, jitter
        self._chance = chance or np.random.RandomState(0)

    def begin(self, image: Parameterisation, scene: Scene) -> None:
        """Take the values of the stage.

        Raises:
            TypeError: what is optimised is not pixels.
        """
        if not isinstance(image, Pixels):
            raise TypeError(f"pixels climb along gradients, not {type(image).__name__}")
        self._image, self._scene = image, scene
        self._step = _of_stage(self._steps, scene.number)
        self._splits = int(_of_stage(self._levels, scene.number))
        self._masks: dict[Part, torch.Tensor | None] = {}

    def step(self) -> dict[Part, torch.Tensor]:
        """Climb by one step."""
        picture = self._image.picture().detach()
        total, losses = torch.zeros_like(picture), {}
        for part in self._scene.parts:
            mask = self._mask(part, picture)
            if mask is not None and not mask.any():
                losses[part] = picture.new_zeros(())
                continue
            gradient, loss = self.gradient(picture, part)
            losses[part] = part.weight * loss
            total.add_(self._shaped(gradient, mask), alpha=part.weight)
        with torch.no_grad():
            (values,) = self._image.parameters
            values.add_(total, alpha=self._step * self._image.white / WHITE)
        return losses

    def gradient(self, picture: torch.Tensor, part: Part) -> tuple[torch.Tensor, torch.Tensor]:
        """Where a part's term rises, and the loss that it has.

        Args:
            picture: 1×3×H×W RGB in [0, 1].
            part: Of the scene.

        Returns:
            1×3×H×W, by pixels where white is 255; and a number, the mean over the tiles.
        """
        right, down = self._chance.randint(self._tile, size=2) if self._jitter else (0, 0)
        rolled = picture.roll((int(down), int(right)), (2, 3))
        gradient, total, pixels = torch.zeros_like(rolled), picture.new_zeros(()), 0
        for rows, columns in _tiles(picture.shape[2], picture.shape[3], self._tile):
            piece = rolled[:, :, rows, columns].clone().requires_grad_()
            with torch.enable_grad():
                loss = self._scene.loss(piece, part)
                (gradient[:, :, rows, columns],) = torch.autograd.grad(loss, piece)
            total += loss.detach() * piece[0, 0].numel()
            pixels += piece[0, 0].numel()
        return gradient.roll((-int(down), -int(right)), (2, 3)).div_(-WHITE), total / pixels

    def state(self) -> dict[str, Any]:
        """Where chance is."""
        _, keys, position, *_ = self._chance.get_state(legacy=True)
        return {"chance": torch.from_numpy(np.asarray(keys, np.int64)), "position": int(position)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        keys = state["chance"].numpy().astype(np.uint32)
        self._chance.set_state(("MT19937", keys, int(state["position"]), 0, 0.0))

    def _shaped(self, gradient: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Smoothed, normalised, masked and grey, in this order."""
        if self._splits:
            gradient = laplacian.normalised(gradient, self._splits)
        if self._normalize:
            gradient = gradient / (gradient.abs().mean() + _LEAST)
        if mask is not None:
            gradient = gradient * mask
        return gradient.mean(1, keepdim=True).expand_as(gradient) if self._gray else gradient

    def _mask(self, part: Part, picture: torch.Tensor) -> torch.Tensor | None:
        """A part's mask in the size of the picture, 1×1×H×W."""
        if part.mask is None:
            return None
        if part not in self._masks:
            mask = torch.as_tensor(part.mask, dtype=torch.float32, device=picture.device)[None, None]
            self._masks[part] = resized(mask, (picture.shape[3], picture.shape[2]))
        return self._masks[part]


def random_state(seed: int) -> np.random.RandomState:
    """NumPy's generator of 2020, which has room for seeds of 32 bits, for longer ones, too."""
    high, low = divmod(seed, 1 << 32)
    return np.random.RandomState([low, high] if high else low)


def _tiles(height: int, width: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the tiles; the last ones may be smaller, to half a tile."""
    for top in range(0, max(height - side // 2, side), side):
        for left in range(0, max(width - side // 2, side), side):
            yield slice(top, top + side), slice(left, left + side)


def _of_stage(values: float | Sequence[float], number: int) -> float:
    """The value of a stage; the last one serves all that come after it."""
    return values[min(number, len(values) - 1)] if isinstance(values, Sequence) else values
