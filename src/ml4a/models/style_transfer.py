"""Style transfer in several scales: a picture painted in the style of others, from coarse to fine.

Gatys et al., CVPR 2016, arXiv:1508.06576, after Crowson's style-transfer-pytorch of 2021 and 2023.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from ml4a._core.kinds import Picture, Pictures
from ml4a._core.params import Doc, Range

from ._base import resized
from ._operation import Seed, operation
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

Styles = Annotated[Pictures, Doc("One or more pictures whose style is wanted.")]
ContentWeight = Annotated[float, Range(low=0), Doc("How much of the picture is to be kept.")]
Smoothness = Annotated[float, Range(low=0), Doc("Weight against noise (total variation).")]
Loss = Annotated[
    Literal["wasserstein", "gram"],
    Doc("How styles are compared: as the original does since 2023, or by Gram matrices as in 2021."),
]
Init = Annotated[
    Literal["content", "gray", "uniform", "normal", "style_mean", "style_stats"],
    Doc("Where to begin: the picture, grey, noise, or noise in the styles' colours."),
]
Start = Annotated[Picture | None, Doc("A picture to begin with, in place of `init`.")]
Pooling = Annotated[Literal["max", "average", "l2"], Doc("How the network halves what it sees.")]
OptimizerName = Annotated[
    Literal["lbfgs", "plain_lbfgs", "adam"],
    Doc("What moves the pixels: L-BFGS whose steps are sure to help, torch's own L-BFGS, or Adam."),
]
StyleScale = Annotated[float, Range(0.05, 8), Doc("Size of the styles beside the picture: larger is coarser strokes.")]
StyleSize = Annotated[int | None, Range(16), Doc("Longest side of the styles in pixels, whatever the picture's.")]
MinScale = Annotated[int, Range(16), Doc("Longest side at which to begin, in pixels.")]
Iterations = Annotated[
    int, Range(0), Doc("Steps at each size between the first and the last, and of a film's next frame.")
]
InitialIterations = Annotated[int, Range(1), Doc("Steps at the first size.")]
FinalIterations = Annotated[int, Range(1), Doc("Steps at the last size.")]
StepSize = Annotated[float, Range(1e-4, 1), Doc("How far a step of Adam goes, where white is 1.")]
Decay = Annotated[
    float | None,
    Range(0, 0.9999),
    Doc("Share of the past in the mean of pictures that is the result; by default 0.99 for adam alone."),
]


_HISTORY = 10
"""Steps that L-BFGS learns from, as in the original."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What the original changed together with how it compares styles."""

    filter: Literal["lanczos", "bicubic"]
    betas: tuple[float, float]
    scaled: bool
    neighbours: Literal[2, 8]


_FORMS = {
    "gram": _Form("lanczos", (0.9, 0.999), scaled=True, neighbours=2),
    "wasserstein": _Form("bicubic", (0.9, 0.99), scaled=False, neighbours=8),
}


