"""Figures from the networks' original programs, and how far a result is from them."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np
import torch

_DATA = Path(__file__).parent / "data"


class Figures:
    """The figures of `tests/data/NAME.npz`; its README says what they are."""

    def __init__(self, name: str) -> None:
        with np.load(_DATA / f"{name}.npz") as arrays:
            self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def error(self, name: str, result: torch.Tensor) -> float:
        """The largest difference, relative to the standard deviation of what is due.

        Of most results every n-th value is stored, together with the whole's shape and deviation.
        """
        values = result.numpy()
        if name in self._arrays:
            due, deviation = self[name], self[name].std()
        else:
            assert values.size == np.prod(self[f"{name}_shape"]), (values.shape, self[f"{name}_shape"])
            values = values.ravel()[:: int(self[f"{name}_step"])]
            due, deviation = self[f"{name}_sample"], self[f"{name}_std"]
        assert values.size == due.size
        return float(np.abs(values.ravel() - due.ravel()).max() / deviation)


def layers(network: torch.nn.Module, x: torch.Tensor, names: Container[str] | None = None) -> dict[str, torch.Tensor]:
    """What each layer of a network gives for `x`, by its name, and by "" the result; or what these layers give."""
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str, result: object) -> None:
        if isinstance(result, torch.Tensor):
            seen[name] = result.clone()  # layers after it may work in place

    hooks = [
        part.register_forward_hook(lambda _, __, result, name=name: keep(name, result))
        for name, part in network.named_modules()
        if names is None or name in names
    ]
    with torch.inference_mode():
        network(x)
    for hook in hooks:
        hook.remove()
    return seen
