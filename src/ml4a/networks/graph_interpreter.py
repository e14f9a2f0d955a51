"""Runs TensorFlow's frozen graphs, as far as flows need them: slowly, and as they are written.

A graph comes from a file and is hostile: what is needed for a result is looked at before anything is computed, nothing
is recursive, and no tensor may be larger than a bound.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from ml4a._core.errors import BadWeights

from .graph_operations import OPERATIONS, PLACEHOLDERS, RANDOM, Sizes

_LARGEST = 1 << 28
"""Numbers in all results that are kept at one time: 1 GiB of float32."""


class Node(Protocol):
    """A step of a graph, as `weights.formats.tf_graph` reads it."""

    @property
    def op(self) -> str:
        """The operation."""
        ...

    @property
    def name(self) -> str:
        """Its name, which its result has, too."""
        ...

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the tensors that go in: `"name"`, `"name:1"`, or `"^name"` of what only has to be done before."""
        ...

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Further arguments."""
        ...


class Interpreter:
    """A graph that can be asked for the value of any of its tensors.

    Chance is left out: what is drawn at random is 0.

    Args:
        nodes: The steps, in any order.
        constants: The values of its Const nodes by name.
        largest: How many numbers may be kept at one time.
    """

    def __init__(self, nodes: Iterable[Node], constants: Mapping[str, np.ndarray], largest: int = _LARGEST) -> None:
        self.nodes = {node.name: node for node in nodes}
        self._constants = constants
        self._largest = largest
        self._is_constant: dict[str, bool] = {}

    def run(self, wanted: Sequence[str], given: Mapping[str, torch.Tensor] | None = None) -> list[torch.Tensor]:
        """The values of tensors.

        Args:
            wanted: Their names.
            given: Values of tensors by name: of Placeholder nodes, and of any others that are not to be computed.

        Raises:
            BadWeights: an operation that is not known, something missing, a circle, a shape that cannot be, or more
                numbers than allowed. The message names the node.
        """
        given = given or {}
        values = dict(given)
        order = self._order(wanted, values.keys())
        left = self._uses(order, wanted)
        kept = 0
        for name in order:
            if name not in values:
                values[name] = self._value(name, values, self._largest - kept)
                kept += values[name].numel()
            for before in self.inputs(name) if name in self.nodes and name not in given else ():
                left[before] -= 1
                if not left[before]:
                    kept -= values.pop(before).numel() if before not in given else 0
        return [values[_plain(name)] for name in wanted]

    def inputs(self, name: str) -> list[str]:
        """The names of the nodes whose results a node takes, in order.

        Raises:
            BadWeights: one of them is a second result, which no operation that is known has.
        """
        return [_plain(given) for given in self.nodes[name].inputs if not given.startswith("^")]

    def is_constant(self, name: str) -> bool:
        """Whether a tensor's value is in the file or follows from what is, whatever is given and drawn.

        Raises:
            BadWeights: something is missing, or needs its own result.
        """
        name = _plain(name)
        for each in self._order([name], self._is_constant.keys()):
            if each not in self._is_constant:
                node = self.nodes.get(each)
                self._is_constant[each] = node is None or (
                    node.op not in PLACEHOLDERS
                    and node.op not in RANDOM
                    and node.op in OPERATIONS
                    and all(self._is_constant[before] for before in self.inputs(each))
                )
        return self._is_constant[name]

    def needs(self, wanted: Iterable[str]) -> list[str]:
        """The names of all nodes that these tensors depend on, themselves included, each after what it needs itself."""
        return self._order(list(wanted), ())

    def _order(self, wanted: Sequence[str], ready: Container[str]) -> list[str]:
        """What is needed, each after what it needs itself; of what is `ready`, nothing before it."""
        done: dict[str, bool] = {}
        """Whether all that a node needs has been looked at, or is being looked at."""
        order = []
        stack = [_plain(name) for name in reversed(wanted)]
        while stack:
            name = stack[-1]
            if done.get(name):
                stack.pop()
            elif name in done:
                done[name] = True
                order.append(stack.pop())
            elif name in ready or name in self._constants:
                done[name] = False
            elif name in self.nodes:
                done[name] = False
                for before in reversed(self.inputs(name)):
                    if done.get(before) is False:
                        raise BadWeights(f"the graph's node {_shown(name)} needs its own result")
                    if before not in done:
                        stack.append(before)
            else:
                raise BadWeights(f"the graph has no node {_shown(name)}, which others need; the file is cut short")
        return order

    def _uses(self, order: Iterable[str], wanted: Iterable[str]) -> dict[str, int]:
        """How often each tensor will be looked at; what is wanted stays."""
        uses = dict.fromkeys(order, 0)
        for name in uses:
            for before in self.inputs(name) if name in self.nodes else ():
                if before in uses:
                    uses[before] += 1
        for name in wanted:
            uses[_plain(name)] += 1
        return uses

    def _value(self, name: str, values: Mapping[str, torch.Tensor], room: int) -> torch.Tensor:
        if name in self._constants:
            return torch.from_numpy(np.array(self._constants[name]))
        node = self.nodes[name]
        if node.op in PLACEHOLDERS:
            raise BadWeights(f"the graph's node {_shown(name)} is an input that nothing is given for")
        operation = OPERATIONS.get(node.op)
        if operation is None:
            raise BadWeights(
                f"the graph's node {_shown(name)} is a {node.op[:80]!r}, an operation that is not known here"
            )
        try:
            return operation(node, [values[before] for before in self.inputs(name)], Sizes(room))
        except BadWeights as error:
            raise BadWeights(f"the graph's node {_shown(name)}: {error}") from None
        except (RuntimeError, ValueError, TypeError, LookupError, OverflowError):
            raise BadWeights(
                f"the graph's node {_shown(name)}, a {node.op}, cannot be computed; the file is broken"
            ) from None


def _plain(name: str) -> str:
    """A node's name from that of its first result."""
    base, colon, number = name.rpartition(":")
    if not colon:
        return name
    if number != "0":
        raise BadWeights(f"the graph asks for {_shown(name)}, a second result, which nothing here has")
    return base


def _shown(name: str) -> str:
    return repr(name[:120])
