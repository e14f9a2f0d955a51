"""A step of a network's graph, as formats that hold whole networks list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """One operation: its inputs and outputs are names of tensors."""

    op: str
    """The operation's name; one that is not of the format's own set has its domain in front: `"com.microsoft.Gelu"`."""
    name: str
    inputs: tuple[str, ...]
    """An optional input that is left out is `""`."""
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    """Numbers, texts, lists of them, and `Tensor`s."""
