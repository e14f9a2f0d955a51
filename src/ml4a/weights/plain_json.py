"""Plain values as JSON, and back to the same: JSON has no tuples, bytes or tables with numbers as keys.

Numbers, texts, truth values and None stand for themselves; everything else is a pair of what it is and what is in it:
`["tuple", [1, 2]]`. Tensors are handed out, and only their number is written.
"""

from __future__ import annotations

import base64
import math
from typing import Any

from ml4a._core.errors import BadWeights

from .formats import Tensor
from .formats.graph import Node

_SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_LARGEST_DEPTH = 200


def encode(value: Any, tensors: list[Tensor]) -> Any:
    """`value` as JSON knows it; tensors in it are appended to `tensors`.

    Raises:
        BadWeights: it is something else than what readers return.
    """
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, float):
        return ["float", repr(value)]
    if isinstance(value, complex):
        return ["complex", [encode(value.real, tensors), encode(value.imag, tensors)]]
    if isinstance(value, bytes):
        return ["bytes", base64.b64encode(value).decode()]
    if isinstance(value, dict):
        return ["table", [[encode(key, tensors), encode(item, tensors)] for key, item in value.items()]]
    if isinstance(value, Tensor):
        tensors.append(value)
        return ["tensor", len(tensors) - 1]
    if isinstance(value, Node):
        return ["node", [encode(part, tensors) for part in vars(value).values()]]
    kind = type(value).__name__
    if kind not in _SEQUENCES:
        raise BadWeights(f"its metadata hold a {kind}")
    return [kind, [encode(item, tensors) for item in value]]


def decode(value: Any, tensors: list[Tensor], depth: int = 0) -> Any:
    """What `encode` was given.

    Raises:
        BadWeights: `encode` did not make this.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > _LARGEST_DEPTH or not isinstance(value, list) or len(value) != 2:
        raise BadWeights("its metadata are broken")
    kind, content = value
    try:
        if kind == "tensor":
            return tensors[content]
        if kind == "bytes":
            return base64.b64decode(content, validate=True)
        if kind == "float":
            return float(content)
        if kind == "table":
            return {decode(key, tensors, depth + 1): decode(item, tensors, depth + 1) for key, item in content}
        items = [decode(item, tensors, depth + 1) for item in content]
        if kind == "node":
            return Node(*items)
        return complex(*items) if kind == "complex" else _SEQUENCES[kind](items)
    except (LookupError, TypeError, ValueError) as error:
        if isinstance(error, BadWeights):
            raise
        raise BadWeights("its metadata are broken") from None
