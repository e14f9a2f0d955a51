"""Real-ESRGAN: a picture four times as large (Wang et al., ICCVW 2021, arXiv:2107.10833)."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._operation import current_call, operation
from ._upscaler import Scale, Seamless, Tile, TilePad, Upscaler

Denoise = Annotated[
    float | None,
    Range(0, 1),
    Doc("How much noise is taken away: 0 none, 1 all. By weights that can do so (`general`), by default 0.5."),
]

_HALF = 0.5
"""The original program's default."""
_BLENDS_KEPT = 4


class RealESRGAN(Upscaler):
    """Enlarges photographs (`x4plus`, noisy ones `general`), drawings (`anime`), cartoons in motion (`animevideo`)."""

    card = "real_esrgan"

    def load(self, files: dict[str, Path]) -> None:
        """Build the network; of two, one of which leaves noise as it is, any blend."""
        self._blend: Callable[[float], Any] | None = None
        if "noisy" not in files:
            super().load(files)
            return
        clean, noisy = self.read(files["network"]), self.read(files["noisy"])
        # Each blend is a network of its own, so that threads may use several at a time.
        self._blend = functools.lru_cache(_BLENDS_KEPT)(lambda denoise: self.place(_blended(clean, noisy, denoise)))
        self.network = self._blend(_HALF)

    @operation(
        verb="upscale",
        examples=(
            "ml4a upscale photo.jpg",
            "ml4a upscale drawings/ -o large/ --scale 2 --weights anime",
            "ml4a upscale bricks.png --seamless",
        ),
    )
    def __call__(
        self,
        picture: Picture,
        *,
        scale: Scale = 4.0,
        denoise: Denoise = None,
        seamless: Seamless = False,
        tile: Tile = None,
        tile_pad: TilePad = None,
    ) -> Picture:
        """Enlarge `picture`, inventing plausible detail.

        The network enlarges by its own factor; another `scale` is reached from there by Lanczos resampling.
        Transparency goes through the same network.

        Returns:
            A picture of the kind that came in.

        Raises:
            BadValue: `denoise` is given, and these weights are not a blend of two.
            TooLarge: the result would have more pixels than a picture may.
        """
        if self._blend is not None and denoise is None:
            denoise = current_call().resolved["denoise"] = _HALF
        return self.enlarge(picture, scale, seamless, tile, tile_pad, self._network_of(denoise))

    def _network_of(self, denoise: float | None) -> Any:
        """The network that leaves so much of the noise out."""
        if denoise is None:
            return self.network
        if self._blend is None:
            able = ", ".join(name for name, each in self.about.weights.items() if "noisy" in each.files)
            raise BadValue(f"denoise={denoise:g} needs other weights than {self.weights.name}: {able or 'none has it'}")
        return self._blend(denoise)


def _blended(first: Any, second: Any, share: float) -> Any:
    """A network with `share` of the one's parameters and the rest of the other's."""
    import torch

    blend = copy.deepcopy(second)
    for parameter, towards in zip(blend.parameters(), first.parameters(), strict=True):
        parameter.data = torch.lerp(parameter.data, towards.data, share)
    return blend
