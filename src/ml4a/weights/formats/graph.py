"""A step of a network's graph, as formats that hold whole networks list them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._core.errors import BadWeights
from .protobuf import Message

_LARGEST_NODES = 100_000
"""Glow's, unrolled for coding and decoding, may have 40,000."""


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


def messages(graph: Message, number: int) -> list[Message]:
    """The messages of a repeated field, nodes or tensors, if they are not more than any network has.

    Raises:
        BadWeights: they are.
    """
    if len(graph.buffers(number)) > _LARGEST_NODES:
        raise BadWeights(f"its graph has more than {_LARGEST_NODES} nodes or tensors, more than any model needs")
    return graph.messages(number)
