"""Fast style transfer: any picture's style, or one of 26 built in, in one pass of a small network.

Ghiasi et al., BMVC 2017, arXiv:1705.06830; Dumoulin et al., ICLR 2017, arXiv:1610.07629.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture, Style
from ml4a._core.params import Doc, Range

from ._base import PictureModel, resized
from ._operation import current_call, operation
from .styles import BUILT_IN, Blend

if TYPE_CHECKING:
    import torch

SMALLEST_SIDE = 16
STYLE_SIDE = 256

TheStyle = Annotated[Style, Doc("A picture, or a built-in style: 19, or a blend: 3:0.5,12:0.5.")]
Strength = Annotated[float, Range(0, 1), Doc("How far to go towards the style.")]
KeepColors = Annotated[bool, Doc("Keep the picture's own colours; take only light and dark from the style.")]
Size = Annotated[int | None, Range(SMALLEST_SIDE), Doc("Work at this height in pixels; by default the picture's own.")]
CellHeight = Annotated[int, Range(64, 1024), Doc("Height of each picture on the sheet, in pixels.")]


class FastStyle(PictureModel):
    """Repaints a picture in another's style, quickly enough for film."""

    card = "fast_style"

    def load(self, files: dict[str, Path]) -> None:
        """Build the style predictor, the transformer that it steers, and the network of built-in styles."""
        self.predictor = self.place(read_network(files["predict"]))
        self.network = self.place(read_network(files["transform"]))
        self.multistyle = self.place(read_network(files["styles26"]))
        self._kept_vector: tuple[str, torch.Tensor] | None = None

    @operation(
        verb="style",
        examples=(
            "ml4a style photo.jpg --style painting.jpg -o out.png",
            "ml4a style photo.jpg --style 3:0.5,12:0.5 --keep-colors",
            "ml4a style clip.mp4 --style 19 --steady 0.7 -o out.mp4",
        ),
    )
    def __call__(
        self,
        picture: Picture,
        *,
        style: TheStyle = 19,
        strength: Strength = 1.0,
        keep_colors: KeepColors = False,
        size: Size = None,
    ) -> Picture:
        """Repaint `picture` in the style of another picture, or in one of the built-in styles.

        Args:
            picture: What to repaint; at least 16 px a side.
            style: A picture, the number of a built-in style, or a blend of those.
            strength: For a picture as the style, how far to go from the picture's own style to that one; for
                built-in styles, how much of the result is mixed in.
            keep_colors: Take luma from the result and chroma from the picture.
            size: Height to work at; brush strokes keep their size in pixels, so a smaller height is a bolder style.
        """
        from ml4a.ops.color import luma

        x = self.to_tensor(picture, height=size)
        if isinstance(style, Blend):
            result = mixed(x, self.built_in(x, style), strength)
        else:
            result = self.like(x, style, strength)
        if keep_colors:
            result = x + luma(result) - luma(x)
        return self.to_picture(result)

    @operation(verb="styles", examples=("ml4a styles photo.jpg -o sheet.png",))
    def sheet(self, picture: Picture, *, height: CellHeight = 256) -> Picture:
        """All built-in styles on one sheet: `picture` in each of them, numbered, after the picture itself."""
        from ml4a._core import progress
        from ml4a.media import image

        x = self.to_tensor(picture, height=height)
        cells = [x]
        for number in range(BUILT_IN):
            progress.report("styles", number, BUILT_IN, "styles")
            cells.append(self.built_in(x, Blend(((number, 1.0),))))
        arrays = [cell[0].clamp(0, 1).permute(1, 2, 0).numpy() for cell in cells]
        sheet = image.grid(arrays, labels=["original", *map(str, range(BUILT_IN))])
        return image.as_kind(sheet, current_call().kind)

    def like(self, x: torch.Tensor, style: Any, strength: float = 1.0) -> torch.Tensor:
        """1×3×H×W in [0, 1] repainted like the picture `style`."""
        vector = self.style_vector(style)
        if strength < 1:
            vector = mixed(self._predict(x), vector, strength)
        return self._repaint(x, self.network, vector)

    def built_in(self, x: torch.Tensor, blend: Blend) -> torch.Tensor:
        """1×3×H×W in [0, 1] in a blend of built-in styles."""
        import torch

        weights = torch.zeros(1, BUILT_IN, device=self.device)
        for number, weight in blend.weights:
            weights[0, number] = weight
        return self._repaint(x, self.multistyle, weights)

    def style_vector(self, style: Any) -> torch.Tensor:
        """The 1×100 vector that stands for a picture's style; the last is kept, so that a film's frames share it."""
        import torch

        from ml4a.media import image, provenance

        pixels = image.to_array(style)[:, :, :3]
        key = provenance.pixels_digest(pixels)
        kept = self._kept_vector
        if kept is None or kept[0] != key:
            x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]
            kept = self._kept_vector = (key, self._predict(x))
        return kept[1]

    def _predict(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        with torch.inference_mode():
            return self.predictor(style_square(x).to(self.device))

    def _repaint(self, x: torch.Tensor, network: Any, style: torch.Tensor) -> torch.Tensor:
        """1×3×H×W of any size from 16 px through a network that halves twice, and so wants multiples of 4."""
        from torch.nn import functional as F

        height, width = x.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            raise BadValue(f"the picture is {width}x{height} px; a style needs at least {SMALLEST_SIDE} px a side")
        padded = F.pad(x, (0, -width % 4, 0, -height % 4), mode="reflect")
        result = self.run(padded, network, function=lambda content: network(content, style))
        return result[:, :, :height, :width].float().cpu()


def read_network(path: Path) -> Any:
    """One of the three networks, from its published graph."""
    from ml4a import weights
    from ml4a.networks import from_state_dict
    from ml4a.networks.style_graph import state_dict_from_graph
    from ml4a.weights.formats.onnx import dequantize

    graph = dequantize(weights.read(path, "onnx"))
    return from_state_dict("fast_style", state_dict_from_graph(graph.metadata["nodes"], graph.arrays()))


def mixed(a: torch.Tensor, b: torch.Tensor, amount: float) -> torch.Tensor:
    """`a` at 0, `b` at 1."""
    return b if amount == 1 else a + amount * (b - a)


def style_square(x: torch.Tensor) -> torch.Tensor:
    """The middle square of 1×3×H×W at 256×256, by Lanczos resampling, as the predictor was given it."""
    height, width = x.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resized(x[:, :, top : top + side, left : left + side], (STYLE_SIDE, STYLE_SIDE))
