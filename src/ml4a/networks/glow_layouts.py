"""From the frozen graph in which Glow is published to a state dict under the names of its variables.

In such a file the variables are constants, but not always under their own names: whoever froze it may have computed
what follows from constants alone, so that exp(3·logs) is there in place of `logs`, under a name such as
`model/0/0/actnorm_scale/Exp/_17__cf__17`. What does not change is which operation uses them: the names of Conv2D, Add
and Mul nodes say which layer is which, and their constant operands, computed if need be, are the weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from ml4a._core.errors import BadWeights

from .graph_interpreter import Interpreter, Node
from .graph_operations import OPERATIONS, RANDOM
from .state_dict import listing

_IMPORTED = "import/"
"""What all names have in front once a graph has been taken into another."""
_ADDS = ("Add", "AddV2", "BiasAdd")
_CONVS = r"model/(\d+/\d+/f1/(l_[12]|l_last)|pool\d+/conv|prior/p)"
_ZEROS = r"model/(\d+/\d+/f1/l_last|pool\d+/conv|prior/(p|y_emb))"
_NORMALISED = r"model/\d+/\d+/(f1/l_[12]/)?"
_ROLES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (("Conv2D",), re.compile(rf"{_CONVS}|model/\d+/\d+/invconv"), "W"),
    (("MatMul",), re.compile("model/prior/y_emb"), "W"),
    (_ADDS, re.compile(rf"{_NORMALISED}actnorm_center|{_ZEROS}"), "b"),
    (("Mul",), re.compile(rf"{_NORMALISED}actnorm_scale|{_ZEROS}"), "logs"),
    (("Gather", "GatherV2"), re.compile(r"model/\d+/\d+/shuffle"), "indices"),
)
"""Operations, the scope that they are in, and which of that scope's variables they have as an operand."""
_COUNTED = ("Conv2D", "MatMul", "Mul", "Sub", "RealDiv", *_ADDS)
"""Operations in which weights can hide: in the way of the picture, none may have a constant that is none of Glow's."""
_SECOND_OPERAND = ("Gather", "GatherV2", "Conv2D", "MatMul")
"""Operations whose weights are their second operand; of others either may be."""
_LOG_SCALE = 3
_IMAGE = "input/image"
_PRIOR = "model/prior/"
_OUTPUTS = re.compile(r"model/(pool\d+/)?truediv(_\d+)?")
"""Latents, and some steps before them."""


class MoreThanGlow(BadWeights):
    """A graph that does more with a picture than the network that is known here; `GraphGlow` runs it all the same."""


