"""Scene parsing: what every pixel of a photograph shows, one of 150 things.

Zhao et al., CVPR 2017, arXiv:1612.01105; Zhou et al., CVPR 2017, arXiv:1608.05442.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from ml4a._core import devices, progress
from ml4a._core.errors import BadValue, TooLarge
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._labelling import LabellingModel, Only, Opacity, Segmentation, View, bilinear, by_pixel
from ._operation import operation

if TYPE_CHECKING:
    import torch
LONGEST = 1000
"""Pixels of the longer side in which a picture is looked at, at most."""

Sizes = Annotated[
    int | tuple[int, ...],
    Range(32, LONGEST),
    Doc("Shorter sides, in pixels, in which the picture is looked at; what is seen in all of them counts."),
]
Quick = Annotated[bool, Doc("Look once, in the middle one of the sizes: five times as fast, a little coarser.")]
SIZES = (300, 375, 450, 525, 600)


class SemanticSegmentation(LabellingModel):
    """Finds sky, trees, walls, people and 146 other things in photographs of places."""

    card = "semantic_segmentation"
    labels = "ade20k"

    @operation()
    def __call__(self, picture: Picture, *, sizes: Sizes = SIZES, quick: Quick = False) -> Segmentation:
        """Name what every pixel of `picture` shows, in the words of `segmentation.ADE20K`.

            found = ml4a.load("semantic_segmentation")("street.jpg")
            found.mask("sky"), found.overlay("street.jpg"), found.present()

        As in the original's evaluation, probabilities are averaged over several sizes. (The library of 2021 looked
        once, in the picture's own size, which is far from what the network has learnt if the picture is large.)

        Returns:
            A label map of the picture's size; its soft masks are the averaged probabilities.
        """
        return self.parsed(self.to_tensor(picture), sizes, quick)

    @operation(
        verb="segment",
        examples=(
            "ml4a segment street.jpg --view legend -o named.png",
            "ml4a segment street.jpg --only sky --view mask -o sky.png",
            "ml4a segment walk.mp4 --quick -o areas.mp4",
            "ml4a segment portrait.jpg --model face_parsing --only hair",
        ),
    )
    def show(
        self,
        picture: Picture,
        *,
        view: View = "overlay",
        only: Only = None,
        opacity: Opacity = 0.6,
        sizes: Sizes = SIZES,
        quick: Quick = False,
    ) -> Picture:
        """Show what the pixels of `picture` are: a colour for each of 150 things, over the picture or alone.

        Returns:
            A picture of the kind that came in; its transparency is kept. A legend makes it wider.
        """
        x = self.to_tensor(picture)
        return self.shown(x, self.parsed(x, sizes, quick), view, only, opacity)

    def parsed(self, x: torch.Tensor, sizes: int | Sequence[int] = SIZES, quick: bool = False) -> Segmentation:
        """1×3×H×W in [0, 1] to its label map."""
        from ml4a.ops.color import imagenet_normalised

        chosen = [sizes] if isinstance(sizes, int) else list(sizes)
        if not chosen:
            raise BadValue("sizes must be one number or more")
        chosen = [chosen[len(chosen) // 2]] if quick else chosen
        height, width = x.shape[-2:]
        self._check_fits(width, height, max(chosen))
        logits = []
        for number, side in enumerate(chosen):
            progress.report(self.card, number, len(chosen), "sizes")
            seen = imagenet_normalised(bilinear(x, seen_size(width, height, side)))
            logits.append(by_pixel(self.run(seen, function=self.network.logits)))
        return self.segmentation(logits, (width, height))

    def _check_fits(self, width: int, height: int, side: int) -> None:
        across, down = seen_size(width, height, side)
        needed = across * down * self.network.bytes_per_pixel
        budget = devices.memory_budget(self.device)
        if needed > budget:
            fitting = int(min(across, down) * (budget / needed) ** 0.5) // 8 * 8
            raise TooLarge(
                f"looking at {across}x{down} px needs {needed / 2**30:.2f} GiB of memory and {budget / 2**30:.2f} GiB "
                f"may be used; look at sizes={fitting} or less (--sizes {fitting}), or raise ML4A_MEMORY"
            )


def seen_size(width: int, height: int, side: int) -> tuple[int, int]:
    """(width, height) in which a picture is looked at: shorter side `side`, longer 1000 at most, multiples of 8."""
    scale = min(side / min(height, width), LONGEST / max(height, width))
    across, down = (max(8, -(-int(length * scale) // 8) * 8) for length in (width, height))
    return across, down
