"""From what a weights file holds to a network that is filled to the last tensor, or an error that names the tensor."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from torch import nn

from ml4a._core.errors import BadWeights

log = logging.getLogger("ml4a")

StateDict: TypeAlias = dict[str, torch.Tensor]
Network = TypeVar("Network", bound=nn.Module)

_WRAPPERS = ("params_ema.", "params.", "state_dict.", "g_ema.", "G_ema.", "Gs.")
"""Where training programs put the state dict, the best first: the averaged weights before the last step's."""
_BESIDE = {"g_ema.": ("latent_avg",)}
"""What belongs to the network, though it lies beside the wrapper."""
_PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every key."""
_SHOWN = 5
_LONGEST = 200


def plain(state_dict: Mapping[str, Any]) -> StateDict:
    """The state dict inside whatever it was saved in: float32 tensors of our own by bare key.

    Raises:
        BadWeights: there are no tensors in it, or one is of complex numbers.
    """
    tensors, _ = bare(state_dict)
    return {key: _own_tensor(key, value) for key, value in tensors.items()}


def bare(state_dict: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor | np.ndarray], str]:
    """The tensors inside whatever they were saved in, by bare key, and what was taken off: `"params_ema.module."`.

    Raises:
        BadWeights: there are no tensors in it.
    """
    tensors, taken_off = dict(flat(state_dict)), ""
    for wrapper in _WRAPPERS:
        inner = {key.removeprefix(wrapper): value for key, value in tensors.items() if key.startswith(wrapper)}
        if inner:
            beside = {key: tensors[key] for key in _BESIDE.get(wrapper, ()) if key in tensors}
            tensors, taken_off = inner | beside, wrapper
            break
    if not tensors:
        raise BadWeights("the weights hold no tensors")
    first = whole = next(iter(tensors))
    while all(key.startswith(_PREFIXES) for key in tensors):
        for prefix in _PREFIXES:
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
            first = first.removeprefix(prefix)
    return tensors, taken_off + whole.removesuffix(first)


def load(
    network: Network,
    state: StateDict,
    key_in_file: Callable[[str], str] = str,
    layout: torch.memory_format = torch.contiguous_format,
) -> Network:
    """Fill `network` and make it ready for use: eval mode, no gradients.

    Args:
        network: May be on the meta device: its parameters are replaced, not copied into.
        state: From `plain`; every tensor must be used.
        key_in_file: What the file calls one of the network's own keys.
        layout: How kernels lie in memory.

    Raises:
        BadWeights: keys are missing, unknown or of another shape; the first five of each are named as in the file.
    """
    own_names = {key_in_file(key): key for key in network.state_dict()}
    due = {key_in_file(key): tensor for key, tensor in network.state_dict().items()}
    faults = _faults(state, due)
    if faults:
        raise BadWeights(f"these weights do not fit {type(network).__name__}: {'; '.join(faults)}")
    tensors = {own: state[key] for key, own in own_names.items()}
    kernels = {own: kernel.contiguous(memory_format=layout) for own, kernel in tensors.items() if kernel.ndim == 4}
    network.load_state_dict(tensors | kernels, assign=True)
    return network.eval().requires_grad_(False)


def _faults(state: StateDict, due: StateDict) -> list[str]:
    faults = []
    missing = [key for key in due if key not in state]
    unknown = [key for key in state if key not in due]
    misshaped = [key for key in due if key in state and state[key].shape != due[key].shape]
    integers = [
        key for key in due if key in state and due[key].is_floating_point() and not state[key].is_floating_point()
    ]
    if missing:
        faults.append(f"{listing(missing)} missing")
    if unknown:
        faults.append(f"{listing(unknown)} unknown")
    if misshaped:
        sizes = ", ".join(f"{_times(state[key].shape)} not {_times(due[key].shape)}" for key in misshaped[:_SHOWN])
        faults.append(f"{listing(misshaped)} misshaped ({sizes})")
    if integers:
        faults.append(f"{listing(integers)} of whole numbers")
    return faults


def keys_in_order(network: nn.Module, state: StateDict) -> Callable[[str], str]:
    """For `load`: the file has the network's tensors in the network's order, under names of its own."""
    names = dict(zip(network.state_dict(), state, strict=False))
    return lambda key: names.get(key, key)


def shape(state: StateDict, key: str, dimensions: int = 4) -> torch.Size:
    """The shape of the tensor `key`, from which hyper-parameters are read.

    Raises:
        BadWeights: it is missing, empty, or not of so many dimensions.
    """
    if key not in state:
        raise BadWeights(f"these weights lack {key!r}")
    found = state[key].shape
    if len(found) != dimensions or 0 in found:
        raise BadWeights(f"these weights have {key!r} of shape {_times(found)}, where {dimensions} dimensions are due")
    return found


def count(state: StateDict, pattern: str) -> int:
    """How many layers a numbered row has: one more than the highest number that `pattern`'s group finds in the keys.

    Raises:
        BadWeights: the number is higher than there are tensors, so that most of the row is missing.
    """
    numbers = {int(match[1]): key for key in state if (match := re.match(pattern, key))}
    highest = max(numbers, default=-1)
    if highest >= len(state):
        raise BadWeights(f"these weights have {numbers[highest]!r}, but not the layers before it")
    return 1 + highest


def listing(keys: Iterable[str]) -> str:
    """The first five, quoted, and how many more there are."""
    names = [repr(key[:_LONGEST]) for key in keys]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, torch.Tensor | np.ndarray]]:
    """The tensors of tables within tables, by their keys with dots between."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif isinstance(value, torch.Tensor | np.ndarray):
            yield f"{prefix}{key}", value


def _own_tensor(key: str, value: torch.Tensor | np.ndarray) -> torch.Tensor:
    """A copy, since the caller may go on using the original, and since file maps are read-only."""
    if isinstance(value, np.ndarray):
        # A big-endian array becomes native.
        value = torch.from_numpy(np.array(value, value.dtype.newbyteorder("=")))
    if value.is_complex():
        raise BadWeights(f"{key!r} is of complex numbers")
    if not value.is_floating_point():
        return value.clone()
    value = value.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    if not value.isfinite().all():
        log.warning("%r holds numbers that are not finite; results will be broken", key)
    return value


def _times(sizes: torch.Size) -> str:
    return "×".join(map(str, sizes)) or "a single number"
