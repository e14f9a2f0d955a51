"""Imagine: pictures of texts (Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, 2022)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ml4a.plugin import BadValue, Doc, Model, Picture, Range, Seed, Text, current_call, operation

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a.weights import Card, Weights

Negative = Annotated[str | None, Doc("What is not to be seen.")]
Start = Annotated[Picture | None, Doc("A picture to begin with, which the text changes.")]
Mask = Annotated[Picture | None, Doc("Where the picture may change: white there, and black where it stays as it is.")]
Strength = Annotated[float, Range(0.01, 1), Doc("How far it may go from the picture; at 1 hardly any of it is left.")]
Width = Annotated[int | None, Range(16, 4096), Doc("In pixels; by default as the height asks for.")]
Height = Annotated[
    int | None,
    Range(16, 4096),
    Doc("In pixels; by default what the network learned from, or a picture's own if that is no larger."),
]
Steps = Annotated[int, Range(1, 500), Doc("From noise to a picture; more take longer, and are better up to about 50.")]
Guidance = Annotated[float, Range(1, 50), Doc("How closely the text is followed; 1 leaves much to chance.")]


class Imagine(Model):
    """Makes a picture of a text, of a text and a picture, or fills in a part of a picture.

        imagine = ml4a.load("imagine")                               # or weights="./folder-of-a-pipeline"
        imagine("a red house by the sea, watercolour").save("house.png")
        imagine("in winter", picture="house.png", strength=0.5).save("winter.png")
        imagine("a moon", picture="house.png", mask=ml4a.mask.circle(0.2)((512, 512))).save("moon.png")

    Pipelines of Stable Diffusion 1 and 2, and what was trained further from them. Results are not filtered.
    """

    card = "imagine"
    auto_dtype = "float32"
    depends_on = ("diffusers", "transformers", "tokenizers")

    @classmethod
    def own_weights(cls, about: Card, path: str | os.PathLike[str]) -> tuple[Weights, dict[str, Path]]:
        """A pipeline's folder, or the `model_index.json` in it."""
        from . import folder

        place = Path(path).expanduser()
        files = folder.found(place)
        return folder.as_weights(place.parent if place.name == folder.INDEX else place, files), files

    def load(self, files: dict[str, Path]) -> None:
        """Read the networks; files are by the roles of `folder`."""
        from . import folder
        from .diffusion import Diffusion

        with folder.laid_out(files) as place:
            self.diffusion = Diffusion(place, self.device, self.dtype)

    def full_precision(self) -> torch.dtype:
        """What it computes in is what was asked for."""
        return self.dtype

    @operation(
        verb="imagine",
        examples=(
            'ml4a imagine "a red house by the sea, watercolour" -o house.png',
            'ml4a imagine "the same in winter" --picture house.png --strength 0.6',
            'ml4a imagine "a moon" --picture house.png --mask sky.png --seed 7',
            'ml4a imagine "a cat" --weights ./my-pipeline --steps 20 --preview so-far.png',
        ),
    )
    def __call__(
        self,
        text: Text,
        *,
        negative: Negative = None,
        picture: Start = None,
        mask: Mask = None,
        strength: Strength = 0.8,
        width: Width = None,
        height: Height = None,
        steps: Steps = 30,
        guidance: Guidance = 7.5,
        seed: Seed = None,
    ) -> Picture:
        """Make a picture of a text, change a picture as a text says, or fill in a part of one.

        Ctrl-C gives the picture as far as it has come.
        """
        from ml4a.media import image

        assert seed is not None
        self._check(str(text), negative, picture, mask, strength, steps)
        start = None if picture is None else image.to_array(picture)[:, :, :3]
        size = self._size(start, width, height)
        current_call().resolved |= {"width": size[0], "height": size[1]}
        inner = tuple(max(1, round(side / self.diffusion.multiple)) * self.diffusion.multiple for side in size)
        where = None if mask is None else _weights(mask, size)
        made = self.diffusion.make(
            str(text),
            negative,
            size=inner,
            steps=steps,
            guidance=guidance,
            seed=seed,
            picture=None if start is None else _resized(start, inner),
            mask=None if where is None else _resized(where[:, :, None], inner)[:, :, 0],
            strength=strength,
        )
        made = _resized(made, size)
        if start is not None and where is not None:  # networks change all pixels a little; these are to stay
            made = _resized(start, size) * (1 - where[:, :, None]) + made * where[:, :, None]
        return image.as_kind(made, "pil")

    def _check(self, text: str, negative: str | None, picture: Any, mask: Any, strength: float, steps: int) -> None:
        if mask is not None and picture is None:
            raise BadValue("a mask says where a picture may change; give the picture, too")
        if picture is not None and int(steps * strength) < 1:
            raise BadValue(f"strength {strength} of {steps} steps is less than one step; take more of either")
        self.diffusion.check("the text", text)
        self.diffusion.check("negative", negative or "")

    def _size(self, start: np.ndarray[Any, Any] | None, width: int | None, height: int | None) -> tuple[int, int]:
        """Width and height of the result; where one is given, the other keeps the picture's proportions."""
        side = self.diffusion.side
        wide, tall = (side, side) if start is None else (start.shape[1], start.shape[0])
        if width is None and height is None:
            scale = min(1, side / max(wide, tall))
            return max(1, round(wide * scale)), max(1, round(tall * scale))
        if width is None:
            assert height is not None
            return max(1, round(wide * height / tall)), height
        return width, max(1, round(tall * width / wide)) if height is None else height


def _weights(mask: Any, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """A mask as H×W float32 of that size: the mean of its colours."""
    from ml4a.media import image

    return _resized(image.to_array(mask)[:, :, :3].mean(2, keepdims=True), size)[:, :, 0]


def _resized(array: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """H×W×C in [0, 1] at another width and height."""
    import numpy as np

    from ml4a.media import image

    if (array.shape[1], array.shape[0]) == size:
        return np.ascontiguousarray(array)
    return np.ascontiguousarray(np.clip(image.resize(array, size), 0, 1))
