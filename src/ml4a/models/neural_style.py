"""Neural style: a picture in the style of others, each in its region if need be, in any size that memory has room for.

Gatys et al., CVPR 2016, arXiv:1508.06576, after neural-style-pt and what Kogan made of it in 2021.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, cast

from ml4a._core import devices
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture, Pictures
from ml4a._core.params import Doc, Range

from ._base import check_fits, resized
from ._operation import Seed, current_call, operation
from ._synthesis import (
    KeepColors,
    Resume,
    Size,
    Staying,
    StyleWeights,
    SynthesisModel,
    with_colors_of,
    working_size,
)

if TYPE_CHECKING:
    import torch

    from ml4a.synthesis.objectives import Objective
    from ml4a.synthesis.optimisers import Optimiser
    from ml4a.synthesis.schedule import Stage

_MOST_PASSES = 8

Content = Annotated[
    Picture | None, Doc("The picture that is painted; without one, there is the style's texture alone.")
]
Styles = Annotated[Pictures, Doc("One or more pictures whose style is wanted.")]
Regions = Annotated[
    Pictures | None,
    Doc("Where each style is wanted: a picture for each style, white there; without the last, it gets what is left."),
]
ContentWeight = Annotated[float, Range(low=0), Doc("How much of the picture is to be kept.")]
StyleWeight = Annotated[float, Range(low=0), Doc("How much of the style is wanted.")]
TVWeight = Annotated[float, Range(low=0), Doc("Weight against noise (total variation).")]
MeanWeight = Annotated[
    float, Range(low=0), Doc("Weight of the style's mean of each channel (hist_weight in the original).")
]
HistogramWeight = Annotated[float, Range(low=0), Doc("Weight of the style's histogram of each channel.")]
Statistic = Annotated[Literal["gram", "covariance"], Doc("How styles are compared; covariances leave out the means.")]
Blend = Annotated[
    Literal["mean", "each"],
    Doc("Several styles: the mean of them, or, as in the original of 2021, the losses of each with its share, summed."),
]
NormalizeGradients = Annotated[bool, Doc("Weigh gradients, not losses, by the squares of all weights but tv_weight.")]
Layers = Annotated[tuple[str, ...] | None, Doc("Names of layers, which model.layers() lists: relu3_1,relu4_1.")]
LayerWeights = Annotated[
    tuple[float, ...] | None, Range(low=0), Doc("Weight of each style layer; by default all are 1.")
]
Pooling = Annotated[Literal["max", "mean", "blurred"], Doc("How the network halves what it sees.")]
OptimizerName = Annotated[
    Literal["lbfgs", "plain_lbfgs", "adam"],
    Doc(
        "What moves the pixels; plain_lbfgs is the original's, which needs hundreds of steps, adam takes little memory."
    ),
]
StepSize = Annotated[float, Range(1e-3, 100), Doc("How far a step of Adam goes, where white is 255.")]
History = Annotated[
    int | None,
    Range(1, 1000),
    Doc("How many steps lbfgs learns from; by default 20 (plain_lbfgs: 100), or what memory has room for."),
]
Passes = Annotated[
    int | None,
    Range(1, _MOST_PASSES),
    Doc("Sizes that are gone through; by default from about 128 pixels to the result's."),
]
ScaleRatio = Annotated[float, Range(1, 4), Doc("How many times larger each pass is than the one before.")]
Iterations = Annotated[tuple[int, ...] | None, Range(1), Doc("Steps of each pass, the coarse one's first: 200,100,50.")]
StyleScale = Annotated[
    tuple[float, ...], Range(0.05, 8), Doc("Width of the styles beside the picture's longer side, for each pass.")
]
Init = Annotated[Literal["content", "noise"], Doc("Where to begin: the picture, or grey with a trace of noise.")]
Start = Annotated[Picture | None, Doc("A picture to begin with, in place of `init`.")]

_CONTENT_LAYERS = {"relu4_2": ("relu4_2",), "relu12": ("relu0", "relu3", "relu7", "relu12")}
_STYLE_LAYERS = {
    "relu4_2": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    "relu12": ("relu0", "relu3", "relu7", "relu12"),
}
"""By a layer that tells a network's kind: VGG, and Network in Network."""
_SHORTEST = 32
"""Pixels: no pass but the last has a shorter side."""
_COARSEST = 128
"""Pixels of the longer side with which the default passes begin."""
_ITERATIONS, _FEWEST_ITERATIONS = 40, 8
"""Of the first pass, and of the later ones at least: each has a fourth of the one before, since its steps cost more."""
_OF_A_STEP = 2 * 3 * 4
"""Bytes that L-BFGS keeps of a step for each pixel: where it went, and how the gradient changed."""
_LEAST_HISTORY = 10
_MOST_HISTORY = {"lbfgs": 20, "plain_lbfgs": 100}
_FIRST_STEP, _LONGEST_STEP = 8.0, 16.0
"""Of lbfgs: the root mean square of what a step changes, where white is 255."""
_NOISE = 1e-3
"""Deviation, where white is 255."""


