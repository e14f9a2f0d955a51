"""StyleGAN3: pictures whose detail sticks to things when they move (Karras et al., NeurIPS 2021, arXiv:2106.12423)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._generating import single
from ._generator_parameters import Clip, Cutoff, Label, Rate, Seconds, Seeds, Truncation, Where
from ._operation import Seed, operation
from ._stylegan import StyleGANModel, Width

if TYPE_CHECKING:
    import torch

Translate = Annotated[float, Range(-4, 4), Doc("How far to the right, in widths of the picture.")]
Down = Annotated[float, Range(-4, 4), Doc("How far down, in heights of the picture.")]
Rotate = Annotated[float, Range(-3600, 3600), Doc("By so many degrees, counter-clockwise.")]


class StyleGAN3(StyleGANModel):
    """Makes pictures of what its weights have seen, which can be shifted and turned by any fraction of a pixel.

        gan = ml4a.load("stylegan3", weights="afhqv2-t")
        gan(seed=7, rotate=15).save("cat.png")
        gan.turn(seed=7, rotate=360, seconds=6).save("turning.mp4")

    Weights that end in -t follow shifts, those that end in -r follow rotations, too.
    """

    card = "stylegan3"
    architecture = "stylegan3"

    @operation(
        examples=(
            "ml4a gan sample --model stylegan3 --seed 7 --rotate 15 -o face.png",
            "ml4a gan sample --model stylegan3 --weights afhqv2-t --count 9 -o sheet.png",
        )
    )
    def __call__(
        self,
        latents: Where = None,
        *,
        right: Translate = 0.0,
        down: Down = 0.0,
        rotate: Rotate = 0.0,
        truncation: Truncation = 0.7,
        cutoff: Cutoff = None,
        label: Label = None,
        seed: Seed = None,
    ) -> Picture:
        """Make a picture of a seed, or of latents.

        Args:
            latents: One of z, w or w+; of w and w+ nothing is truncated.
            right: How far it is shifted.
            down: How far it is shifted.
            rotate: How far it is turned.
            truncation: Of what is drawn.
            cutoff: How many layers are truncated.
            label: The class.
            seed: Of what is drawn: the seeds of NVIDIA's own program.

        Returns:
            A PIL image, as large as the weights make them.

        Raises:
            BadValue: latents of another network, or several; a class that there is not.
        """
        assert seed is not None
        ws = self.styles(single(latents), seed, truncation, cutoff, label)
        return self.picture(ws, transform=self._transform(right, down, rotate))

    @operation(examples=("ml4a gan panorama 1 2 3 --model stylegan3 -o wide.png",))
    def panorama(
        self,
        latents: Where = None,
        *,
        seeds: Seeds = None,
        width: Width = None,
        truncation: Truncation = 0.7,
        label: Label = None,
    ) -> Picture:
        """Make one wide picture in which one after the other turns into the next.

        Args:
            latents: From left to right, in place of seeds.
            seeds: From left to right.
            width: How wide the picture is.
            truncation: Of what is drawn.
            label: The class; of several, from left to right.

        Raises:
            BadValue: neither seeds nor latents.
            TooLarge: it needs more memory than there is.
        """
        return self.wide(latents, seeds, width, truncation, label)  # type: ignore[arg-type]

    @operation(examples=("ml4a gan turn 7 --model stylegan3 --weights ffhqu-r --rotate 360 -o turning.mp4",))
    def turn(
        self,
        latents: Where = None,
        *,
        right: Translate = 0.0,
        down: Down = 0.0,
        rotate: Rotate = 360.0,
        seconds: Seconds = 6.0,
        rate: Rate = 30.0,
        truncation: Truncation = 0.7,
        label: Label = None,
        seed: Seed = None,
    ) -> Clip:
        """Make a film of one picture that is shifted and turned evenly, from where it is to where it is told.

        Args:
            latents: The picture.
            right: How far it is shifted by the end.
            down: How far it is shifted by the end.
            rotate: How far it is turned by the end; a full turn plays again and again without a seam.
            seconds: Length of the film.
            rate: Frames per second.
            truncation: Of what is drawn.
            label: The class.
            seed: The picture, if there are no latents.
        """
        import torch

        assert seed is not None
        frames = max(1, round(seconds * rate))
        ws = self.styles(single(latents), seed, truncation, None, label)

        def moving(some: slice) -> torch.Tensor:
            shares = [number / frames for number in range(some.start, some.stop)]
            transforms = torch.stack([self._transform(right * share, down * share, rotate * share) for share in shares])
            return self.synthesize(ws.expand(len(shares), -1, -1), transform=transforms)

        return self.film(moving, frames, rate)

    def _transform(self, right: float, down: float, rotate: float) -> torch.Tensor:
        from ml4a.networks import stylegan3

        return stylegan3.make_transform((right, down), rotate).to(self.device)
