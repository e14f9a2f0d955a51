"""Several styles, each in its region of the picture, as neural style's programs compare them.

Gatys et al., CVPR 2016, arXiv:1508.06576; regions: Gatys et al., Controlling Perceptual Factors in Neural Style
Transfer, CVPR 2017, arXiv:1611.07865; the forms of the losses are those of neural-style-pt and of Kogan's neural_style.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch.nn import functional as F

from ml4a._core.errors import BadValue, UnknownName
from ml4a.ops import statistics

from .objectives import PICTURE, Features, Loss, Objective, Term
from .parameterisation import enlarged

if TYPE_CHECKING:
    from ml4a.networks.features import FeatureNetwork

    from .scene import Scene

Statistic: TypeAlias = Literal["gram", "covariance"]
Blend: TypeAlias = Literal["mean", "each"]

STYLE_LAYERS = {"relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 1.0}
HISTOGRAM_LAYERS = {"relu2_1": 1.0, "relu3_1": 1.0, "relu4_1": 1.0, "relu5_1": 1.0}
"""Of VGG, with their weights."""

_INSIDE = 0.5
"""What a mask must have for a pixel to be counted as in a region, where pixels are counted."""


@dataclass(frozen=True, slots=True)
class _Region:
    """Where something is wanted, at the size of a layer."""

    mask: torch.Tensor
    """1×1×h×w."""
    mean: float


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a layer should have."""

    value: torch.Tensor
    weight: float
    region: _Region | None
    """None is everywhere."""


