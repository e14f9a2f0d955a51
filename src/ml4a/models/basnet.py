"""BASNet: what a picture is about, cut out (Qin et al., CVPR 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel
from ._operation import current_call, operation

if TYPE_CHECKING:
    import torch

Refine = Annotated[bool, Doc("Let the mask's edges follow the photograph's; they are found coarsely.")]
Stretch = Annotated[
    bool, Doc("Let the mask reach from black to white even if nothing stands out, as the original did.")
]
Size = Annotated[int, Range(64, 2048), Doc("Side of the square in which the foreground is looked for; trained at 256.")]

_TINY = 1e-6


class BASNet(PictureModel):
    """Finds the foreground: the person, animal or thing that a photograph is about."""

    card = "basnet"

    @operation()
    def __call__(
        self, picture: Picture, *, refine: Refine = True, stretch: Stretch = True, size: Size = 256
    ) -> Picture:
        """Find the foreground of `picture`: white on black, with soft edges, the picture's size.

        Returns:
            A grey picture of the kind that came in; its transparency is kept.
        """
        return self.to_picture(self.foreground(self.to_tensor(picture), refine, stretch, size))

    matte = __call__

    @operation(
        verb="cutout",
        examples=("ml4a cutout photo.jpg", "ml4a cutout people/ -o beach/ --background beach.jpg"),
        transparent=True,
    )
    def cutout(
        self,
        picture: Picture,
        *,
        background: Annotated[Picture | None, Doc("A picture behind it; by default, nothing.")] = None,
        clean: Annotated[bool, Doc("Remove what shows of the old background in soft edges.")] = True,
        refine: Refine = True,
        stretch: Stretch = True,
        size: Size = 256,
    ) -> Picture:
        """Cut out the foreground of `picture`: everything else is transparent, or another picture.

        Returns:
            A picture of the kind that came in. With a background, that decides whether there is alpha.
        """
        import torch

        from ml4a.media import image, mask

        x = self.to_tensor(picture)
        shares = self.foreground(x, refine, stretch, size)[0, 0].numpy()
        colors = x[0].permute(1, 2, 0).contiguous().numpy()
        if clean:
            colors = mask.foreground_colors(colors, shares[:, :, None])
        call = current_call()
        if call.alpha is not None:
            shares = shares * call.alpha
        call.alpha = shares
        if background is not None:
            behind = image.load(background, (shares.shape[1], shares.shape[0]), as_array=True)
            colors = mask.composite(colors, behind, shares)
            call.alpha = colors[:, :, 3] if colors.shape[2] == 4 else None
        return self.to_picture(torch.from_numpy(colors[:, :, :3]).permute(2, 0, 1)[None])

    def composite(self, picture: Picture, background: Picture, **options: Any) -> Any:
        """Put the foreground of `picture` on another picture; the same as `cutout` with a background."""
        return self.cutout(picture, background=background, **options)

    def foreground(self, x: torch.Tensor, refine: bool, stretch: bool, size: int) -> torch.Tensor:
        """1×3×H×W in [0, 1] to 1×1×H×W in [0, 1], on the CPU.

        The original looks at a square of 256 px, whatever the picture's shape is, and so does this.
        """
        import torch

        from ml4a.media import mask
        from ml4a.ops.color import imagenet_normalised

        size = size - size % self.network.in_multiple
        found = self.run(imagenet_normalised(squared(x, size))).float().cpu()
        found = stretched(found) if stretch else found
        if not refine:
            return enlarged(found, x.shape[-2:])
        picture = x[0].permute(1, 2, 0).contiguous().numpy()
        fine = mask.refine(found[0, 0].numpy(), picture)(picture.shape[1::-1])
        return torch.from_numpy(fine).permute(2, 0, 1)[None]


def squared(x: torch.Tensor, size: int) -> torch.Tensor:
    """1×C×H×W to 1×C×size×size, smoothed before it shrinks, and with its brightest value at 1: as the original did.

    The original took what lies outside of the picture for black, so that borders of small pictures became dark; this
    repeats the border instead.
    """
    import cv2
    import torch
    from torch.nn import functional as F

    array = x[0].permute(1, 2, 0).contiguous().numpy()
    height, width = array.shape[:2]
    sigmas = [max(0.0, (side / size - 1) / 2) for side in (width, height)]
    if any(sigmas):
        window = [2 * int(4 * sigma + 0.5) + 1 for sigma in sigmas]
        array = cv2.GaussianBlur(array, window, sigmas[0] or _TINY, None, sigmas[1] or _TINY, cv2.BORDER_REPLICATE)
    small = F.interpolate(torch.from_numpy(array).permute(2, 0, 1)[None], (size, size), mode="bilinear")
    return small / small.max().clamp(min=_TINY)


def stretched(mask: torch.Tensor) -> torch.Tensor:
    """A mask from 0 to 1, whatever it reached from and to."""
    low, high = mask.aminmax()
    return (mask - low) / (high - low).clamp(min=_TINY)


def enlarged(mask: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """1×1×h×w at the picture's height and width; where that is less, without losing what is thin."""
    from torch.nn import functional as F

    return F.interpolate(mask, tuple(size), mode="bilinear", antialias=True)
