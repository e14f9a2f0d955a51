"""Looking for the style whose picture looks like a given one.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, arXiv:1912.04958, appendix D, with the
numbers of NVIDIA's program; and, going on from there, one style for each layer, as Abdal et al., Image2StyleGAN, ICCV
2019, arXiv:1904.03189, have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ml4a._core import devices, progress
from ml4a._core.errors import BadValue, Ml4aError, TooLarge, UnknownName

from . import _mapping

if TYPE_CHECKING:
    import torch

    from ml4a.networks.lpips import LPIPS

RATE = 0.1
"""Of Adam, at its highest."""
EXPLORATION = 0.05
"""Of the noise on the style at the start, as a share of the styles' own spread."""
REGULARITY = 1e5
"""The weight of what keeps a picture's noise from becoming a picture."""
LONGEST = 256
"""Side in pixels at which pictures are compared; larger ones are reduced by the means of their pixels."""
_RAMP_UP, _RAMP_DOWN, _EXPLORED = 0.05, 0.25, 0.75
_LEAST_SIDE = 8
_KEPT, _KEPT_OF_MANY_LAYERS = 3.5, 8
"""The memory of a picture with gradients, as a multiple of one without: of StyleGAN2 with its noises; of StyleGAN3."""

Space = Literal["w", "w+"]


class Step(NamedTuple):
    """What a step has come to."""

    number: int
    """Steps so far."""
    picture: torch.Tensor
    """1×3×H×W RGB in [0, 1], of where the step began; its style has the noise of the search on it."""
    losses: dict[str, float]
    """`"perceptual"`, the distance, and `"noise"`, weighted, where the network has noise."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What was found."""

    ws: torch.Tensor
    """1×num_ws×w_dim; of the space w, all layers have the same (or are moved alike)."""
    noises: list[torch.Tensor]
    """One for each layer that adds noise, H×W, for `synthesize`; none if none was sought."""
    losses: list[dict[str, float]]
    """Of each step."""


def project(
    network: Any,
    target: torch.Tensor,
    perceptual: LPIPS,
    *,
    space: Space = "w",
    iterations: int = 1000,
    seed: int = 123,
    label: torch.Tensor | None = None,
    seek_noise: bool = True,
    name: str = "projecting",
    on_step: Callable[[Step], None] | None = None,
) -> Projection:
    """Find the style whose picture looks most like `target`. Ctrl-C ends the search with what was found so far.

    The search begins in the middle of all styles, and leaps about at first. For one style for each layer (`"w+"`), it
    looks for one that serves all during the first half.

    Args:
        network: A StyleGAN, on its device. It is not changed.
        target: 1×3×H×W RGB in [0, 1], of the network's resolution.
        perceptual: The distance, on the same device.
        space: `"w"`: pictures that the network could have made; `"w+"`: more alike, less its own.
        iterations: Steps, at least 1.
        seed: Of all chance.
        label: 1×c_dim, for a network that knows labels; by default the search begins in the middle of all.
        seek_noise: Whether the noise of layers is sought, too, or stays the network's own.
        name: What progress is reported as, with a preview from the first step on.
        on_step: Called after each step.

    Raises:
        BadValue: the target is of another size, or the network makes neither colours nor grey.
        TooLarge: it needs more memory than there is.
        UnknownName: there is no such space.
        Cancelled: the work was asked to stop.
    """
    options = {"iterations": iterations, "seed": seed, "label": label, "seek_noise": seek_noise}
    search = Search(network, target, perceptual, space=space, **options)  # type: ignore[arg-type]
    try:
        for step in progress.reported(name, search, iterations, lambda step: _preview(step.picture)):
            if on_step is not None:
                on_step(step)
    except KeyboardInterrupt:
        if not search.losses:
            raise
        progress.interrupted()
    return search.found()


