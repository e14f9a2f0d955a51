"""Face parsing: which part of a face every pixel is (Yu et al., BiSeNet, ECCV 2018, arXiv:1808.00897)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._labelling import LabellingModel, Only, Opacity, Segmentation, View, bilinear, by_pixel
from ._operation import operation

if TYPE_CHECKING:
    import torch
Size = Annotated[int, Range(64, 2048), Doc("Side of the square in which the face is looked at; trained at 512.")]


class FaceParsing(LabellingModel):
    """Finds hair, skin, eyes, lips and 15 other parts of one face that fills most of its picture."""

    card = "face_parsing"
    labels = "celebamask"

    @operation()
    def __call__(self, picture: Picture, *, size: Size = 512) -> Segmentation:
        """Name the part of the face that every pixel of `picture` is, in the words of `segmentation.CELEBAMASK`.

            found = ml4a.load("face_parsing")("portrait.jpg")
            hair, lips = found.mask("hair", soft=True), found.mask("lips")

        The picture is a portrait: head and shoulders, upright, about square. As its author does, the network is shown
        512×512 pixels, whatever the picture's shape is. (The library of 2021 showed it the picture's own size, far
        from what it has learnt.) Left and right were mixed up in training, so that they are not to be relied on.

        Returns:
            A label map of the picture's size; edges are found where scores, enlarged, are equal, and so are smooth.
        """
        return self.parsed(self.to_tensor(picture), size)

    @operation(
        verb="segment",
        examples=(
            "ml4a segment portrait.jpg --model face_parsing -o parts.png",
            "ml4a segment portrait.jpg --model face_parsing --only hair,hat --view mask",
        ),
    )
    def show(
        self, picture: Picture, *, view: View = "overlay", only: Only = None, opacity: Opacity = 0.6, size: Size = 512
    ) -> Picture:
        """Show which parts of a face the pixels of `picture` are: a colour for each of 19, over the picture or alone.

        The background is white in part, as the author has it; with `only`, what is not named is left as it was. (The
        library of 2021 showed the picture with red and blue exchanged.)

        Returns:
            A picture of the kind that came in; its transparency is kept. A legend makes it wider.
        """
        x = self.to_tensor(picture)
        return self.shown(x, self.parsed(x, size), view, only, opacity)

    def parsed(self, x: torch.Tensor, size: int = 512) -> Segmentation:
        """1×3×H×W in [0, 1] to its label map."""
        from ml4a.ops.color import imagenet_normalised

        height, width = x.shape[-2:]
        logits = self.run(imagenet_normalised(bilinear(x, (size, size))))
        return self.segmentation([by_pixel(logits)], (width, height))
