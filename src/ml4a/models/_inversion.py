"""In-domain inversion: the styles of a picture, begun by an encoder, and improved so that it would agree.

Zhu et al., In-Domain GAN Inversion for Real Image Editing, ECCV 2020, arXiv:2004.00049, with the numbers of its
authors' program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ml4a._core import progress
from ml4a._core.errors import Ml4aError

if TYPE_CHECKING:
    import numpy as np
    import torch

RATE = 0.01
"""Of Adam."""
ITERATIONS = 100
WEIGHTS = {"pixels": 1.0, "features": 5e-5, "code": 2.0}
"""Of the losses."""


@dataclass(frozen=True, slots=True)
class Networks:
    """What it takes."""

    generator: Any
    """See `networks.stylegan1`."""
    encoder: Any
    """See `networks.idinvert_encoder`."""
    perceptual: Any
    """See `networks.vgg.PerceptualVGG`."""


class Step(NamedTuple):
    """What a step has come to."""

    picture: torch.Tensor
    """N×3×H×W in about [-1, 1], of where the step began."""
    losses: dict[str, float]
    """Unweighted, the sums over N: `"pixels"`, `"features"` and, without a mask, `"code"`."""


class Search:
    """A search under way for the styles of pictures.

    Args:
        networks: On one device.
        picture: N×3×H×W in [-1, 1], of the networks' size.
        mask: 1×1×H×W: where the result has to look like `picture`, 1, and where the generator is free, 0. With a
            mask, nothing holds the styles to what the encoder finds: the part would be lost in the whole.
        rate: Of Adam.
    """

    def __init__(
        self, networks: Networks, picture: torch.Tensor, mask: torch.Tensor | None = None, *, rate: float = RATE
    ) -> None:
        import torch

        self._networks, self._mask = networks, mask
        with torch.inference_mode(False), torch.no_grad():
            self._picture = picture.clone()
            self.code = networks.encoder.encode(self._picture).requires_grad_()
            """N×num_ws×w_dim."""
            self._features = networks.perceptual(self._seen(self._picture)).clone()
        self._adam = torch.optim.Adam([{"params": [self.code]}], rate)

    def step(self) -> Step:
        """Come closer.

        Raises:
            Ml4aError: the pictures are no numbers any more.
        """
        import torch

        with torch.inference_mode(False), torch.enable_grad():
            made = self._networks.generator.synthesize(self.code)
            seen = self._seen(made)
            losses = {
                "pixels": (self._seen(self._picture) - seen).square().mean((1, 2, 3)).sum(),
                "features": (self._features - self._networks.perceptual(seen)).square().mean((1, 2, 3)).sum(),
            }
            if self._mask is None:
                losses["code"] = (self.code - self._networks.encoder.encode(made)).square().mean((1, 2)).sum()
            total = torch.stack([WEIGHTS[name] * loss for name, loss in losses.items()]).sum()
            if not total.isfinite():
                raise Ml4aError("the search has left all bounds: the network makes pictures that are no numbers")
            total.backward()
        self._adam.step()
        self._adam.zero_grad()
        return Step(made.detach(), {name: float(loss.detach()) for name, loss in losses.items()})

    def _seen(self, x: torch.Tensor) -> torch.Tensor:
        return x if self._mask is None else x * self._mask


class Found(NamedTuple):
    """What a search has come to."""

    code: torch.Tensor
    """N×num_ws×w_dim, on the search's device."""
    complete: bool
    """Whether nobody stopped it."""


def run(search: Search, iterations: int, name: str) -> Found:
    """Go so many steps; Ctrl-C ends the search with what was found so far.

    Args:
        search: Which has begun.
        iterations: How many steps.
        name: What progress is reported as, with a preview from the first step on.

    Raises:
        Cancelled: the work was asked to stop.
    """
    complete = True
    steps = (search.step() for _ in range(iterations))
    try:
        for _ in progress.reported(name, steps, iterations, lambda step: _preview(step.picture)):
            pass
    except KeyboardInterrupt:
        complete = False
        progress.interrupted()
    return Found(search.code.detach().clone(), complete)


def rectangle(side: int, center: tuple[float, float], size: tuple[float, float]) -> torch.Tensor:
    """A mask for a square of so many pixels: 1×1×`side`×`side`, 1 within the rectangle, 0 outside.

    Args:
        side: Of the square.
        center: x and y of the rectangle's middle, as shares of the side.
        size: Its width and height, as shares of the side; what is beyond the square is cut off.
    """
    import torch

    mask = torch.zeros(1, 1, side, side)
    (x, y), (width, height) = ([max(0, round(share * side)) for share in pair] for pair in (center, size))
    left, top = x - width // 2, y - height // 2
    mask[:, :, max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = 1
    return mask


def _preview(picture: torch.Tensor) -> np.ndarray[Any, Any]:
    return ((picture[0] + 1) / 2).clamp(0, 1).permute(1, 2, 0).contiguous().cpu().numpy()