class Search:
    """A search under way; as `project` has its arguments. Going through it makes the steps that are left."""

    def __init__(
        self,
        network: Any,
        target: torch.Tensor,
        perceptual: LPIPS,
        *,
        space: Space = "w",
        iterations: int = 1000,
        seed: int = 123,
        label: torch.Tensor | None = None,
        seek_noise: bool = True,
    ) -> None:
        import torch

        if space not in ("w", "w+"):
            raise UnknownName("space to project to", space, ("w", "w+"))
        side, colours = network.resolution, network.channels
        if target.shape != (1, 3, side, side):
            raise BadValue(f"a target for this network is a tensor 1×3×{side}×{side}, not {tuple(target.shape)}")
        if colours not in (1, 3):
            raise BadValue(f"pictures of {colours} channels cannot be compared; they have 3, or 1 that is grey")
        device = network.w_avg.device
        _check_memory(network, perceptual, device)
        self.losses: list[dict[str, float]] = []
        self._network, self._perceptual = network, perceptual
        self._space, self._iterations = space, iterations
        self._generator = torch.Generator().manual_seed(seed)
        with torch.inference_mode(False), torch.no_grad():
            self._cloud = _mapping.cloud(network, seed=seed, label=label)
            self._target = perceptual.features(_compared(target.to(device) * 255))
            self._away = torch.zeros(1, 1, network.w_dim, device=device).requires_grad_()
            self._noises = [
                self._random(noise.shape).requires_grad_() for noise in (network.noises() if seek_noise else ())
            ]
        self._for_style, self._for_noises = _adam([self._away]), _adam(self._noises)

    def __iter__(self) -> Iterator[Step]:
        """Make the steps that are left."""
        while len(self.losses) < self._iterations:
            if self._space == "w+" and len(self.losses) == self._iterations // 2:
                self._part_layers()
            picture = self._step()
            yield Step(len(self.losses), picture, self.losses[-1])

    def found(self) -> Projection:
        """Where the search is."""
        ws = (self._cloud.middle + self._away.detach()).contiguous()
        return Projection(ws, [noise.detach().clone() for noise in self._noises], list(self.losses))

    def _step(self) -> torch.Tensor:
        import torch

        t = len(self.losses) / self._iterations
        with torch.inference_mode(False), torch.enable_grad():
            leap = self._random(self._away.shape) * (self._cloud.spread * exploration(t))
            ws = self._cloud.middle + (self._away + leap)
            made = self._network.synthesize(ws, **({"noise": self._noises} if self._noises else {}))
            picture = made.expand(-1, 3, -1, -1) * 0.5 + 0.5
            away = self._perceptual.features(_compared(picture * 255)) - self._target
            losses = {"perceptual": away.square().sum()}
            if self._noises:
                losses["noise"] = REGULARITY * regularity(self._noises)
            told = {name: float(loss.detach()) for name, loss in losses.items()}
            if not all(map(math.isfinite, told.values())):
                raise Ml4aError("the search has left all bounds: the network makes pictures that are no numbers")
            torch.stack(list(losses.values())).sum().backward()
        for optimiser in (self._for_style, self._for_noises):
            optimiser.param_groups[0]["lr"] = RATE * pace(t)
            optimiser.step()
            optimiser.zero_grad()
        with torch.no_grad():
            for noise in self._noises:
                noise.sub_(noise.mean()).mul_(noise.square().mean().rsqrt())
        self.losses.append(told)
        return picture.detach().clamp(0, 1)

    def _part_layers(self) -> None:
        """From now on each layer has a style of its own, and goes on at the pace at which all went together."""
        layers = self._network.num_ws
        before = self._for_style.state[self._away]
        self._away = self._away.detach().expand(-1, layers, -1).clone().requires_grad_()
        self._for_style = _adam([self._away])
        if before:
            # Of a layer's gradient all that is known is its share of the sum.
            self._for_style.state[self._away] = {
                "step": before["step"],
                "exp_avg": (before["exp_avg"] / layers).expand_as(self._away).clone(),
                "exp_avg_sq": (before["exp_avg_sq"] / layers**2).expand_as(self._away).clone(),
            }

    def _random(self, shape: torch.Size) -> torch.Tensor:
        """Normal noise, the same on every device."""
        import torch

        return torch.randn(shape, generator=self._generator).to(self._network.w_avg.device)


def pace(t: float) -> float:
    """What `RATE` is multiplied by at the share `t` of all steps: up to 1 in a line, and down again along a cosine."""
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / _RAMP_DOWN))
    return down * min(1.0, t / _RAMP_UP)


def exploration(t: float) -> float:
    """The noise on the style at the share `t` of all steps, as a share of the styles' spread."""
    return EXPLORATION * max(0.0, 1 - t / _EXPLORED) ** 2


def regularity(noises: Sequence[torch.Tensor]) -> torch.Tensor:
    """How much neighbours in noise are alike, which they are not by chance: at each size, halved down to 8 pixels.

    Args:
        noises: H×W each.

    Returns:
        The sum over all, a single number that is differentiable.
    """
    from torch.nn import functional as F

    total = noises[0].new_zeros(())
    for noise in noises:
        level = noise[None, None]
        while True:
            for direction in (2, 3):
                total = total + (level * level.roll(1, direction)).mean().square()
            if level.shape[2] <= _LEAST_SIDE:
                break
            level = F.avg_pool2d(level, 2)
    return total


def _check_memory(network: Any, perceptual: LPIPS, device: torch.device) -> None:
    side = network.resolution
    looking = perceptual.bytes_per_pixel * min(side, LONGEST) ** 2
    making = (_KEPT if network.noises() else _KEPT_OF_MANY_LAYERS) * network.bytes_per_picture
    needed, budget = making + looking, devices.memory_budget(device)
    if needed > budget:
        raise TooLarge(
            f"searching for a picture of {side}x{side} px needs {needed / 2**30:.1f} GiB of memory and "
            f"{budget / 2**30:.1f} GiB may be used; ML4A_MEMORY={math.ceil(needed / 2**30)}G allows more"
        )


def _adam(parameters: list[torch.Tensor]) -> torch.optim.Adam:
    import torch

    return torch.optim.Adam([{"params": parameters}], RATE)


def _compared(picture: torch.Tensor) -> torch.Tensor:
    """N×3×H×W at the size at which pictures are compared."""
    from torch.nn import functional as F

    if picture.shape[2] <= LONGEST:
        return picture
    return F.interpolate(picture, size=(LONGEST, LONGEST), mode="area")


def _preview(picture: torch.Tensor) -> Any:
    return picture[0].permute(1, 2, 0).contiguous().cpu().numpy()
