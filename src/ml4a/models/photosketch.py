"""Photo-Sketching: contours as a person would draw them (Li et al., WACV 2019, arXiv:1901.00542)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._drawing import DrawingModel, Strength, Thin, Transparent
from ._operation import operation

if TYPE_CHECKING:
    import torch

Size = Annotated[
    int, Range(32, 4096), Doc("Shorter side, in pixels, at which the lines are found; larger finds finer ones.")
]

_LONGEST = 4
"""How many times as long as its shorter side a picture is at most while it is drawn; longer ones are squeezed."""


class PhotoSketch(DrawingModel):
    """Draws the few lines with which a person would outline what is in a photograph."""

    card = "photosketch"

    @operation(
        verb="sketch",
        examples=(
            "ml4a sketch photo.jpg --model photosketch -o drawing.png",
            "ml4a sketch photo.jpg --model photosketch --size 512 --thin -o plot.svg",
        ),
    )
    def __call__(
        self,
        picture: Picture,
        *,
        strength: Strength = 1.0,
        thin: Thin = False,
        transparent: Transparent = False,
        size: Size = 256,
    ) -> Picture:
        """Draw the contours of `picture`: black lines on white, the picture's size.

        The network learnt from pictures of 256 px a side. The original squeezes every picture to that; here its
        proportions are kept, unless it is more than four times as long as it is wide.

        Returns:
            A picture of the kind that came in; its transparency is kept.
        """
        lines = self.lines(self.to_tensor(picture), size)
        return self.to_drawing(lines, strength=strength, thin=thin, transparent=transparent)

    def lines(self, x: torch.Tensor, size: int = 256) -> torch.Tensor:
        """How dark the lines in each pixel are: 1×3×H×W RGB in [0, 1] to 1×1×H×W in [0, 1]."""
        import torch

        from ml4a.media import image

        height, width = x.shape[-2:]
        at = image.resize(x[0].permute(1, 2, 0).contiguous().numpy(), _size(width, height, size), "bicubic")
        drawing = self.run(torch.from_numpy(at).permute(2, 0, 1)[None] * 2 - 1)
        dark = (0.5 - 0.5 * drawing[0, 0].float()).cpu().numpy()
        return torch.from_numpy(image.resize(dark[:, :, None], (width, height), "bicubic"))[None, None, :, :, 0]


def _size(width: int, height: int, shorter: int) -> tuple[int, int]:
    """The size (width, height) at which a picture is drawn: multiples of 4, as the network halves twice."""
    factor = shorter / min(width, height)
    longest = _LONGEST * shorter
    across, down = (4 * round(min(longest, side * factor) / 4) for side in (width, height))
    return across, down
