"""HED: the edges of a picture, soft as a pencil's (Xie & Tu, ICCV 2015, arXiv:1504.06375)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._drawing import DrawingModel, Strength, Thin, Transparent
from ._operation import operation

if TYPE_CHECKING:
    import torch

Tile = Annotated[int | None, Range(low=64), Doc("Side of a tile in pixels; by default what fits in memory.")]


class HED(DrawingModel):
    """Draws the edges that people would draw: outlines rather than every texture."""

    card = "hed"

    @operation(
        verb="sketch",
        examples=(
            "ml4a sketch photo.jpg -o drawing.png",
            "ml4a sketch photo.jpg --thin -o plot.svg",
            "ml4a sketch clip.mp4 -o drawing.mp4 --thin --steady 0.5",
        ),
    )
    def __call__(
        self,
        picture: Picture,
        *,
        strength: Strength = 1.0,
        thin: Thin = False,
        transparent: Transparent = False,
        tile: Tile = None,
    ) -> Picture:
        """Draw the edges of `picture`: black lines on white, the picture's size.

        Returns:
            A picture of the kind that came in; its transparency is kept.
        """
        edges = self.edges(self.to_tensor(picture), tile)
        return self.to_drawing(edges, strength=strength, thin=thin, transparent=transparent)

    def edges(self, x: torch.Tensor, tile: int | None = None) -> torch.Tensor:
        """The probability of an edge in each pixel: 1×3×H×W RGB in [0, 1] to 1×1×H×W in [0, 1].

        The network's five side outputs are computed in tiles and fused at once, because resizing them is global.
        """
        import torch
        from torch.nn import functional as F

        height, width = x.shape[-2:]
        multiple = self.network.in_multiple
        # Fewer than 16 pixels would vanish in the four poolings.
        right, below = (max(0, 16 - side, -side % multiple) for side in (width, height))
        x = F.pad(x.flip(1) * self.network.white, (0, right, 0, below), mode="replicate")
        sides = self.run(x, function=self.network.sides, tile=tile, scales=self.network.side_scales)
        with torch.inference_mode():
            return self.network.fuse(sides, x.shape[-2:])[:, :, :height, :width].float().cpu()
