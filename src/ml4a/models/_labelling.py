"""What models that name every pixel share: from a network's logits to a label map, and to a picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from ml4a._core.errors import BadValue, BadWeights
from ml4a._core.kinds import Kind, Picture
from ml4a._core.params import Doc, Range

from ._base import PictureModel
from ._operation import current_call

if TYPE_CHECKING:
    import torch

    from ml4a.media.segmentation import LabelSet, Segmentation
else:
    Segmentation = Annotated[Any, Kind("segmentation")]
    """A label map, as annotations have it at run time, when the media are not imported yet."""

View = Annotated[
    Literal["overlay", "colors", "mask", "legend"],
    Doc(
        "The picture under colours; the colours alone; what `only` names in white on black; or colours and their names."
    ),
]
Only = Annotated[str | None, Doc("Show these labels only, by their names: sky,tree.")]
Opacity = Annotated[float, Range(0, 1), Doc("How much the colours cover.")]


class LabellingModel(PictureModel):
    """Base of models whose network gives a score for each label in each pixel."""

    labels: ClassVar[str]
    """Name of the labels' set."""

    @property
    def label_set(self) -> LabelSet:
        """What the network tells apart."""
        from ml4a.media import segmentation

        return segmentation.label_set(self.labels)

    def load(self, files: dict[str, Path]) -> None:
        """Build the network; the keys of several files are put together, below their roles.

        Raises:
            BadWeights: it tells other things apart.
        """
        from ml4a import weights
        from ml4a.networks import from_state_dict

        state: dict[str, Any] = {}
        for role, path in files.items():
            arrays = weights.read(path, self.weights.files[role].format).arrays()
            state |= {f"{role}.{key}": array for key, array in arrays.items()} if len(files) > 1 else arrays
        self.network = self.place(from_state_dict(self.card, state))
        if self.network.labels != len(self.label_set):
            raise BadWeights(
                f"these weights tell {self.network.labels} labels apart, and {self.label_set.name} has "
                f"{len(self.label_set)}"
            )

    def segmentation(self, logits: Sequence[torch.Tensor], size: tuple[int, int]) -> Segmentation:
        """The label map of a picture of (width, height), from logits h×w×n of any sizes.

        Their probabilities count alike. It keeps the logits, of which scores are made when they are asked for.
        """
        from ml4a.media import segmentation
        from ml4a.ops.label_scores import LabelScores

        scores = LabelScores(logits, size)
        return segmentation.Segmentation(scores.labels(), self.label_set, scores)

    def shown(self, x: torch.Tensor, found: Segmentation, view: str, only: str | None, opacity: float) -> Picture:
        """A label map as a picture of the kind that came in.

        Args:
            x: The picture as `to_tensor` gave it.
            found: Its label map.
            view: As of `View`, as are the others.
            only: Labels' names.
            opacity: Of the colours.
        """
        import numpy as np
        import torch

        from ml4a.media import image

        if view == "mask":
            if only is None:
                raise BadValue("view='mask' shows where something is: say what, such as only='hat' (--only hat)")
            return self.to_picture(torch.from_numpy(found.mask(only)(found.size)).permute(2, 0, 1)[None])
        found = found if only is None else found.only(only)
        if view == "colors":
            return self.to_picture(torch.from_numpy(image.to_array(found.to_image())).permute(2, 0, 1)[None])
        call = current_call()
        photo = x[0].permute(1, 2, 0).numpy()
        photo = photo if call.alpha is None else np.concatenate([photo, call.alpha[:, :, None]], axis=2)
        covered = found.overlay(photo, opacity)
        return image.as_kind(covered if view == "overlay" else found.explained(covered), call.kind)


def bilinear(x: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """1×C×H×W in [0, 1] at another size (width, height), by Pillow's bilinear filter, as the networks were shown it."""
    import torch

    from ml4a.media import image

    array = image.resize(x[0].permute(1, 2, 0).numpy(), size, "bilinear")
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def by_pixel(logits: torch.Tensor) -> Any:
    """1×n×h×w to h×w×n."""
    return logits[0].permute(1, 2, 0).float().contiguous()