class NeuralStyle(SynthesisModel):
    """Paints a picture in the style of others, or their texture on its own.

        paint = ml4a.load("neural_style")
        paint("photo.jpg", style=["waves.jpg", "night.jpg"], regions="sky.png").save("painted.png")

    As the original of 2021: `optimizer="plain_lbfgs"`, `iterations=1000`, `passes=1`, `init="noise"`, `tv_weight=1e-3`,
    `content_weight=5`, `pooling="blurred"`, `blend="each"`, `size=512`, and the weights `"vgg19"`.
    """

    card = "neural_style"
    networks = ("neural_style", "vgg16")

    @operation(
        verb="style",
        examples=(
            "ml4a style photo.jpg --model neural_style --style painting.jpg -o painted.png",
            "ml4a style photo.jpg --model neural_style --style sky.jpg --style sea.jpg --regions above.png",
            "ml4a style photo.jpg --model neural_style --style painting.jpg --size 1080 --passes 4 -o large.png",
            "ml4a style --model neural_style --style painting.jpg --size 512 -o texture.png",
        ),
    )
    def __call__(
        self,
        picture: Content = None,
        *,
        style: Styles,
        style_weights: StyleWeights = None,
        regions: Regions = None,
        content_weight: ContentWeight = 20.0,
        style_weight: StyleWeight = 100.0,
        tv_weight: TVWeight = 2e-4,
        mean_weight: MeanWeight = 0.0,
        histogram_weight: HistogramWeight = 0.0,
        statistic: Statistic = "gram",
        blend: Blend = "mean",
        normalize_gradients: NormalizeGradients = False,
        content_layers: Layers = None,
        style_layers: Layers = None,
        layer_weights: LayerWeights = None,
        pooling: Pooling = "max",
        keep_colors: KeepColors = False,
        size: Size = None,
        passes: Passes = None,
        scale_ratio: ScaleRatio = 2.0,
        iterations: Iterations = None,
        style_scale: StyleScale = (1.0,),
        init: Init = "content",
        start: Start = None,
        optimizer: OptimizerName = "lbfgs",
        step_size: StepSize = 1.0,
        history: History = None,
        staying: Staying = 1e5,
        resume: Resume = None,
        seed: Seed = None,
    ) -> Picture:
        """Paint `picture` in the style of one or more other pictures, from coarse to fine.

        Each pass begins with what the pass before has come to. Without a picture, the result has the proportions of the
        first style. Ctrl-C gives the best so far.

        Raises:
            BadValue: there are not as many weights or regions as styles; the picture is too small for the network.
            TooLarge: memory has no room for a picture of this size.
        """
        from ml4a.synthesis import film, likeness
        from ml4a.synthesis import regions as regional
        from ml4a.synthesis.engine import Synthesis
        from ml4a.synthesis.objectives import Objective
        from ml4a.synthesis.parameterisation import Pixels
        from ml4a.synthesis.schedule import Stage, per_stage

        if picture is None and keep_colors:
            raise BadValue("without a picture there are no colours to keep; leave keep_colors out")
        styles = self.tensors(style)
        x = None if picture is None else self.to_tensor(picture)
        whole = working_size(_size(styles[0] if x is None else x), size)
        carried = None if x is None else self.carried(x)
        network = self.network.variant(pooling)
        masks = None if regions is None else as_masks(cast("tuple[Picture, ...]", regions), len(styles))
        content_layers, weights = chosen_layers(network.layers(), content_layers, style_layers, layer_weights)
        later = dict(list(weights.items())[1:]) or weights

        passes = passes or default_passes(max(whole), scale_ratio)
        iterations = iterations or default_iterations(passes)
        current_call().resolved |= {"passes": passes, "iterations": iterations}
        sizes = pass_sizes(whole, 1 if carried else passes, scale_ratio, network.shortest)
        steps = per_stage(iterations, passes)[-len(sizes) :]
        stages = [Stage(each, int(count)) for each, count in zip(sizes, steps, strict=True)]
        scales = dict(zip(map(id, stages), per_stage(style_scale, passes)[-len(sizes) :], strict=True))

        def objective(stage: Stage) -> Objective:
            longest = max(stage.size) * scales[id(stage)]
            shown = [resized(each, style_size(_size(each), longest, network.shortest), "auto") for each in styles]
            options = {"weights": style_weights, "regions": None if masks is None else _resized(masks, stage.size)}
            style = regional.style(*shown, layers=weights, blend=blend, statistic=statistic, **options)
            means = regional.channel_means(*shown, layers=later, blend=blend, **options)
            wanted = [(style, style_weight), (means, mean_weight)]
            wanted += [(regional.histogram(*shown, layers=later, **options), histogram_weight)]
            if x is not None:
                there = resized(x, stage.size, "auto").to(self.device)
                wanted += [(len(content_layers) * likeness.content(there, content_layers), content_weight)]
            if normalize_gradients:
                wanted = [(regional.steeper(each, weight), weight) for each, weight in wanted]
            wanted += [(regional.variation(), tv_weight)]
            if carried is not None:
                wanted += [(film.staying(carried), staying)]
            if not any(weight for _, weight in wanted):
                raise BadValue("nothing is wanted: all weights are 0")
            return Objective(tuple(part for each, weight in wanted if weight for part in (weight * each).parts))

        if carried is not None:
            begin = carried.picture
        elif start is not None:
            begin = resized(self.to_tensor(start), whole)
        elif x is not None and init == "content":
            begin = resized(x, sizes[0], "auto")
        else:
            begin = noise(sizes[0], seed)
        synthesis = Synthesis(
            Pixels(begin.to(self.device), white=255, clamp=False, corners=True),
            objective,
            network,
            stages,
            self._optimiser(optimizer, whole, history, step_size),
            device=self.device,
        )
        result = self.made(synthesis, resume).clamp(0, 1)
        self.remember(x, result)
        return self.to_picture(with_colors_of(x, result) if keep_colors and x is not None else result)

    def _optimiser(self, name: str, size: tuple[int, int], history: int | None, rate: float) -> Optimiser:
        """What moves the pixels; L-BFGS remembers as many steps as was asked for, or as memory has room for.

        Raises:
            TooLarge: there is no room for so many, or for the least of them.
        """
        from ml4a.synthesis.optimisers import LBFGS, Adam
        from ml4a.synthesis.quasi_newton import QuasiNewton

        if name == "adam":
            return Adam(rate)
        budget, needed = devices.memory_budget(self.device), self.network.bytes_per_pixel
        room = int((budget / (size[0] * size[1]) - needed) / _OF_A_STEP)
        history = history or min(max(_LEAST_HISTORY, room), _MOST_HISTORY[name])
        check_fits(*size, needed + _OF_A_STEP * history, budget)
        current_call().resolved["history"] = history
        if name == "plain_lbfgs":
            return LBFGS(history)
        return QuasiNewton(history, first=_FIRST_STEP, longest=_LONGEST_STEP)


