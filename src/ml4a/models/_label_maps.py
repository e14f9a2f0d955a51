"""Label maps in any of the forms in which they are painted: values, indices, colours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from ml4a.media.segmentation import LabelSet, Segmentation

log = logging.getLogger("ml4a")

_UNKNOWN = 255
"""In a grey picture of indices."""


def read(labels: Any, label_set: LabelSet, pixels_of: Callable[[Any], np.ndarray[Any, Any]]) -> Segmentation:
    """What `labels` says, in the words of `label_set`.

    Args:
        labels: A picture in the colours of the set, or a grey one of indices, 255 being unknown; an H×W array of whole
            numbers, -1 or 255 being unknown; or a `Segmentation` of any set, which is taken by name. Colours that no
            label has count for the nearest; a warning says so. A picture without colours is one of indices if all its
            values are.
        label_set: What the indices mean.
        pixels_of: Gives a picture's H×W×3 uint8.

    Raises:
        BadValue: an index that there is no label for.
    """
    import numpy as np

    from ml4a.media import segmentation

    if isinstance(labels, segmentation.Segmentation):
        return _in_words_of(label_set, labels)
    if isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.dtype != np.uint8:
        return segmentation.from_array(_indices(labels, label_set), label_set)
    pixels = pixels_of(labels)
    if (pixels == pixels[:, :, :1]).all():
        indices = _indices(pixels[:, :, 0], label_set)
        if indices.max() < len(label_set):
            return segmentation.from_array(indices, label_set)
    return segmentation.from_image(pixels, label_set)


def _in_words_of(label_set: LabelSet, found: Segmentation) -> Segmentation:
    if found.label_set == label_set:
        return found
    found, missing = found.to(label_set)
    if missing:
        names = ", ".join(label.name for label in missing)
        log.warning("%s has no %s; what is not known is left to the network", label_set.name, names)
    return found


def _indices(values: np.ndarray[Any, Any], label_set: LabelSet) -> np.ndarray[Any, Any]:
    import numpy as np

    indices = values.astype(np.int64)
    if len(label_set) <= _UNKNOWN:
        indices[indices == _UNKNOWN] = -1
    return indices