def state_dict_from_graph(nodes: Iterable[Node], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state dict of a Glow.

    Args:
        nodes: The graph's steps but for its constants.
        arrays: These by name.

    Returns:
        By the keys that `networks.from_state_dict("glow", …)` knows, such as `model/0/0/invconv/W`.

    Raises:
        MoreThanGlow: it does more with a picture than Glow does.
        BadWeights: it is none of Glow's, or it is broken.
    """
    interpreter = Interpreter(*bare_graph(nodes, arrays))
    found: dict[str, np.ndarray] = {}
    users = []
    for name, node in interpreter.nodes.items():
        key = _variable(node.op, name)
        weight = _weight(interpreter, node) if key else None
        if key and weight is None and node.op in _SECOND_OPERAND:
            raise BadWeights(
                f"the graph's {key!r} is no constant; it was not frozen, or is not a Glow as it was published"
            )
        if not key or weight is None:
            continue
        array = _as_variable(key, weight)
        if key in found and not np.array_equal(found[key], array):
            raise BadWeights(f"the graph has two weights for {key!r}; it is not a Glow as it was published")
        found[key] = array
        users.append(name)
        if key.endswith("/indices"):
            found[f"{key}_inverse"] = np.argsort(array.ravel()).astype(np.int32)
    if not found:
        raise BadWeights("the graph has none of Glow's operations, such as model/0/0/invconv/Conv2D, with weights")
    _refuse_strangers(interpreter, [name for name in users if not name.startswith(_PRIOR)])
    return found


def bare_graph(nodes: Iterable[Node], arrays: Mapping[str, np.ndarray]) -> tuple[list[Node], Mapping[str, np.ndarray]]:
    """A graph without what all its names have in front."""
    found = list(nodes)
    if found and all(node.name.startswith(_IMPORTED) for node in found):
        bare: list[Node] = [_Bare(node) for node in found]
        return bare, {name.removeprefix(_IMPORTED): array for name, array in arrays.items()}
    return found, arrays


class _Bare:
    """A node without the prefix of an import."""

    def __init__(self, node: Node) -> None:
        self.op, self.attributes = node.op, node.attributes
        self.name = node.name.removeprefix(_IMPORTED)
        self.inputs = tuple(re.sub(rf"^(\^?){_IMPORTED}", r"\1", given) for given in node.inputs)


def _variable(op: str, name: str) -> str:
    """The variable that a node has as an operand, by its name; `""` if it has none."""
    scope = name.rpartition("/")[0]
    return next((f"{scope}/{kind}" for ops, where, kind in _ROLES if op in ops and where.fullmatch(scope)), "")


def _weight(interpreter: Interpreter, node: Node) -> np.ndarray | None:
    """The value of a node's one constant operand; None if there is none, or if there is nothing else."""
    operands = interpreter.inputs(node.name)
    constant = [each for each in operands if interpreter.is_constant(each)]
    if node.op in _SECOND_OPERAND:
        constant = [each for each in constant if each == operands[1]] if len(operands) > 1 else []
    elif len(operands) != 2 or len(constant) != 1:
        return None
    if not constant:
        return None
    (value,) = interpreter.run(constant[:1])
    return value.numpy()


def _as_variable(key: str, weight: np.ndarray) -> np.ndarray:
    """A weight as the variable that it was made from."""
    if key.endswith("/logs"):
        if not (weight > 0).all():
            raise BadWeights(f"the graph multiplies by something that is not positive, where {key!r} is due")
        weight = np.log(weight) / np.float32(_LOG_SCALE)
    if key.endswith("/invconv/W") and weight.shape[:-2] == (1, 1):
        return weight[0, 0]
    return weight


def _refuse_strangers(interpreter: Interpreter, users: list[str]) -> None:
    """Refuse a graph that does more than Glow: without that, results would be wrong, and nobody would know.

    Nothing but weights that were found, and single numbers, may be added to what comes from the picture, or multiplied
    with it; what is expected of the last latents must not be a constant, which no weights were taken of.
    """
    order = interpreter.needs(users)
    moving: set[str] = set()
    """What depends on the picture, or on chance, other than by its size."""
    strangers = []
    for name in order:
        node = interpreter.nodes.get(name)
        if node is None:
            continue
        operands = interpreter.inputs(name)
        still = [each for each in operands if each not in moving]
        if name == _IMAGE or node.op in RANDOM or (len(still) < len(operands) and node.op != "Shape"):
            moving.add(name)
            if node.op not in OPERATIONS and name != _IMAGE:
                raise BadWeights(f"the graph's node {name[:120]!r} is a {node.op[:80]!r}, which is not known here")
            if (
                node.op in _COUNTED
                and not _variable(node.op, name)
                and any(_counts(interpreter, each) for each in still)
            ):
                strangers.append(name)
    for name in interpreter.needs(each for each in interpreter.nodes if _OUTPUTS.fullmatch(each)):
        node = interpreter.nodes.get(name)
        if node is not None and node.op in ("Sub", "RealDiv"):
            weight = _weight(interpreter, node)
            strangers += [name] if weight is not None and weight.size > 1 else []
    if strangers:
        raise MoreThanGlow(f"the graph does more than Glow, with weights at {listing(strangers)}")


def _counts(interpreter: Interpreter, name: str) -> bool:
    """Whether a tensor is more than a single number that is known."""
    return not interpreter.is_constant(name) or interpreter.run([name])[0].numel() > 1