def as_masks(regions: Sequence[Picture], count: int) -> list[torch.Tensor]:
    """Pictures of regions as 1×1×h×w, as light as they are; a single one that is missing gets what is left.

    Raises:
        BadValue: others are missing, or there are too many.
    """
    import torch

    from ml4a.media import image

    if len(regions) not in (count, count - 1):
        raise BadValue(f"{count} styles have as many regions, or one less, not {len(regions)}")
    arrays = [image.to_array(each)[:, :, :3].mean(axis=2) for each in regions]
    masks = [torch.from_numpy(array)[None, None] for array in arrays]
    if len(masks) < count:
        size = _size(masks[0])
        masks.append((1 - _resized(masks, size).sum(dim=1, keepdim=True)).clamp(0, 1))
    return masks


def chosen_layers(
    known: Mapping[str, int],
    content: Sequence[str] | None,
    style: Sequence[str] | None,
    weights: Sequence[float] | None,
) -> tuple[tuple[str, ...], dict[str, float]]:
    """The content's layers, and the styles' with their weights, as given or by default.

    Raises:
        BadValue: there are not as many weights as layers.
    """
    kind = next((layer for layer in _STYLE_LAYERS if layer in known), "relu4_2")
    content, style = content or _CONTENT_LAYERS[kind], style or _STYLE_LAYERS[kind]
    weights = weights or [1.0] * len(style)
    if len(weights) != len(style):
        raise BadValue(f"{len(style)} style layers have as many layer_weights, not {len(weights)}")
    return tuple(content), dict(zip(style, weights, strict=True))


