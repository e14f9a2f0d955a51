"""What the models that draw lines share: how dark, how thin, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel
from ._operation import current_call

if TYPE_CHECKING:
    import torch

Strength: TypeAlias = Annotated[float, Range(0, 1), Doc("How dark the lines are; 0 leaves the paper white.")]
Thin: TypeAlias = Annotated[bool, Doc("Draw with a pen: the middle of each line, one pixel wide.")]
Transparent: TypeAlias = Annotated[bool, Doc("Leave out the paper: black lines on transparency.")]


class DrawingModel(PictureModel):
    """Base of models that find lines in a picture and draw them."""

    def to_drawing(self, lines: torch.Tensor, *, strength: float, thin: bool, transparent: bool) -> Picture:
        """Black lines on white, or on nothing, as a picture of the kind that came in; its transparency is kept.

        Args:
            lines: 1×1×H×W on the CPU: how dark each pixel is to be, in [0, 1].
            strength: What that is multiplied by.
            thin: Draw only the middle of each line, one pixel wide and as dark as the darkest.
            transparent: Let the lines' darkness be their alpha; on white paper they look the same.
        """
        import torch

        if thin:
            from ml4a.media import trace
            from ml4a.ops.edges import crests

            lines = torch.from_numpy(trace.skeleton(crests(lines)[0, 0].numpy())).to(lines.dtype)[None, None]
        dark = strength * lines
        if not transparent:
            return self.to_picture(1 - dark)
        call = current_call()
        alpha = dark[0, 0].clamp(0, 1).numpy()
        call.alpha = alpha if call.alpha is None else alpha * call.alpha
        return self.to_picture(torch.zeros_like(dark))
