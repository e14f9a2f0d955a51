"""FlowNet: how everything moves from one picture to the next (Fischer et al., ICCV 2015, arXiv:1504.06852)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel, resized
from ._operation import operation

if TYPE_CHECKING:
    import torch

    from ml4a.media.motion import BothWays, Flow
else:
    Flow = Any  # signatures are read without NumPy

Other = Annotated[Picture, Doc("The next picture; it is resized to the size of the first.")]
Longest = Annotated[
    float | None, Range(low=0.01), Doc("Pixels that have the purest colours; by default the longest way there is.")
]
Colors = Annotated[Literal["hue", "classic"], Doc("Directions as hues, or in the colours of FlowNet's own program.")]
Size = Annotated[int | None, Range(low=32), Doc("Height at which motion is looked for; by default the picture's own.")]

_MEAN = (0.411, 0.432, 0.45)
_DIV_FLOW = 20.0
_BGR = "caffe"
"""What weights that take blue first have in their name."""


class FlowNet(PictureModel):
    """Finds out how everything moves from one picture to the next.

        net = ml4a.load("flownet")
        flow = net("first.jpg", "second.jpg")
        flow.to_image().save("flow.png")
        ml4a.video.open("clip.mp4").slowed(4, engine=net).save("slow.mp4")

    It was trained on chairs that fly over photographs at 512×384 pixels, and sees motions of up to 100 pixels or so: of
    larger pictures, `size=400` may find more. `motion.dis`, which needs no weights, is as good on most films.
    """

    card = "flownet"

    def load(self, files: dict[str, Path]) -> None:
        """Build the network from the original's one file, which says in what units the flow comes."""
        from ml4a import weights
        from ml4a.networks import from_state_dict

        archive = weights.read(files["network"], self.weights.files["network"].format)
        self.network = self.place(from_state_dict("flownet", archive.arrays()))
        self.div_flow = _unit(archive.metadata.get("div_flow"))

    def __call__(self, a: Picture, b: Picture) -> Flow:
        """The flow from picture `a` to picture `b`, for every pixel of `a`."""
        return self.flow(a, other=b)

    def bidirectional(self, a: Picture, b: Picture, *, size: Size = None) -> BothWays:
        """The flows from `a` to `b` and from `b` to `a`, and what is hidden in the other picture."""
        from ml4a.media import image, motion

        first = image.to_array(a)
        second = image.resize(image.to_array(b), (first.shape[1], first.shape[0]))
        return motion.both_ways(self.flow(first, other=second, size=size), self.flow(second, other=first, size=size))

    @operation()
    def flow(self, picture: Picture, *, other: Other, size: Size = None) -> Flow:
        """Where each pixel of `picture` is in the other picture."""
        return self._find(picture, other, size)

    @operation()
    def show(
        self,
        picture: Picture,
        *,
        other: Other,
        longest: Longest = None,
        colors: Colors = "hue",
        size: Size = None,
    ) -> Picture:
        """Show in colours how each pixel of `picture` moves to where it is in the other picture."""
        import torch

        view = self._find(picture, other, size).view(longest, colors)
        return self.to_picture(torch.from_numpy(view).permute(2, 0, 1)[None])

    def _find(self, picture: Picture, other: Picture, size: int | None) -> Flow:
        import torch

        from ml4a.media import image, motion
        from ml4a.networks.flownet import at_size

        a = self.to_tensor(picture, height=size)
        height, width = a.shape[-2:]
        b = resized(self.to_tensor(other), (width, height))
        if _BGR in self.weights.name:
            a, b = a.flip(1), b.flip(1)
        found = self.run(torch.cat((prepared(a), prepared(b)), dim=1))
        with torch.inference_mode():
            vectors = (at_size(found, height, width)[0] * self.div_flow).permute(1, 2, 0).float().cpu()
        return motion.Flow(vectors.contiguous().numpy()).resized(image.size(picture))


def prepared(picture: torch.Tensor) -> torch.Tensor:
    """1×3×H×W in [0, 1], as the network takes each of the two."""
    import torch

    return picture - torch.tensor(_MEAN).reshape(1, 3, 1, 1)


def _unit(div_flow: Any) -> float:
    """By what the network's flow is multiplied to be in pixels."""
    if isinstance(div_flow, int | float) and math.isfinite(div_flow) and div_flow > 0:
        return float(div_flow)
    return _DIV_FLOW
