"""What a weights file says besides its tensors, as plain values that are fit to be shown.

What is in a file is hostile: it must not fill the screen, steer the terminal, or be something that JSON cannot say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ml4a.weights.formats import Archive, Tensor

_LONGEST_TEXT = 200
_LARGEST_DEPTH = 5
_MOST_VALUES = 400
_MOST_ITEMS = 40


def facts(archive: Archive) -> dict[str, Any]:
    """What is worth knowing of a file's metadata; of a graph, how often each operation is in it."""
    about = dict(archive.metadata)
    nodes = about.pop("nodes", [])
    if archive.format == "ncnn":
        about = {"layers": counts(layer["type"] for layer in about["layers"])}
    elif archive.format == "tf_graph":
        about["inputs"] = {node.name: node.attributes.get("shape") for node in nodes if node.op == "Placeholder"}
    if nodes:
        about["operations"] = counts(node.op for node in nodes)
    return {name: value for name, value in shown(about).items() if value not in (None, "", [], {})}


def counts(names: Iterable[str]) -> dict[str, int]:
    """How often each is there, the most frequent first."""
    return dict(Counter(names).most_common())


def shown(value: Any) -> Any:
    """`value` as JSON knows it, cut to what can be read: tensors as their type and shape."""
    return _Shown().value(value, 0)


def printable(text: str, longest: int = _LONGEST_TEXT) -> str:
    """`text` in one line, cut to a length, without characters that steer a terminal."""
    cut = text[:longest] + "…" * (len(text) > longest)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)


@dataclass
class _Shown:
    """Counts what it has shown: a table that is in itself many times would be endless."""

    left: int = _MOST_VALUES

    def value(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if value is None or isinstance(value, bool | int):
            return value if abs(value or 0) < 1 << 63 else "a large number"
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, str):
            return printable(value)
        if isinstance(value, Tensor):
            return f"{value.dtype} {times(value.shape)}"
        if isinstance(value, bytes | memoryview):
            return f"{len(value)} bytes"
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            return self._several(value, depth + 1)
        return printable(str(value))

    def _several(self, values: Any, depth: int) -> Any:
        if depth > _LARGEST_DEPTH:
            return f"{len(values)} more"
        is_table = isinstance(values, Mapping)
        found: list[Any] = []
        for item in values.items() if is_table else values:
            if len(found) == _MOST_ITEMS or self.left <= 0:
                break
            shown = self.value(item[1] if is_table else item, depth)
            found.append((printable(str(self.value(item[0], depth))), shown) if is_table else shown)
        more = len(values) - len(found)
        if is_table:
            return dict(found) | ({"…": f"{more} more"} if more else {})
        return found + [f"… {more} more"] * (more > 0)


def times(shape: Iterable[int]) -> str:
    """`"64×3×3×3"`."""
    return "×".join(map(str, shape)) or "one number"
