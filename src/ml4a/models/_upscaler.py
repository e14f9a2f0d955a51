"""What Real-ESRGAN and ESRGAN share: everything but their cards and the weights that can be blended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ml4a._core import limits
from ml4a._core.errors import BadWeights, TooLarge
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel
from ._operation import current_call

if TYPE_CHECKING:
    import torch

Scale = Annotated[float, Range(0.25, 8), Doc("Size of the result relative to the picture.")]
Seamless = Annotated[bool, Doc("The picture is a texture that is laid side by side: so is the result, without seams.")]
Tile = Annotated[int | None, Range(low=16), Doc("Side of a tile in pixels; by default what fits in memory.")]
TilePad = Annotated[
    int | None, Range(low=0), Doc("Context around a tile; by default what hides every seam (the original used 10).")
]

_CHANNELS = 3


class Upscaler(PictureModel):
    """Base of the models that enlarge a picture by one network, RRDBNet or SRVGGNetCompact."""

    def load(self, files: dict[str, Path]) -> None:
        """Build the network from an ncnn pair of files, or from the original's one file."""
        self.network = self.place(self.read((files["param"], files["bin"]) if "param" in files else files["network"]))

    def read(self, source: Path | tuple[Path, Path]) -> Any:
        """The float32 network of a weights file, in any of the three layouts of keys, or of ncnn's two files.

        Raises:
            BadWeights: another network's, or not for pictures in colour.
        """
        from ml4a import weights
        from ml4a.networks import from_state_dict

        network: Any = from_state_dict("esrgan", weights.read(source).arrays())
        if network.channels != _CHANNELS:
            raise BadWeights(
                f"this network is for pictures of other channels than red, green and blue: {network.channels}"
            )
        if network.scale < 1:
            raise BadWeights("this network makes pictures smaller, not larger")
        return network

    def enlarge(
        self,
        picture: Picture,
        scale: float,
        seamless: bool,
        tile: int | None,
        tile_pad: int | None,
        network: Any = None,
    ) -> Picture:
        """`picture`, `scale` times as large, its transparency with it; by `network`, if not by the model's own.

        Raises:
            TooLarge: the result would have more pixels than a picture may.
        """
        import torch

        from ml4a.ops.color import luma

        network = self.network if network is None else network
        x = self.to_tensor(picture)
        height, width = x.shape[-2:]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if scale != network.scale and size[0] * size[1] > limits.PICTURE_PIXELS:
            most = (limits.PICTURE_PIXELS / (width * height)) ** 0.5
            raise TooLarge(
                f"{width}x{height} px would become {size[0]}x{size[1]} px, and a picture may have "
                f"{limits.PICTURE_PIXELS:,} pixels; use scale={most:.2f} or less (--scale {most:.2f})"
            )
        big = self._enlarged(network, x, size, seamless, tile, tile_pad)
        call = current_call()
        if call.alpha is not None and call.alpha.min() < call.alpha.max():
            alpha = torch.from_numpy(call.alpha).expand(1, 3, height, width)
            call.alpha = luma(self._enlarged(network, alpha, size, seamless, tile, tile_pad))[0, 0].numpy()
        return self.to_picture(big)

    def _enlarged(
        self,
        network: Any,
        x: torch.Tensor,
        size: tuple[int, int],
        seamless: bool,
        tile: int | None,
        tile_pad: int | None,
    ) -> torch.Tensor:
        """1×3×H×W in [0, 1] at `size` (width, height): by the network's own factor, and from there by Lanczos.

        What is in between may take most of the machine's memory, so that it is changed in place, and plane by plane.
        """
        import torch

        height, width = x.shape[-2:]
        scale, multiple = network.scale, network.in_multiple
        around = network.overlap if seamless else 0
        x = _wrapped(x, around, multiple) if seamless else _reflected(x, multiple)
        big = self.run(x, network, tile=tile, overlap=tile_pad).float().cpu()
        with torch.inference_mode():
            big = big.clamp_(0, 1)
        rows = slice(around * scale, (around + height) * scale)
        columns = slice(around * scale, (around + width) * scale)
        if size == (width * scale, height * scale):
            return big[:, :, rows, columns]
        if not seamless:  # what was added at the right and at the bottom is not to be seen
            return _resampled(big[:, :, rows, columns], size, (0, 0, width * scale, height * scale))
        return _resampled(big, size, (columns.start, rows.start, columns.stop, rows.stop))


def _reflected(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """N×C×H×W, longer at the right and at the bottom, so that its sides are multiples."""
    from torch.nn import functional as F

    height, width = x.shape[-2:]
    mode = "reflect" if min(height, width) >= multiple else "replicate"
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode=mode)


def _wrapped(x: torch.Tensor, around: int, multiple: int) -> torch.Tensor:
    """N×C×H×W with `around` more pixels on each side, as if it were repeated for ever; its sides are multiples."""
    import torch

    rows, columns = (torch.arange(-around, side + -side % multiple + around) % side for side in x.shape[-2:])
    return x[:, :, rows][:, :, :, columns]


def _resampled(x: torch.Tensor, size: tuple[int, int], box: tuple[int, int, int, int]) -> torch.Tensor:
    """What is within `box` (left, top, right, bottom) of 1×C×H×W at `size`; at its borders, what is beyond is seen."""
    import numpy as np
    import torch
    from PIL import Image

    planes = [Image.fromarray(plane.contiguous().numpy()).resize(size, Image.Resampling.LANCZOS, box) for plane in x[0]]
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in planes]))[None].clamp(0, 1)
