"""HED: the state dict of pytorch-hed in torch's zip, whose keys begin with "module", and tensorpack's NumPy archive.

The default weights are on the package index, so that none are small.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import containers
import numpy as np
import official_keys as keys

_GAIN = np.float32(0.05)
"""Of the fusion, which otherwise saturates."""

OFFICIAL = {
    "original": {"network": keys.hed(start="module")},
    "tensorpack": {"network": keys.hed_tensorpack()},
}
SMALL: dict[str, dict[str, keys.Shapes]] = {}
NETWORKS: dict[str, keys.Shapes] = {}  # every_network has them
HYPER_PARAMETERS: dict[str, dict[str, int]] = {}


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """In the container that the official file of this name has."""
    arrays = {key: array * _GAIN if "ombine" in key or "fcweight" in key else array for key, array in state.items()}
    if path.suffix == ".npz":
        # TensorFlow's kernels are H×W×I×O.
        kernels = {key: array.transpose(2, 3, 1, 0) for key, array in arrays.items() if array.ndim == 4}
        np.savez(path, **arrays | kernels)  # type: ignore[arg-type]
        return path
    return containers.save_torch(path, containers.tensors(arrays))
