"""White-box Cartoonization: a photograph as a frame of a drawn film (Wang & Yu, CVPR 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel
from ._operation import operation

if TYPE_CHECKING:
    import torch

LARGEST_SHORT_SIDE = 720
"""To which the original brought larger photographs."""

Texture = Annotated[float, Range(0, 1), Doc("How much of the photograph's texture stays; 0.5 is the original's.")]
Size = Annotated[
    int | None,
    Range(low=16),
    Doc("Work at this height in pixels: the less, the bolder; by default at a shorter side of at most 720."),
]
Tile = Annotated[int | None, Range(low=64), Doc("Side of a tile in pixels; by default what fits in memory.")]


class Cartoonization(PictureModel):
    """Draws photographs in flat, clear colours, as in a film by Hayao Miyazaki or Makoto Shinkai."""

    card = "cartoonization"

    def load(self, files: dict[str, Path]) -> None:
        """Build the network from the checkpoint's two files."""
        from ml4a import weights
        from ml4a.networks import from_state_dict

        checkpoint = weights.read((files["index"], files["data"]), "tf_checkpoint")
        self.network = self.place(from_state_dict("cartoonization", checkpoint.arrays()))

    @operation(
        verb="cartoonize",
        examples=("ml4a cartoonize photo.jpg", "ml4a cartoonize clip.mp4 -o cartoon.mp4 --size 360 --texture 0.2"),
    )
    def __call__(self, photo: Picture, *, texture: Texture = 0.5, size: Size = None, tile: Tile = None) -> Picture:
        """Draw `photo` as a cartoon, in the photograph's size.

        The network paints areas and outlines; a guided filter then makes the photograph follow it. What is texture to
        that filter is decided by its eps, here 0.005 · 100^(1 - 2·texture).

        Args:
            photo: What to draw.
            texture: 0 smooths whatever is fainter than an outline, 1 keeps all that the network has left.
            size: The network draws areas of a certain size in pixels, so that they are larger at a smaller height. The
                result has the photograph's size nevertheless, and its sharp edges.
            tile: Side of a tile.

        Returns:
            A picture of the kind that came in; its transparency is kept.
        """
        x = self.to_tensor(photo)
        return self.to_picture(self.drawn(x, texture, size, tile))

    def drawn(
        self, x: torch.Tensor, texture: float = 0.5, size: int | None = None, tile: int | None = None
    ) -> torch.Tensor:
        """1×3×H×W RGB in [0, 1] to about the same.

        At the working size, the network and the filter find a slope and an offset for each pixel's colour. These are
        smooth, so that where the photograph is larger they are enlarged, and its edges are not lost.
        """
        import torch
        from torch.nn import functional as F

        height, width = x.shape[-2:]
        seen = _resized(x, _working_size(width, height, size))
        guide = x if height >= seen.shape[2] else seen
        lines = self.lines(seen, texture, tile)
        with torch.inference_mode():
            if guide is not seen:
                lines = [F.interpolate(line, guide.shape[-2:], mode="bilinear", align_corners=False) for line in lines]
            slope, offset = lines
            return _resized(offset.addcmul_(slope, guide), (width, height))

    def lines(self, x: torch.Tensor, texture: float = 0.5, tile: int | None = None) -> list[torch.Tensor]:
        """What each colour is multiplied by, and what is added: both 1×3×H×W, for 1×3×H×W RGB in [0, 1]."""
        import torch
        from torch.nn import functional as F

        from ml4a.networks.cartoonization import EPSILON

        height, width = x.shape[-2:]
        multiple = self.network.in_multiple
        mode = "reflect" if min(height, width) >= multiple else "replicate"
        bgr = F.pad(x.flip(1) * 2 - 1, (0, -width % multiple, 0, -height % multiple), mode=mode)
        eps = EPSILON * 100 ** (1 - 2 * texture)
        found = self.run(bgr, function=lambda part: self.network.lines(part, eps), tile=tile, scales=(1, 1))
        with torch.inference_mode():
            slope, offset = (line[:, :, :height, :width].flip(1).float().cpu() for line in found)
            return [slope, (offset - slope + 1) / 2]  # for colours in [0, 1]


def _working_size(width: int, height: int, size: int | None) -> tuple[int, int]:
    """At which width and height to work."""
    shorter = min(width, height)
    due, now = (min(shorter, LARGEST_SHORT_SIDE), shorter) if size is None else (size, height)
    return max(1, width * due // now), max(1, height * due // now)


def _resized(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """1×3×H×W in [0, 1] at (width, height); shrunk by area, as in the original, enlarged by cubic interpolation."""
    from ml4a.media import image

    if (x.shape[3], x.shape[2]) == size:
        return x
    return image.resize(x[0].clamp(0, 1), size, "area" if size[1] < x.shape[2] else "bicubic")[None]
