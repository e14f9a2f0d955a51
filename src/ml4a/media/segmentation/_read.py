"""Label maps from arrays, from pictures and from files."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np

from ml4a._core.kinds import Picture
from ml4a.media import image, sources
from ml4a.media.image import _decode

from ._labels import Array, LabelSet, as_label_set
from ._segmentation import Segmentation

log = logging.getLogger("ml4a")

_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
"""Pillow's modes of pictures without colours."""
_BLOCK = 1 << 15
"""Colours that are compared with the labels' at a time."""


def from_array(labels: Array, label_set: LabelSet | str) -> Segmentation:
    """A label map from indices.

        segmentation.from_array(np.array([[2, 2], [4, -1]]), "ade20k").present()      # sky and tree

    Args:
        labels: H×W whole numbers, -1 for what is unknown. They are copied.
        label_set: Whose indices they are.

    Raises:
        BadValue: no array of whole numbers of two dimensions, or an index that the set does not have.
        UnknownName: there is no such set.
    """
    return Segmentation(labels, as_label_set(label_set))


def from_image(picture: Picture, label_set: LabelSet | str) -> Segmentation:
    """A label map from a picture in the labels' colours, or from a grey one whose values are indices.

        drawn = segmentation.from_image("drawing.png", "coco_stuff")

    A colour that no label has counts for the label whose colour is nearest; a warning says of how many pixels that
    was so, as JPEG and soft brushes bring it about. Where labels share a colour (road and skyscraper in ADE20K), the
    lower index is taken. What is mostly transparent is unknown, and so is black, if no label is black.

    Args:
        picture: Any. Grey is what has one channel (or two, with alpha): a mode "L" or "I;16", an H×W array; an RGB
            picture has colours, even if all of them are greys. Of grey values, the largest (255, or 65535 in 16 bits)
            is unknown, unless the set has that many labels.
        label_set: Whose colours or indices they are.

    Raises:
        BadValue: an index that the set does not have; no picture.
        NotFound, BadMedia, TooLarge: as `image.load`.
        UnknownName: there is no such set.
    """
    known = as_label_set(label_set)
    opened = picture if image.is_loaded(picture) else _opened(picture)
    if _is_grey(opened):
        return _of_indices(opened, known)
    return Segmentation(_nearest(image.to_array(opened), known), known)


def load(path: str | os.PathLike[str], label_set: LabelSet | str) -> Segmentation:
    """Read the file that `Segmentation.save` wrote, or any other picture that `from_image` understands.

    Raises:
        NotFound, BadMedia, TooLarge: as `image.load`.
        BadValue: an index that the set does not have.
        UnknownName: there is no such set.
    """
    return from_image(path, label_set)


def _opened(source: Any) -> Any:
    """A file's picture: Pillow's if it is grey, so that indices are as they are stored; else as `image.load` has it."""
    data, name = sources.read(source), sources.shown(source)
    header = _decode.read_header(data, name)
    decoded = _decode.decode(data, name)
    return header.picture if header.picture is not None and header.picture.mode in _GREY else decoded


def _is_grey(picture: Any) -> bool:
    kind = image.kind_of(picture)
    if kind == "pil":
        return picture.mode in _GREY
    return picture.ndim == 2 or (picture.ndim == 3 and picture.shape[0 if kind == "tensor" else 2] in (1, 2))


def _of_indices(picture: Any, known: LabelSet) -> Segmentation:
    """From what `_is_grey`."""
    if image.kind_of(picture) == "tensor":
        picture = picture.detach().cpu().numpy().transpose(1, 2, 0)
    values: Array = np.asarray(picture)
    if values.dtype.kind == "f":
        array = image.to_array(values)  # which refuses what is beyond [0, 1]
        values = np.rint(array[:, :, ::3] * 255).astype(np.uint8)  # grey, and alpha if there is any
    grey, *alpha = np.moveaxis(values if values.ndim == 3 else values[:, :, None], 2, 0)
    largest = {"B": 255, "H": 65535, "i": 65535}.get(values.dtype.char)  # Pillow's mode I, too, holds 16 bits
    labels = grey.astype(np.int64)
    if largest is not None and largest >= len(known):
        labels[labels == largest] = -1
    if alpha:
        labels[alpha[0] < np.iinfo(values.dtype).max / 2] = -1
    return Segmentation(labels, known)


def _nearest(array: Array, known: LabelSet) -> Array:
    """The labels whose colours are nearest to those of an H×W×C picture; -1 where it is transparent."""
    pixels = (array[:, :, :3] * 255 + 0.5).astype(np.uint32)
    packed = pixels[:, :, 0] << 16 | pixels[:, :, 1] << 8 | pixels[:, :, 2]
    found, where, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colors = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.float32)
    palette = known.colors.astype(np.float32)
    labels = np.empty(len(found), np.int64)
    exact = np.empty(len(found), bool)
    for start in range(0, len(found), _BLOCK):
        part = slice(start, start + _BLOCK)
        distances = (palette**2).sum(axis=1) - 2 * colors[part] @ palette.T
        labels[part] = distances.argmin(axis=1)  # the first, where two are as near
        exact[part] = (palette[labels[part]] == colors[part]).all(axis=1)
    black = (found == 0) & ~exact
    labels[black] = -1
    result = labels[where].reshape(packed.shape)
    guessed = int(counts[~exact & ~black].sum())
    if array.shape[2] == 4:
        result[array[:, :, 3] < 0.5] = -1
    if guessed:
        share = guessed / packed.size
        log.warning("%.1f %% of the pixels have colours of no label of %s; the nearest count", 100 * share, known.name)
    return result
