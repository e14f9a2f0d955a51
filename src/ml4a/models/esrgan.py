"""ESRGAN: a picture four times as large, crisp (Wang et al., ECCVW 2018, arXiv:1809.00219), by its many networks."""

from __future__ import annotations

from typing import Annotated

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._operation import current_call, operation
from ._upscaler import Seamless, Tile, TilePad, Upscaler

Scale = Annotated[
    float | None,
    Range(0.25, 8),
    Doc("Size of the result relative to the picture; by default the network's own, mostly 4."),
]


class ESRGAN(Upscaler):
    """Enlarges clean pictures with crisp texture, or as faithfully as can be (`psnr`); takes any ESRGAN file.

    Many people have trained networks of this kind for subjects of their own. Their files, with keys in any of three
    layouts and of any factor, are weights as well: `ml4a.load("esrgan", weights="4x-Remacri.pth")`.
    """

    card = "esrgan"
    auto_dtype = "float32"  # no real weights at hand have proven a faster one

    @operation(
        verb="upscale",
        examples=(
            "ml4a upscale render.png --model esrgan",
            "ml4a upscale photo.jpg --model esrgan --weights 4x-Remacri.pth",
        ),
    )
    def __call__(
        self,
        picture: Picture,
        *,
        scale: Scale = None,
        seamless: Seamless = False,
        tile: Tile = None,
        tile_pad: TilePad = None,
    ) -> Picture:
        """Enlarge `picture`, inventing crisp texture.

        The network enlarges by its own factor; another `scale` is reached from there by Lanczos resampling.
        Transparency goes through the same network.

        Returns:
            A picture of the kind that came in.

        Raises:
            TooLarge: the result would have more pixels than a picture may.
        """
        scale = current_call().resolved["scale"] = float(self.network.scale) if scale is None else scale
        return self.enlarge(picture, scale, seamless, tile, tile_pad)