class StyleTransfer(SynthesisModel):
    """Paints a picture in the style of others, from coarse to fine.

        paint = ml4a.load("style_transfer")
        paint("photo.jpg", style=["waves.jpg", "night.jpg"], style_weights=(2, 1)).save("painted.png")

    As the original of 2023: weights `"vgg19"`, `content_weight=0.015`, `optimizer="adam"`, `initial_iterations=1000`,
    `iterations=500` and `final_iterations=500`; as that of 2021: `loss="gram"`, too.
    """

    card = "style_transfer"
    networks = ("style_transfer", "vgg16")

    @operation(
        verb="style",
        examples=(
            "ml4a style photo.jpg --model style_transfer --style painting.jpg -o painted.png",
            "ml4a style photo.jpg --model style_transfer --style a.jpg --style b.jpg --style-weights 2,1",
            "ml4a style clip.mp4 --model style_transfer --style painting.jpg --size 256 -o painted.mp4",
        ),
    )
    def __call__(
        self,
        picture: Picture,
        *,
        style: Styles,
        style_weights: StyleWeights = None,
        content_weight: ContentWeight = 0.05,
        smoothness: Smoothness = 2.0,
        loss: Loss = "wasserstein",
        keep_colors: KeepColors = False,
        size: Size = None,
        init: Init = "content",
        start: Start = None,
        min_scale: MinScale = 128,
        initial_iterations: InitialIterations = 12,
        iterations: Iterations = 5,
        final_iterations: FinalIterations = 30,
        optimizer: OptimizerName = "lbfgs",
        step_size: StepSize = 0.02,
        average: Decay = None,
        pooling: Pooling = "max",
        style_scale: StyleScale = 1.0,
        style_size: StyleSize = None,
        staying: Staying = 50.0,
        resume: Resume = None,
        seed: Seed = None,
    ) -> Picture:
        """Paint `picture` in the style of one or more other pictures, from coarse to fine.

        Each size begins with what the size before has come to. Ctrl-C gives the best so far.
        """
        from ml4a.synthesis import film, likeness
        from ml4a.synthesis.engine import Synthesis
        from ml4a.synthesis.optimisers import LBFGS, Adam
        from ml4a.synthesis.parameterisation import Pixels
        from ml4a.synthesis.quasi_newton import QuasiNewton
        from ml4a.synthesis.schedule import Stage, fitting, scales

        form = _FORMS[loss]
        x, styles = self.to_tensor(picture), self.tensors(style)
        carried = self.carried(x)
        final = working_size((x.shape[3], x.shape[2]), size)
        sides = scales(min_scale, max(final))[:-1] if carried is None else []
        sizes = [*(fitting((x.shape[3], x.shape[2]), side, enlarge=True) for side in sides), final]
        counts = [iterations] if carried else [initial_iterations, *[iterations] * (len(sides) - 1), final_iterations]
        counts = counts[-len(sizes) :]
        stages = [Stage(each, count) for each, count in zip(sizes, counts, strict=True)]

        def shown(longest: int) -> list[torch.Tensor]:
            return [resized(each, fitting((each.shape[3], each.shape[2]), longest), form.filter) for each in styles]

        def objective(stage: Stage) -> Objective:
            there = resized(x, stage.size, form.filter).to(self.device)
            look = shown(style_size or max(1, round(max(stage.size) * style_scale)))
            wanted = likeness.style(*look, weights=style_weights, statistic=loss, exact=self.precision == "float32")
            wanted += content_weight * likeness.content(there, scaled=form.scaled)
            wanted += smoothness * likeness.smoothness(form.neighbours)
            return wanted if carried is None else wanted + staying * film.staying(carried)

        if carried is not None:
            begin = carried.picture
        elif start is not None:
            begin = resized(self.to_tensor(start), stages[0].size, form.filter)
        else:
            begin = beginning(init, resized(x, stages[0].size, form.filter), styles, style_weights, seed)
        optimisers: dict[str, Callable[[], Optimiser]] = {
            "lbfgs": lambda: QuasiNewton(_HISTORY),
            "plain_lbfgs": lambda: LBFGS(_HISTORY),
            "adam": lambda: Adam(step_size, form.betas, keep=True),
        }
        synthesis = Synthesis(
            Pixels(begin.to(self.device), clamp=optimizer == "adam"),
            objective,
            self.network.variant(pooling, "replicate"),
            stages,
            optimisers[optimizer](),
            average=(0.99 if optimizer == "adam" else 0.0) if average is None else average,
            device=self.device,
        )
        result = self.made(synthesis, resume).clamp(0, 1)
        self.remember(x, result)
        return self.to_picture(with_colors_of(x, result) if keep_colors else result)


def beginning(
    init: str, content: torch.Tensor, styles: Sequence[torch.Tensor], weights: Sequence[float] | None, seed: int | None
) -> torch.Tensor:
    """The picture to begin with, in the size of `content`.

    Args:
        init: `"content"` is it; others are noise.
        content: 1×3×H×W RGB in [0, 1].
        styles: 1×3×h×w, whose colours `"style_mean"` and `"style_stats"` take.
        weights: Of the styles.
        seed: Of the noise.
    """
    import torch

    if init == "content":
        return content
    generator = torch.Generator().manual_seed(seed or 0)
    noise = torch.rand(content.shape, generator=generator)
    if init == "uniform":
        return noise
    if init == "gray":
        return noise / 255 + 0.5
    if init == "normal":
        return _truncated_normal(torch.tensor([0.5] * 3), torch.tensor([0.25] * 3), content, generator)
    shares = torch.tensor(weights or [1.0] * len(styles)).abs()
    shares = shares / shares.sum()
    mean = torch.stack([s * each.mean((0, 2, 3)) for s, each in zip(shares, styles, strict=True)]).sum(0)
    if init == "style_mean":
        return noise / 255 + mean[:, None, None]
    variance = torch.stack([s * each.var((0, 2, 3)) for s, each in zip(shares, styles, strict=True)]).sum(0)
    return _truncated_normal(mean, variance.sqrt().clamp(min=1e-4), content, generator)


def _truncated_normal(
    mean: torch.Tensor, deviation: torch.Tensor, like: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Normal numbers for each channel, drawn again where they are not in [0, 1]."""
    import torch

    values = [
        torch.nn.init.trunc_normal_(torch.empty_like(like[:, 0]), float(m), float(d), 0, 1, generator=generator)
        for m, d in zip(mean, deviation, strict=True)
    ]
    return torch.stack(values, dim=1)
