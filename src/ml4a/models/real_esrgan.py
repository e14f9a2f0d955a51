"""Real-ESRGAN: a picture four times as large (Wang et al., ICCVW 2021, arXiv:2107.10833)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel, resized
from ._operation import current_call, operation

if TYPE_CHECKING:
    import torch

Scale = Annotated[float, Range(0.25, 8), Doc("Size of the result relative to the picture.")]
Tile = Annotated[int | None, Range(low=16), Doc("Side of a tile in pixels; by default what fits in memory.")]
TilePad = Annotated[
    int | None, Range(low=0), Doc("Context around a tile; by default what hides every seam (the original used 10).")
]


class RealESRGAN(PictureModel):
    """Enlarges photographs (`x4plus`), drawings (`anime`) and cartoons in motion (`animevideo`)."""

    card = "real_esrgan"

    def load(self, files: dict[str, Path]) -> None:
        """Build the network from an ncnn pair of files, or from the original's one file."""
        from ml4a import weights
        from ml4a.networks import from_state_dict

        archive = weights.read((files["param"], files["bin"]) if "param" in files else files["network"])
        self.network = self.place(from_state_dict("real_esrgan", archive.arrays()))

    @operation(
        verb="upscale",
        examples=("ml4a upscale photo.jpg", "ml4a upscale drawings/ -o large/ --scale 2 --weights anime"),
    )
    def __call__(self, picture: Picture, *, scale: Scale = 4.0, tile: Tile = None, tile_pad: TilePad = None) -> Picture:
        """Enlarge `picture`, inventing plausible detail.

        The network enlarges by its own factor; another `scale` is reached from there by Lanczos resampling.
        Transparency goes through the same network.
        """
        import torch

        from ml4a.ops.color import luma

        x = self.to_tensor(picture)
        call = current_call()
        height, width = x.shape[-2:]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        big = self.enlarge(x, tile, tile_pad)
        if call.alpha is not None:
            alpha = torch.from_numpy(call.alpha).expand(1, 3, height, width)
            call.alpha = luma(self.enlarge(alpha, tile, tile_pad).clamp(0, 1))[0, 0].numpy()
        return self.to_picture(resized(big, size))

    def enlarge(self, x: torch.Tensor, tile: int | None = None, tile_pad: int | None = None) -> torch.Tensor:
        """1×3×H×W in [0, 1] to 1×3×sH×sW, s being the network's own factor; not clamped."""
        from torch.nn import functional as F

        height, width = x.shape[-2:]
        multiple = self.network.in_multiple
        mode = "reflect" if min(height, width) >= multiple else "replicate"
        x = F.pad(x, (0, -width % multiple, 0, -height % multiple), mode=mode)
        scale = self.network.scale
        return self.run(x, tile=tile, overlap=tile_pad)[:, :, : height * scale, : width * scale].float().cpu()