class _OfStyles(Term):
    """What a picture should have in common with others, in one layer after the other.

    Args:
        pictures: 1×3×h×w RGB in [0, 1], of any sizes.
        weights: Of each picture; by default equal.
        layers: And the weights of their losses, which are summed.
        regions: 1×n×H×W in [0, 1]: where each of the n pictures is wanted; by default, all are wanted everywhere.
        blend: `"mean"` wants the mean of what the pictures have; in regions, weights say how strongly each is wanted.
            `"each"` wants of each picture its share, and adds the losses up; the pictures' borders count less, as those
            of regions do.

    Raises:
        BadValue: there are not as many weights or regions as pictures, or nothing has a weight.
    """

    def __init__(
        self,
        pictures: Sequence[torch.Tensor],
        weights: Sequence[float] | None,
        layers: Mapping[str, float],
        regions: torch.Tensor | None,
        blend: Blend = "mean",
    ) -> None:
        count = len(pictures)
        weights = [1.0] * count if weights is None else weights
        if not pictures or len(weights) != count:
            raise BadValue(f"{count} styles have as many weights, not {len(weights)}")
        if regions is not None and regions.shape[1] != count:
            raise BadValue(f"{count} styles have as many regions, not {regions.shape[1]}")
        total = sum(abs(weight) for weight in weights)
        if total == 0:
            raise BadValue("the weights of the styles must not all be 0")
        self.pictures, self.shares = list(pictures), [weight / total for weight in weights]
        self.layers, self.layer_weights, self.regions, self.blend = tuple(layers), dict(layers), regions, blend

    def begin(self, scene: Scene) -> Loss:
        """The weighted sum of the losses."""
        looked = [self._look(scene, picture) for picture in self.pictures]
        regions = self._regions(scene)
        wanted = {
            layer: self._wanted([self._measured(features[layer], faded[layer]) for features, faded in looked], each)
            for layer, each in regions.items()
        }

        def loss(seen: Features) -> torch.Tensor:
            each = [self.layer_weights[layer] * self._loss(seen[layer], due) for layer, due in wanted.items()]
            return torch.stack(each).sum()

        return loss

    def _look(self, scene: Scene, picture: torch.Tensor) -> tuple[Features, Mapping[str, _Region | None]]:
        """What layers make of a style, and where it counts."""
        if self.blend == "mean" and self.regions is None:
            return scene.look(picture, self.layers), dict.fromkeys(self.layers)
        whole = torch.ones_like(picture[:, :1], device=scene.device)
        features, faded = through_layers(scene.network, picture.to(scene.device), whole, self.layers)
        return features, {layer: _Region(mask, float(mask.mean())) for layer, mask in faded.items()}

    def _regions(self, scene: Scene) -> dict[str, list[_Region | None]]:
        """By layer, the regions of all styles."""
        if self.regions is None:
            return {layer: [None] * len(self.pictures) for layer in self.layers}
        regions = enlarged(self.regions.to(scene.device), scene.size, "bilinear").transpose(0, 1)
        picture = torch.zeros(1, 3, *regions.shape[-2:], device=scene.device)
        _, found = through_layers(scene.network, picture, regions, self.layers)
        return {layer: [_Region(mask, float(mask.mean())) for mask in masks.split(1)] for layer, masks in found.items()}

    def _wanted(self, values: Sequence[torch.Tensor], regions: Sequence[_Region | None]) -> list[_Wanted]:
        """What is wanted of a layer, of what the styles have there."""
        if self.blend == "mean" and self.regions is None:
            return [_Wanted(self._mean(values), 1.0, None)]
        found = []
        for value, share, region in zip(values, self.shares, regions, strict=True):
            if self.blend == "each":
                found.append(_Wanted(self._part(value, share), self._weight(region), region))
            elif region is not None and region.mean > 0:
                found.append(_Wanted(value, share * len(values) * self._weight(region), region))
        return found

    def _loss(self, features: torch.Tensor, wanted: Sequence[_Wanted]) -> torch.Tensor:
        """The loss of one layer, 1×C×h×w. What is measured of the whole is measured once."""
        measured = {id(each.region): each.region for each in wanted}
        found = {key: self._measured(features, region) for key, region in measured.items()}
        losses = [each.weight * self._distance(found[id(each.region)], each.value) for each in wanted]
        return torch.stack(losses).sum() if losses else features.sum() * 0  # no region has a pixel here

    def _mean(self, values: Sequence[torch.Tensor]) -> torch.Tensor:
        """What is between the styles."""
        return torch.stack([share * value for share, value in zip(self.shares, values, strict=True)]).sum(dim=0)

    def _part(self, value: torch.Tensor, share: float) -> torch.Tensor:
        """What is wanted of a style where each is wanted."""
        return share * value

    def _weight(self, region: _Region | None) -> float:
        """How much the loss in a region counts."""
        return 1.0 if region is None else region.mean

    def _distance(self, found: torch.Tensor, due: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(found, due)

    @abstractmethod
    def _measured(self, features: torch.Tensor, region: _Region | None) -> torch.Tensor:
        """What is compared of 1×C×h×w."""


class Style(_OfStyles):
    """What channels have in common: their Gram matrices, or their covariances, which leave the means out.

    A matrix is divided by the number of values that it is made of, and by the mean of its region's mask.

    Args:
        pictures, weights, layers, regions, blend: See `style`.
        statistic: Which matrix.
    """

    name = "style"

    def __init__(
        self,
        pictures: Sequence[torch.Tensor],
        weights: Sequence[float] | None,
        layers: Mapping[str, float],
        regions: torch.Tensor | None,
        blend: Blend,
        statistic: Statistic,
    ) -> None:
        super().__init__(pictures, weights, layers, regions, blend)
        self.statistic = statistic

    def _measured(self, features: torch.Tensor, region: _Region | None) -> torch.Tensor:
        divisor = float(features.shape[1])
        if region is not None:
            features = features * region.mask
            divisor *= region.mean or 1.0
        if self.statistic == "gram":
            return statistics.gram(features) / divisor
        mean, moment = statistics.moments(features)
        return (moment - torch.outer(mean, mean)) / divisor


class ChannelMeans(_OfStyles):
    """How much there is of each channel; Kogan's program calls it a histogram.

    Where each style is wanted, all of each is, whatever its share.
    """

    name = "means"

    def _measured(self, features: torch.Tensor, region: _Region | None) -> torch.Tensor:
        return (features if region is None else features * region.mask).mean(dim=(0, 2, 3))

    def _part(self, value: torch.Tensor, share: float) -> torch.Tensor:
        return value

    def _weight(self, region: _Region | None) -> float:
        return 1.0


class Histogram(_OfStyles):
    """How often each channel has which value: Risser et al., 2017, arXiv:1701.08893.

    Pixels are compared when they are sorted: the smallest with the styles' smallest, the median with their median.
    """

    name = "histogram"

    def _measured(self, features: torch.Tensor, region: _Region | None) -> torch.Tensor:
        values = features[0].flatten(1)
        if region is not None:
            values = values[:, region.mask.flatten() >= _INSIDE * region.mask.max()]
        return values.contiguous().sort(dim=1).values  # by rows, in half the time

    def _mean(self, values: Sequence[torch.Tensor]) -> torch.Tensor:
        most = max(value.shape[1] for value in values)
        return super()._mean([_resampled(value, most) for value in values])

    def _distance(self, found: torch.Tensor, due: torch.Tensor) -> torch.Tensor:
        return F.mse_loss(found, _resampled(due, found.shape[1]))


class Variation(Term):
    """Smoothness: the sum of the absolute differences of pixels to those on the right and below; white is 255."""

    name = "smoothness"
    layers = (PICTURE,)

    def begin(self, scene: Scene) -> Loss:
        """The sum, which grows with the picture."""
        return lambda seen: 255 * absolute_variation(seen[PICTURE])


class Steeper(Term):
    """Another term, with a multiple of its gradient but the same loss.

    Args:
        term: The term.
        factor: What the gradient is multiplied by.
    """

    def __init__(self, term: Term, factor: float) -> None:
        self.name, self.layers, self.term, self.factor = term.name, term.layers, term, factor

    def begin(self, scene: Scene) -> Loss:
        """The term's own loss."""
        plain = self.term.begin(scene)

        def loss(seen: Features) -> torch.Tensor:
            value = plain(seen)
            return value.detach() + self.factor * (value - value.detach())

        return loss


def style(
    *pictures: torch.Tensor,
    weights: Sequence[float] | None = None,
    layers: Mapping[str, float] = STYLE_LAYERS,
    regions: torch.Tensor | None = None,
    blend: Blend = "mean",
    statistic: Statistic = "gram",
) -> Objective:
    """The style of one or more pictures, everywhere or in regions; see `Style`.

    Args:
        *pictures: 1×3×h×w RGB in [0, 1], of any sizes.
        weights: Of each picture; by default equal.
        layers: And the weights of their losses, which are summed.
        regions: 1×n×H×W in [0, 1]: where each of the n pictures is wanted; by default, all are wanted everywhere.
        blend: `"mean"` wants the mean of what the pictures have; in regions, weights say how strongly each is wanted.
            `"each"` wants of each picture its share, and adds the losses up; the pictures' borders count less, as those
            of regions do.
        statistic: Gram matrices or covariances.

    Raises:
        BadValue: there are not as many weights or regions as pictures, or nothing has a weight.
    """
    return Objective.of(Style(pictures, weights, layers, regions, blend, statistic))


def channel_means(
    *pictures: torch.Tensor,
    weights: Sequence[float] | None = None,
    layers: Mapping[str, float] = HISTOGRAM_LAYERS,
    regions: torch.Tensor | None = None,
    blend: Blend = "mean",
) -> Objective:
    """The mean of each channel of one or more pictures; see `ChannelMeans`, and `style` for the arguments."""
    return Objective.of(ChannelMeans(pictures, weights, layers, regions, blend))


def histogram(
    *pictures: torch.Tensor,
    weights: Sequence[float] | None = None,
    layers: Mapping[str, float] = HISTOGRAM_LAYERS,
    regions: torch.Tensor | None = None,
) -> Objective:
    """The values of each channel of one or more pictures; see `Histogram`, and `style` for the arguments."""
    return Objective.of(Histogram(pictures, weights, layers, regions))


def variation() -> Objective:
    """Little noise; see `Variation`."""
    return Objective.of(Variation())


def steeper(objective: Objective, factor: float) -> Objective:
    """The same losses, with a multiple of their gradients."""
    return Objective(tuple(replace(part, term=Steeper(part.term, factor)) for part in objective.parts))


def absolute_variation(picture: torch.Tensor) -> torch.Tensor:
    """The sum of the absolute differences to the pixel on the right and to that below; none beyond the border."""
    return picture.diff(dim=3).abs().sum() + picture.diff(dim=2).abs().sum()


def through_layers(
    network: FeatureNetwork, picture: torch.Tensor, masks: torch.Tensor, layers: Collection[str]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What the named layers make of a picture, and what becomes of masks on the way there, without gradients.

    A convolution smears masks as it does the picture: to the mean of 3×3 pixels, where those beyond the border are 0.
    What changes the picture's size resizes it.

    Args:
        network: What looks.
        picture: 1×3×H×W RGB in [0, 1].
        masks: n×1×H×W.
        layers: Names of layers.

    Returns:
        By layer, 1×C×h×w, and n×1×h×w.

    Raises:
        UnknownName: there is no layer of this name; the message has the nearest.
    """
    features: dict[str, torch.Tensor] = {}
    found: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for name, seen in network.walk(picture, layers):
            if masks.shape[-2:] != seen.shape[-2:]:
                masks = F.interpolate(masks, seen.shape[-2:], mode="bilinear", align_corners=False)
            elif name.startswith("conv"):
                masks = F.avg_pool2d(masks, 3, 1, 1)
            if name in layers:
                features[name], found[name] = seen, masks
                if len(found) == len(set(layers)):
                    return features, found
    raise UnknownName("layer", (set(layers) - found.keys()).pop(), network.layers())


def _resampled(values: torch.Tensor, count: int) -> torch.Tensor:
    """Sorted values C×N as so many, C×count."""
    if values.shape[1] == count:
        return values
    return F.interpolate(values[None], count, mode="linear", align_corners=False)[0]
