"""What network a state dict is, and of what size, from names and shapes alone: no tensor is copied or looked at."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ml4a._core.errors import BadWeights

from .architectures import ALIKE, ARCHITECTURES, Architecture, nearest
from .state_dict import StateDict, bare, flat


@dataclass(frozen=True, slots=True)
class Recognition:
    """A network that a state dict is, or looks like."""

    name: str
    """As `from_state_dict` takes it."""
    network: str
    """The class."""
    taken_off: str
    """What all keys have in front of the network's own: `"params_ema."`, `"module."`, or nothing."""
    hyper_parameters: dict[str, Any]
    """The arguments that the class was made with."""
    parameters: int
    """How many numbers it has learnt."""
    fault: str = ""
    """Why the weights do not fit, if they only look like it; then nothing is known of its hyper-parameters."""


def recognise(state_dict: Mapping[str, Any]) -> list[Recognition]:
    """The networks that `from_state_dict` would make of a state dict.

    There may be several: HED's weights are VGG-16's, too; and a file may hold several networks, each below a name of
    its own. If none fits, the one that the keys look like most is told, with its fault; if none is like them, nothing.

    Args:
        state_dict: By key, torch tensors or NumPy arrays; only their shapes and types matter, so that arrays without
            memory of their own (`np.broadcast_to`) will do.
    """
    found = _recognised(state_dict)
    whole = [each for each in found if not each.fault]
    beside = {each.network for each in whole if each.taken_off}  # others may lie beside what was taken out
    if beside or not whole:
        for part, inner in _parts(state_dict).items():
            within = [replace(each, taken_off=part + each.taken_off) for each in _recognised(inner)]
            found += [each for each in within if each.network not in beside and not (whole and each.fault)]
    return [each for each in found if not each.fault] or found[:1]


def _recognised(state_dict: Mapping[str, Any]) -> list[Recognition]:
    """The networks that it fits as a whole, and those that it only looks like, the most alike first."""
    try:
        tensors, taken_off = bare(state_dict)
        state = {key: _outline(value) for key, value in tensors.items()}
    except (BadWeights, RuntimeError):  # RuntimeError: a shape that torch cannot count
        return []
    rows = [(name, nearest(rows, state)) for name, rows in ARCHITECTURES.items()]
    alike = sorted(((row.likeness(state), name, row) for name, row in rows), key=lambda each: -each[0])
    return [_described(name, row, state, taken_off) for likeness, name, row in alike if likeness > ALIKE]


def _described(name: str, row: Architecture, state: StateDict, taken_off: str) -> Recognition:
    _remember_arguments(row.network_class)
    try:
        network = row.build(state)
    except BadWeights as error:
        return Recognition(name, row.network, taken_off, {}, 0, str(error))
    except (RuntimeError, OverflowError):  # hyper-parameters so large that not even sizes can be counted
        return Recognition(name, row.network, taken_off, {}, 0, "its sizes are impossible")
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Recognition(name, row.network, taken_off, dict(vars(network)["made_with"]), parameters)


@functools.cache
def _remember_arguments(network_class: type[nn.Module]) -> None:
    """Have the objects of a class keep, as `made_with`, what they are made with, defaults included.

    So every network's hyper-parameters can be told, and no network has to care.
    """
    make: Any = network_class.__init__
    signature = inspect.signature(make)

    @functools.wraps(make)
    def make_and_remember(self: nn.Module, *arguments: Any, **keywords: Any) -> None:
        make(self, *arguments, **keywords)
        bound = signature.bind(self, *arguments, **keywords)
        bound.apply_defaults()
        _, *given = bound.arguments.items()  # without self
        vars(self)["made_with"] = dict(given)

    network_class.__init__ = make_and_remember


def _outline(value: torch.Tensor | np.ndarray) -> torch.Tensor:
    """A tensor of that shape, without numbers, as `state_dict.plain` would have given it."""
    floating = value.is_floating_point() if isinstance(value, torch.Tensor) else value.dtype.kind == "f"
    if not floating and (value.is_complex() if isinstance(value, torch.Tensor) else value.dtype.kind == "c"):
        raise BadWeights("it holds complex numbers")
    return torch.empty(tuple(value.shape), dtype=torch.float32 if floating else torch.int64, device="meta")


def _parts(state_dict: Mapping[str, Any]) -> dict[str, dict[str, torch.Tensor | np.ndarray]]:
    """The tensors by the first part of their keys."""
    parts: dict[str, dict[str, torch.Tensor | np.ndarray]] = {}
    for key, value in flat(state_dict):
        part, dot, rest = key.partition(".")
        if dot and rest:
            parts.setdefault(part + dot, {})[rest] = value
    return parts
