"""Label maps: what every pixel of a picture shows, in the words of a set of labels.

    from ml4a import segmentation

    found = ml4a.load("semantic_segmentation")("street.jpg")     # a Segmentation
    found.present()[:3]                                          # the largest areas, with their shares
    sky = found.mask("sky")                                      # a mask, for whatever masks are for
    found.overlay("street.jpg")                                  # the photo under the labels' colours

    drawn = segmentation.from_image("drawing.png", segmentation.COCO_STUFF)

Four sets of labels come along: `ADE20K`, `COCO_STUFF`, `CITYSCAPES` and `CELEBAMASK`; they are read when they are
first asked for.
"""

from __future__ import annotations

from typing import Any

from ._labels import Label, LabelSet, as_label_set, label_set
from ._read import from_array, from_image, load
from ._segmentation import Segmentation

ADE20K: LabelSet
"""150 things of indoor and outdoor scenes (Zhou et al., CVPR 2017). Road and skyscraper have the same colour."""
COCO_STUFF: LabelSet
"""182 things and stuffs (Caesar et al., CVPR 2018), numbered from 0, and 182 for what nobody labelled."""
CITYSCAPES: LabelSet
"""34 things of streets (Cordts et al., CVPR 2016), numbered as in its label files, and 34 for licence plates."""
CELEBAMASK: LabelSet
"""19 parts of faces (Lee et al., CVPR 2020), in the order of zllrunning's BiSeNet, not in that of the data set."""

__all__ = [
    "ADE20K",
    "CELEBAMASK",
    "CITYSCAPES",
    "COCO_STUFF",
    "Label",
    "LabelSet",
    "Segmentation",
    "as_label_set",
    "from_array",
    "from_image",
    "label_set",
    "load",
]


def __getattr__(name: str) -> Any:
    if name in ("ADE20K", "CELEBAMASK", "CITYSCAPES", "COCO_STUFF"):
        return label_set(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
