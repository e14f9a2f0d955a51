"""A run's state as a file, so that tomorrow it goes on exactly so: safetensors, which hold nothing but numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ml4a._core import files
from ml4a._core.errors import BadValue, BadWeights
from ml4a.weights.formats import safetensors

_KEY = "ml4a.synthesis"
_LONGEST = 1 << 20
"""Of what is not tensors, in characters; L-BFGS's list of a hundred numbers is far below."""


def save(path: Path, state: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Write a state, in place of what is there; `run` says of which run it is, in plain values."""
    tensors: dict[str, torch.Tensor] = {}
    plain = {"run": dict(run), "state": _without_tensors(state, "", tensors)}
    with files.atomic(path, overwrite=True) as temporary:
        save_file(tensors, temporary, {_KEY: json.dumps(plain)})


def load(path: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Read a state.

    Raises:
        BadValue: it is none, or of another run; the message says what differs.
    """
    try:
        archive = safetensors.read(path)
        text = archive.metadata.get(_KEY, "")
        plain = json.loads(text) if len(text) <= _LONGEST else {}
        tensors = archive.arrays()
        state = _with_tensors(plain["state"], lambda name: torch.from_numpy(tensors[name].copy()))
        before = plain["run"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, BadWeights) as error:
        raise BadValue(f"{path} does not hold the state of a run ({error}); name another file") from None
    now = json.loads(json.dumps(dict(run)))
    for name in now.keys() | before.keys():
        if now.get(name) != before.get(name):
            raise BadValue(
                f"{path} is of another run: {name} was {before.get(name)!r} and is {now.get(name)!r} now; "
                "give it again as it was, or name another file"
            )
    return state


def _without_tensors(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The value with `{"tensor": NAME}` in place of each tensor, which is put into `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().clone().contiguous().cpu()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"table": {key: _without_tensors(each, f"{name}.{key}", tensors) for key, each in value.items()}}
    if isinstance(value, list | tuple):
        return [_without_tensors(each, f"{name}.{number}", tensors) for number, each in enumerate(value)]
    return value


def _with_tensors(value: Any, tensor: Any) -> Any:
    if isinstance(value, list):
        return [_with_tensors(each, tensor) for each in value]
    if isinstance(value, dict):
        if "tensor" in value:
            return tensor(value["tensor"])
        return {key: _with_tensors(each, tensor) for key, each in value["table"].items()}
    return value