def pass_sizes(size: tuple[int, int], passes: int, ratio: float, shortest: int) -> list[tuple[int, int]]:
    """Widths and heights from coarse to fine, of which the last is `size`; what would be too small is left out.

    Raises:
        BadValue: `size` itself is too small.
    """
    width, height = size
    if min(size) < shortest:
        raise BadValue(
            f"the picture is {width}x{height} px; this network needs {shortest} px a side: give a larger size"
        )
    scales = (ratio**-number for number in reversed(range(1, passes)))
    coarse = ((int(width * scale), int(height * scale)) for scale in scales)
    return [*(each for each in coarse if min(each) >= max(shortest, _SHORTEST)), size]


def default_passes(longest: int, ratio: float) -> int:
    """How many passes lead from about 128 pixels to the longest side."""
    if ratio == 1 or longest <= _COARSEST:
        return 1
    return min(_MOST_PASSES, 1 + math.floor(math.log(longest / _COARSEST, ratio) + 1e-6))


def default_iterations(passes: int) -> tuple[int, ...]:
    """Fewer from pass to pass."""
    return tuple(max(_FEWEST_ITERATIONS, _ITERATIONS // 4**number) for number in range(passes))


def style_size(size: tuple[int, int], width: float, shortest: int) -> tuple[int, int]:
    """A style's width and height at that width, in proportion, but with no side that is too short for the network."""
    across = max(int(width), -(-shortest * size[0] // min(size)))
    return across, max(shortest, across * size[1] // size[0])


def noise(size: tuple[int, int], seed: int | None) -> torch.Tensor:
    """1×3×H×W of what the networks take for grey, with a trace of noise."""
    import torch

    from ml4a.networks.vgg import CAFFE

    generator = torch.Generator().manual_seed(seed or 0)
    values = torch.randn(1, 3, size[1], size[0], generator=generator) * _NOISE
    return (values + torch.tensor(CAFFE.mean[::-1])[:, None, None]) / CAFFE.white


def _resized(masks: Sequence[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    """Masks as 1×n×H×W."""
    import torch

    return torch.cat([resized(mask, size, "auto") for mask in masks], dim=1)


def _size(x: torch.Tensor) -> tuple[int, int]:
    return x.shape[3], x.shape[2]
