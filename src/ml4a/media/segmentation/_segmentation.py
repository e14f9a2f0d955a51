"""A label map as a value: masks of it, pictures of it, files."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ml4a._core import files
from ml4a._core.errors import BadValue
from ml4a._core.kinds import Picture
from ml4a.media import image, mask
from ml4a.media.image import _resample
from ml4a.media.mask import Mask, _planes

from . import _view
from ._labels import Array, Label, LabelSet, Names, as_label_set

Scores = Callable[[Sequence[int]], Array]
"""How sure a network is of each of these labels: H×W×n float32 in [0, 1], computed when it is called."""


class Segmentation:
    """What every pixel shows: one label of a set, or -1 for unknown. It is a value, and not to be written to.

        found = ml4a.load("semantic_segmentation")(photo)
        found.present()                                      # [(Label(2, 'sky', …), 0.41), …]
        mask.composite(night, photo, found.mask("sky", soft=True))

    Args:
        labels: H×W whole numbers: indices of the set, or -1. They are copied.
        label_set: What the indices mean.
        scores: How sure a network was, if one was: H×W×n floats in [0, 1], n being the set's labels, or a function
            that gives them for the indices that it is called with.

    Raises:
        BadValue: an array of another shape or type; an index that the set does not have.
    """

    def __init__(self, labels: Array, label_set: LabelSet, scores: Array | Scores | None = None) -> None:
        array = np.asarray(labels)
        if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
            shape = "×".join(map(str, array.shape)) or "a single value"
            raise BadValue(f"a label map is an array of whole numbers, height by width, not {shape} of {array.dtype}")
        low, high = int(array.min()), int(array.max())
        if low < -1 or high >= len(label_set):
            raise BadValue(
                f"the labels of {label_set.name} are 0 to {len(label_set) - 1}, and -1 for unknown; "
                f"these reach from {low} to {high}"
            )
        self._labels = array.astype(np.int16)
        self._labels.flags.writeable = False
        self._label_set = label_set
        if isinstance(scores, np.ndarray):
            if scores.shape != (*array.shape, len(label_set)):
                raise BadValue(f"scores are {'×'.join(map(str, (*array.shape, len(label_set))))}, not {scores.shape}")
            scores = functools.partial(_chosen, scores.astype(np.float32))
        self._scores = scores

    @property
    def labels(self) -> Array:
        """H×W int16, not to be written to: indices of the set, -1 where unknown."""
        return self._labels

    @property
    def label_set(self) -> LabelSet:
        """What the indices mean."""
        return self._label_set

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self._labels.shape[1], self._labels.shape[0]

    @property
    def scores(self) -> Array:
        """H×W×n float32: how sure the network is of each label. It is computed each time; soft masks need less of it.

        Raises:
            BadValue: there are none, as the label map was not made by a network.
        """
        return self._scored(range(len(self._label_set)))

    def present(self) -> list[tuple[Label, float]]:
        """The labels that there are, each with its share of the pixels, the largest first. Unknown is none of them."""
        counts = np.bincount(self._labels.ravel().astype(np.int64) + 1, minlength=len(self._label_set) + 1)[1:]
        order = np.argsort(-counts, kind="stable")
        return [
            (self._label_set[int(index)], float(counts[index] / self._labels.size)) for index in order if counts[index]
        ]

    def mask(self, names: Names, *, soft: bool = False) -> Mask:
        """Where these labels are: a mask of one channel.

            trees = found.mask("tree, palm")

        Args:
            names: As `LabelSet.select` takes them.
            soft: By how sure the network is, instead of 0 and 1.

        Raises:
            UnknownName: the set has no such label.
            BadValue: soft, but there are no scores.
        """
        return mask.from_array(self._values(names, soft)[:, :, None])

    def masks(self, names: Sequence[Names] | str | None = None, *, soft: bool = False) -> Mask:
        """A mask with a channel for each name.

        Args:
            names: As `LabelSet.select` takes them; a name of several labels gives one channel of all of them. By
                default the labels that there are, the largest area first.
            soft: By how sure the network is, instead of 0 and 1.

        Raises:
            UnknownName: the set has no such label.
            BadValue: soft, but there are no scores; more than the 64 channels of a mask.
        """
        if names is None:
            names = [label for label, _ in self.present()]
        channels = names.split(",") if isinstance(names, str) else names
        if not channels:
            raise BadValue("a mask has one channel or more; name some labels")
        return mask.from_array(np.stack([self._values(name, soft) for name in channels], axis=2))

    def only(self, names: Names) -> Segmentation:
        """With these labels only; all else is unknown.

        Raises:
            UnknownName: the set has no such label.
        """
        return Segmentation(np.where(self._inside(names), self._labels, -1), self._label_set, self._scores)

    def resized(self, size: int | tuple[int, int]) -> Segmentation:
        """At another size, by the nearest pixel; a number is the height.

        Raises:
            BadValue, TooLarge: no such size.
        """
        target = _resample.target_size(self.size, size)
        scores = None if self._scores is None else functools.partial(_resized_scores, self._scores, target)
        return Segmentation(_view.nearest(self._labels, target), self._label_set, scores)

    def to(self, label_set: LabelSet | str) -> tuple[Segmentation, list[Label]]:
        """In the words of another set, as `LabelSet.to` finds them, and the labels here that it has no word for.

            coco, missing = ade.to("coco_stuff")

        What it has no word for is unknown then. Scores are left behind.

        Raises:
            UnknownName: there is no such set.
        """
        other = as_label_set(label_set)
        table, missing = self._label_set.to(other)
        here = {label for label, _ in self.present()}
        return Segmentation(table[self._labels], other), [label for label in missing if label in here]

    def to_image(self) -> Image.Image:
        """In the set's colours, black where unknown; `from_image` reads it."""
        return Image.fromarray(_view.colored(self._labels, self._label_set))

    def overlay(self, photo: Picture, opacity: float = 0.6) -> Any:
        """A photo under the set's colours; where nothing is known it is as it was.

        Args:
            photo: Any picture; label maps of another size are fitted to it. Its alpha is kept.
            opacity: Of the colours, 0 to 1.

        Returns:
            A picture of the photo's kind.

        Raises:
            BadValue: no such opacity.
        """
        return _view.overlay(self._labels, self._label_set, photo, opacity)

    def legend(self, height: int = 512) -> Image.Image:
        """What the colours mean: the labels that there are with their shares, the largest first.

        It is as wide as the set's longest name needs, so that the legends of a film's frames are of one size.

        Args:
            height: In pixels, 16 or more; what does not fit is left out, and counted in the last line.

        Raises:
            BadValue: it is too small, or no height at all.
        """
        return _view.legend(self.present(), self._label_set, height)

    def explained(self, picture: Picture) -> Any:
        """A picture with the legend to its right, on white: `found.explained(found.overlay(photo))`.

        Returns:
            A picture of the same kind, at least 256 px high.
        """
        return _view.explained(picture, self.legend)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
        """Write the indices as a grey PNG, from which `segmentation.load` reads the same: 255 is unknown.

        Sets of more than 255 labels take 16 bits; there 65535 is unknown.

        Args:
            path: Ends in .png. Missing folders are made.
            overwrite: Whether a file of that name may be replaced.

        Returns:
            Where it is.

        Raises:
            BadValue: another ending.
            OutputExists, CannotWrite: as `image.save`.
        """
        target = Path(path)
        if target.suffix.lower() != ".png":
            raise BadValue(f"label maps are saved as .png, which keeps their values, not as {target.name!r}")
        kind = np.uint8 if len(self._label_set) <= np.iinfo(np.uint8).max else np.uint16
        with files.atomic(target, overwrite=overwrite) as temporary:
            Image.fromarray(self._labels.astype(kind)).save(temporary, "PNG")  # -1 becomes the largest value
        return target

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segmentation):
            return NotImplemented
        return self._label_set == other._label_set and np.array_equal(self._labels, other._labels)

    def __hash__(self) -> int:
        return hash((self._label_set.name, self._labels.shape, hashlib.sha256(self._labels.tobytes()).digest()))

    def __repr__(self) -> str:
        width, height = self.size
        shown = [f"{label.title} {share:.0%}" for label, share in self.present()]
        rest = [f"{len(shown) - 3} more"] if len(shown) > 3 else []
        return (
            f"<Segmentation {width}x{height} of {self._label_set.name}: {', '.join([*shown[:3], *rest]) or 'unknown'}>"
        )

    def _repr_png_(self) -> bytes:
        """Notebooks show it with its legend."""
        small = self.resized(512) if self.size[1] > 512 else self
        return image.encode(small.explained(small.to_image()), ".png")

    def _inside(self, names: Names) -> Array:
        return np.isin(self._labels, [label.index for label in self._label_set.select(names)])

    def _values(self, names: Names, soft: bool) -> Array:
        """H×W: where any of these labels is, or how sure that is."""
        if not soft:
            return self._inside(names)
        chosen = [label.index for label in self._label_set.select(names)]
        return self._scored(chosen).sum(axis=2).clip(0, 1)  # labels exclude each other

    def _scored(self, indices: Sequence[int]) -> Array:
        if self._scores is None:
            raise BadValue("this label map was not made by a network, so that it has no scores; leave soft=True out")
        return self._scores(indices)


def _chosen(scores: Array, indices: Sequence[int]) -> Array:
    return scores[:, :, list(indices)]


def _resized_scores(scores: Scores, size: tuple[int, int], indices: Sequence[int]) -> Array:
    return _planes.resized(scores(indices), size)
