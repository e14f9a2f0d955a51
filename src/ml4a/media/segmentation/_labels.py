"""Labels, and the sets that they belong to."""

from __future__ import annotations

import difflib
import functools
import json
import operator
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, TypeAlias

import numpy as np

from ml4a._core.errors import BadValue, UnknownName

Array: TypeAlias = np.ndarray[Any, Any]

_BUILT_IN = ("ade20k", "celebamask", "cityscapes", "coco_stuff")
_MOST = 32_767


@dataclass(frozen=True, slots=True)
class Label:
    """What a pixel may show."""

    index: int
    """Its number in label maps."""
    name: str
    color: tuple[int, int, int]
    """(red, green, blue), 0 to 255."""
    synonyms: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name as people read it: the first synonym, where the name is short for it, as `l_brow` is."""
        return self.synonyms[0] if "_" in self.name and self.synonyms else self.name


Names: TypeAlias = "str | int | Label | Sequence[str | int | Label]"
"""Labels: by name (several with commas between), by index, themselves, or a list of these."""


@dataclass(frozen=True, repr=False)
class LabelSet:
    """Labels that exclude each other, numbered from 0.

        ade = segmentation.ADE20K
        ade["sky"].index, ade[2].name                        # (2, 'sky')
        ade["Traffic_Light"] is ade["stoplight"]             # True

    Names are found in any case, with or without spaces, underscores and hyphens; a name before a synonym, and of
    labels that share a synonym the first.

    Raises:
        BadValue: the labels are not numbered 0, 1, 2 …, two have one name, or `unknown` is none of them.
    """

    name: str
    labels: tuple[Label, ...]
    unknown: int | None = None
    """The index that stands for "unlabelled", if one does. Outside of the set, -1 does in every label map."""
    _names: dict[str, Label] = field(init=False, compare=False, hash=False)
    _synonyms: dict[str, list[Label]] = field(init=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        labels = tuple(self.labels)
        if not 1 <= len(labels) <= _MOST or [label.index for label in labels] != list(range(len(labels))):
            raise BadValue(f"the labels of {self.name} must be numbered 0, 1, 2 …, at most {_MOST:,} of them")
        if self.unknown is not None and self.unknown not in range(len(labels)):
            raise BadValue(f"the unknown label of {self.name} must be one of its indices, not {self.unknown!r}")
        names = {_plain(label.name): label for label in labels}
        if len(names) < len(labels):
            twice = next(label for label in labels if names[_plain(label.name)] is not label)
            raise BadValue(f"two labels of {self.name} are named {twice.name!r}")
        synonyms: dict[str, list[Label]] = {}
        for label in labels:
            for word in label.synonyms:
                synonyms.setdefault(_plain(word), []).append(label)
        for attribute, value in (("labels", labels), ("_names", names), ("_synonyms", synonyms)):
            object.__setattr__(self, attribute, value)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Label]:
        return iter(self.labels)

    def __getitem__(self, which: str | int | Label) -> Label:
        return self._found(which)[0]

    def __contains__(self, which: object) -> bool:
        if isinstance(which, Label):
            return which in self.labels
        return isinstance(which, str) and (_plain(which) in self._names or _plain(which) in self._synonyms)

    def __repr__(self) -> str:
        return f"<LabelSet {self.name} of {len(self)} labels>"

    @functools.cached_property
    def colors(self) -> Array:
        """The labels' colours: n×3 uint8, not to be written to."""
        colors = np.array([label.color for label in self.labels], np.uint8)
        colors.flags.writeable = False
        return colors

    def select(self, names: Names) -> list[Label]:
        """The labels that are named, each once, in the order in which they are.

            segmentation.CELEBAMASK.select("hair, eyes")     # hair and both eyes: `eyes` is a synonym of either

        Args:
            names: A label, its name or its index; names with commas between; or a list of these. A synonym that
                several labels have names all of them.

        Raises:
            UnknownName: there is no such label.
            BadValue: nothing is named.
        """
        if isinstance(names, str):
            items: list[Any] = [name for name in names.split(",") if name.strip()]
        else:
            items = list(names) if isinstance(names, Sequence) else [names]
        if not items:
            raise BadValue(f"no labels of {self.name} are named; name one or more, such as {self.labels[0].name!r}")
        return list(dict.fromkeys(label for item in items for label in self._found(item)))

    def to(self, other: LabelSet) -> tuple[Array, list[Label]]:
        """Where the labels are found in another set: by name, else by the first synonym that the other knows.

            table, missing = segmentation.ADE20K.to(segmentation.COCO_STUFF)
            coco = table[ade]                                # of a label map without -1

        Returns:
            A table of n + 1 indices (int16), -1 where there is no counterpart; its last entry, -1 too, is for the
            pixels that are -1 themselves. And the labels that have no counterpart; what stands for "unlabelled" is
            never among them.
        """
        table = np.full(len(self) + 1, -1, np.int16)
        missing = []
        for label in self.labels:
            if label.index == self.unknown:
                table[label.index] = -1 if other.unknown is None else other.unknown
                continue
            known = (word for word in (label.name, *label.synonyms) if word in other)
            match = next((other[word] for word in known), None)
            if match is None:
                missing.append(label)
            else:
                table[label.index] = match.index
        return table, missing

    def _found(self, which: Any) -> list[Label]:
        if isinstance(which, Label):
            if which not in self.labels:
                raise BadValue(f"{which.name!r} is no label of {self.name}, but of another set; name it instead")
            return [which]
        if isinstance(which, str):
            key = _plain(which)
            if key in self._names:
                return [self._names[key]]
            if key in self._synonyms:
                return self._synonyms[key]
            raise self._no_such(which.strip())
        try:
            index = operator.index(which)
        except TypeError:
            raise BadValue(f"a label is given by its name or index, not by {type(which).__name__}") from None
        if not 0 <= index < len(self):
            raise BadValue(f"the labels of {self.name} are numbered 0 to {len(self) - 1}; there is no {index}")
        return [self.labels[index]]

    def _no_such(self, name: str) -> UnknownName:
        words = [word for label in self.labels for word in (label.name, *label.synonyms)]
        near = difflib.get_close_matches(name.casefold(), words, n=1)
        return UnknownName(f"label of {self.name}", name.casefold(), near or [label.name for label in self.labels])


@functools.cache
def label_set(name: str) -> LabelSet:
    """One of the sets that come with ml4a: `"ade20k"`, `"celebamask"`, `"cityscapes"`, `"coco_stuff"`.

    Raises:
        UnknownName: there is no such set.
    """
    key = next((key for key in _BUILT_IN if isinstance(name, str) and _plain(key) == _plain(name)), None)
    if key is None:
        raise UnknownName("set of labels", str(name), _BUILT_IN)
    if key != name:
        return label_set(key)
    text = resources.files("ml4a.media.segmentation").joinpath(f"sets/{key}.json").read_text(encoding="utf-8")
    content = json.loads(text)
    labels = (
        Label(index, row["name"], tuple(row["color"]), tuple(row.get("synonyms", ())))
        for index, row in enumerate(content["labels"])
    )
    return LabelSet(content["name"], tuple(labels), content.get("unknown"))


def as_label_set(labels: LabelSet | str) -> LabelSet:
    """A set of labels, or the one that has this name.

    Raises:
        UnknownName: there is no such set.
        BadValue: it is neither.
    """
    if isinstance(labels, str):
        return label_set(labels)
    if not isinstance(labels, LabelSet):
        raise BadValue(f"a set of labels is a LabelSet or the name of one, not {type(labels).__name__}")
    return labels


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", name.casefold())
