"""SPADE, or GauGAN: a photograph of a painted map of labels (Park et al., CVPR 2019, arXiv:1903.07291)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ml4a._core.errors import BadValue, BadWeights
from ml4a._core.kinds import Picture
from ml4a._core.params import Doc, Range

from . import _label_maps
from ._base import PictureModel, resized
from ._operation import operation

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ml4a.media.segmentation import LabelSet, Segmentation

_MOST = 7
"""Doublings of a network with one more block, which the keys of its weights tell."""

Instances = Annotated[
    Picture | None, Doc("A picture in which each thing has a colour of its own; by default touching ones are one.")
]
Guide = Annotated[Picture | None, Doc("A picture in whose style to paint, where the weights know styles.")]
Size = Annotated[
    int | None, Range(16, 4096), Doc("Height of the result in pixels; by default with as many pixels as in training.")
]
Seed = Annotated[int | None, Range(0, 2**63 - 1), Doc("Chooses a style, where the weights know styles.")]


class SPADE(PictureModel):
    """Makes a photograph of a map of labels: here sky, there a tree.

        paint = ml4a.load("spade")
        paint.classes                                        # what can be painted
        photo = paint("map.png")                             # in the colours of paint.label_set
        photo = paint(segmentation.from_array(labels, "coco_stuff"))

    A further file of the weights, with the role `encoder`, may be the network that finds the style of a picture.
    """

    card = "spade"

    label_set: LabelSet
    """What can be painted, in which colours."""

    def load(self, files: dict[str, Path]) -> None:
        """Build the network, and read with what labels and at what size it was trained."""
        from ml4a import weights
        from ml4a.networks import from_state_dict

        from . import _spade_files

        archive = weights.read(files["network"], self.weights.files["network"].format)
        self.network = self.place(from_state_dict("spade", archive.arrays()))
        self._options = _spade_files.read_options(files["options"], self.network.channels)
        if (self._options.doublings == _MOST) != (self.network.doublings == _MOST):
            raise BadWeights(f"{files['options'].name} belongs to another network: one of them doubles {_MOST} times")
        self.network.doublings = self._options.doublings
        classes = _spade_files.read_classes(files["classes"])
        self.label_set = _spade_files.label_set(f"{self.card}/{self.weights.name}", classes, self._options)
        self.encoder: Any = None
        if "encoder" in files:
            archive = weights.read(files["encoder"], self.weights.files["encoder"].format)
            self.encoder = self.place(from_state_dict("spade", archive.arrays()))

    @property
    def classes(self) -> list[str]:
        """The names of what can be painted, by index."""
        return [label.name for label in self.label_set]

    @operation(
        verb="paint",
        examples=("ml4a paint map.png -o photo.png", "ml4a paint map.png --weights coco --size 512 -o photo.png"),
    )
    def __call__(
        self,
        labels: Picture,
        *,
        instances: Instances = None,
        guide: Guide = None,
        size: Size = None,
        seed: Seed = None,
    ) -> Picture:
        """Make a photograph of a map of labels.

        Args:
            labels: A picture in the colours of `label_set`, or a grey one of indices, 255 being unknown; an H×W array
                of whole numbers, -1 or 255 being unknown; or a `Segmentation` of any set of labels, which is taken
                by name. Colours that no label has count for the nearest; a warning says so. A picture without colours
                is one of indices if all its values are.
            instances: A colour or number for each thing, where things of one label touch; of the same shape as
                `labels`. It counts only for weights that were trained with edges.
            guide: A picture in whose style to paint.
            size: Height of the result. The network was trained for the size that is the default; larger pictures
                get smaller things.
            seed: Chooses a style if there is no guide.

        Returns:
            A picture of the kind that came in, of the shape of `labels`; its transparency is kept.

        Raises:
            BadValue: an index that there is no label for; a guide, but the weights know no styles.
        """
        found = self.segmentation(labels)
        width, height = self._size(found.size, size)
        rows, columns = self.network.grid(height, width)
        inner = (columns * self.network.in_multiple, rows * self.network.in_multiple)
        drawn = self.draw(found.resized(inner), self._borders(instances, inner), self._style(guide, seed))
        return self.to_picture(resized((drawn + 1) / 2, (width, height)))

    def segmentation(self, labels: Any) -> Segmentation:
        """What `labels` says, in any of the forms that painting takes, in the words of `label_set`."""
        return _label_maps.read(labels, self.label_set, self.to_pixels)

    def draw(
        self, found: Segmentation, borders: np.ndarray[Any, Any] | None = None, style: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Draw a label map.

        Args:
            found: In the words of `label_set`, of a size that the network can draw.
            borders: H×W, bool: where instances end, other than by their labels.
            style: 1×n, where the weights know styles.

        Returns:
            1×3×H×W, RGB in [-1, 1].
        """
        import torch

        from ml4a.ops.semantic_map import SemanticMap, edges

        unknown = -1 if self.label_set.unknown is None else self.label_set.unknown
        labels = torch.from_numpy(found.labels.astype("int64"))
        labels[labels < 0] = unknown
        ends = edges(labels)
        if borders is not None:
            ends |= torch.from_numpy(borders)
        present, kinds = torch.unique(2 * labels + ends, return_inverse=True)
        which = present.div(2, rounding_mode="floor")
        channels = torch.zeros(len(present), self.network.channels)
        known = which >= 0
        channels[known, which[known]] = 1
        if self._options.edges:
            channels[:, -1] = present % 2
        channels = channels.to(self.device)
        style = None if style is None else style.to(self.device)

        def function(kinds: torch.Tensor) -> torch.Tensor:
            return self.network.draw(SemanticMap(kinds[:, 0], channels), kinds.shape[-2:], style)

        return self.run(kinds[None, None], function=function).float().cpu()

    def _size(self, size: tuple[int, int], height: int | None) -> tuple[int, int]:
        """The result's (width, height) for a map of `size`."""
        ratio = size[0] / size[1]
        width, trained = self._options.size
        rows = (width * trained / ratio) ** 0.5 if height is None else height
        return max(1, round(rows * ratio)), max(1, round(rows))

    def _borders(self, instances: Any, size: tuple[int, int]) -> np.ndarray[Any, Any] | None:
        """Where instances end in a map of `size`."""
        import numpy as np
        import torch

        from ml4a.ops.semantic_map import edges

        if instances is None:
            return None
        if isinstance(instances, np.ndarray) and instances.ndim == 2 and instances.dtype.kind in "iu":
            numbers = instances.astype(np.int64)
        else:
            pixels = self.to_pixels(instances).astype(np.int64)
            numbers = pixels[:, :, 0] << 16 | pixels[:, :, 1] << 8 | pixels[:, :, 2]
        rows, columns = (
            (2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size[::-1], numbers.shape, strict=True)
        )
        return edges(torch.from_numpy(numbers[rows[:, None], columns])).numpy()

    def _style(self, guide: Any, seed: int | None) -> torch.Tensor | None:
        import torch

        if not self.network.latent:
            if guide is not None:
                raise BadValue(f"the weights {self.weights.name!r} know no styles; leave the guide out")
            return None
        if guide is None:
            return torch.randn(1, self.network.latent, generator=torch.Generator().manual_seed(seed or 0))
        if self.encoder is None:
            raise BadValue(f"the weights {self.weights.name!r} have no network that finds a picture's style")
        with torch.inference_mode():
            mean, _ = self.encoder(2 * self.to_tensor(guide).to(self.device) - 1)
        return mean
