"""Being like other pictures: their content, their style, and smoothness.

Gatys et al., CVPR 2016, arXiv:1508.06576; the forms of the losses are those of Crowson's style-transfer-pytorch of 2021
(`"gram"`) and of 2023 (`"wasserstein"`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue
from ml4a.ops import statistics

from .objectives import PICTURE, Features, Loss, Objective, Term
from .parameterisation import enlarged
from .pictures import tensor

if TYPE_CHECKING:
    from ml4a._core.kinds import Picture

    from .scene import Scene

Statistic: TypeAlias = Literal["wasserstein", "gram"]
_Distance: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

CONTENT_LAYERS = ("relu4_2",)
STYLE_LAYERS = {"relu1_1": 256.0, "relu2_1": 64.0, "relu3_1": 16.0, "relu4_1": 4.0, "relu5_1": 1.0}
"""Of VGG, with their weights: fine strokes weigh most, since their differences are the smallest."""


class Content(Term):
    """What is to be seen, wherever it is to be seen in `picture`.

    Args:
        picture: 1×3×H×W RGB in [0, 1]; it is resized to the size of the stage.
        layers: Whose features are to be the same; their losses are averaged.
        scaled: Whether the squared differences are divided by the absolute ones, so that large differences pull no
            more than small ones.
    """

    name = "content"

    def __init__(self, picture: torch.Tensor, layers: Sequence[str] = CONTENT_LAYERS, *, scaled: bool = False) -> None:
        self.picture, self.layers, self.scaled = picture, tuple(layers), scaled

    def begin(self, scene: Scene) -> Loss:
        """The mean squared difference of features, or the scaled one."""
        due = scene.look(enlarged(self.picture, scene.size), self.layers)
        differ = scaled_difference if self.scaled else F.mse_loss

        def loss(seen: Features) -> torch.Tensor:
            each = [differ(seen[layer], due[layer]) for layer in self.layers]
            return torch.stack(each).mean()

        return loss


class Style(Term):
    """What channels have in common, wherever in the picture they have it.

    Args:
        pictures: 1×3×h×w RGB in [0, 1], of any sizes.
        weights: Of each picture; by default equal.
        layers: And their weights, of which they get their share.
        statistic: `"wasserstein"` compares means and covariances as those of Gaussians, `"gram"` Gram matrices.
        exact: Whether `"wasserstein"` is computed in float64 where float32 is noisy.
    """

    name = "style"

    def __init__(
        self,
        pictures: Sequence[torch.Tensor],
        weights: Sequence[float] | None = None,
        layers: Mapping[str, float] = STYLE_LAYERS,
        *,
        statistic: Statistic = "wasserstein",
        exact: bool = True,
    ) -> None:
        weights = [1.0] * len(pictures) if weights is None else weights
        if not pictures or len(weights) != len(pictures):
            raise BadValue(f"{len(pictures)} styles have as many weights, not {len(weights)}")
        total = sum(abs(weight) for weight in weights)
        if total == 0:
            raise BadValue("the weights of the styles must not all be 0")
        self.pictures, self.weights = list(pictures), [weight / total for weight in weights]
        whole = sum(layers.values())
        self.layer_weights = {layer: weight / whole for layer, weight in layers.items()}
        self.layers, self.statistic, self.exact = tuple(layers), statistic, exact

    def begin(self, scene: Scene) -> Loss:
        """The weighted distances of the statistics from the styles' weighted mean."""
        begin = _gram_distance if self.statistic == "gram" else partial(_wasserstein_distance, exact=self.exact)
        looked = [scene.look(picture, self.layers) for picture in self.pictures]
        distances = {layer: begin([each[layer] for each in looked], self.weights) for layer in self.layers}

        def loss(seen: Features) -> torch.Tensor:
            each = [self.layer_weights[layer] * distance(seen[layer]) for layer, distance in distances.items()]
            return torch.stack(each).sum()

        return loss


class TotalVariation(Term):
    """Smoothness: the mean of the squared differences of neighbouring pixels.

    Args:
        neighbours: 8 to compare in all directions, or 2 for those to the right and below.
    """

    name = "smoothness"
    layers = (PICTURE,)

    def __init__(self, neighbours: Literal[8, 2] = 8) -> None:
        self.neighbours = neighbours

    def begin(self, scene: Scene) -> Loss:
        """The mean squared difference."""
        vary = total_variation if self.neighbours == 8 else forward_variation
        return lambda seen: vary(seen[PICTURE])


def content(picture: Picture, layers: Sequence[str] = CONTENT_LAYERS, *, scaled: bool = False) -> Objective:
    """The content of a picture, of the size of the stage or resized to it; see `Content`."""
    return Objective.of(Content(tensor(picture), layers, scaled=scaled))


def style(
    *pictures: Picture,
    weights: Sequence[float] | None = None,
    layers: Mapping[str, float] = STYLE_LAYERS,
    statistic: Statistic = "wasserstein",
    exact: bool = True,
) -> Objective:
    """The style of one or more pictures, of any sizes; see `Style`."""
    return Objective.of(Style([tensor(each) for each in pictures], weights, layers, statistic=statistic, exact=exact))


def smoothness(neighbours: Literal[8, 2] = 8) -> Objective:
    """Little noise; see `TotalVariation`."""
    return Objective.of(TotalVariation(neighbours))


def scaled_difference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The sum of squared differences divided by that of absolute ones."""
    difference = a - b
    return difference.square().sum() / (difference.abs().sum() + 1e-8)


def forward_variation(picture: torch.Tensor) -> torch.Tensor:
    """The mean of the squared differences to the pixel on the right and to that below; none beyond the border."""
    right = (picture[..., 1:] - picture[..., :-1]).square().sum()
    below = (picture[..., 1:, :] - picture[..., :-1, :]).square().sum()
    return (right + below) / picture.numel()


def total_variation(picture: torch.Tensor) -> torch.Tensor:
    """The weighted mean of the squared differences to all eight neighbours; the border is repeated outside."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    right = (padded[..., 1:-1, 1:-1] - padded[..., 1:-1, 2:]).square().mean()
    below = (padded[..., 1:-1, 1:-1] - padded[..., 2:, 1:-1]).square().mean()
    falling = (padded[..., 1:, 1:] - padded[..., :-1, :-1]).square().mean()
    rising = (padded[..., 1:, :-1] - padded[..., :-1, 1:]).square().mean()
    return 2 * (right / 3 + below / 3 + falling / 12 + rising / 12)


def _gram_distance(styles: Sequence[torch.Tensor], weights: Sequence[float]) -> _Distance:
    due = _mean([statistics.gram(features) for features in styles], weights)
    return lambda features: scaled_difference(statistics.gram(features), due)


def _wasserstein_distance(styles: Sequence[torch.Tensor], weights: Sequence[float], *, exact: bool = True) -> _Distance:
    each = [statistics.moments(features) for features in styles]
    due_mean, due_moment = (_mean([moments[which] for moments in each], weights) for which in (0, 1))
    due = statistics.covariance(due_mean, due_moment)
    root = statistics.root(due)

    def distance(features: torch.Tensor) -> torch.Tensor:
        mean, moment = statistics.moments(features)
        found = statistics.covariance(mean, moment)
        overlap = statistics.trace_of_root(root @ found @ root, exact=exact)
        spread = (due.diagonal().sum() + found.diagonal().sum() - 2 * overlap) / len(mean)
        return F.mse_loss(mean, due_mean) + spread

    return distance


def _mean(values: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    return torch.stack([weight * value for weight, value in zip(weights, values, strict=True)]).sum(dim=0)
