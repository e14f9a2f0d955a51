"""White-box Cartoonization: a checkpoint of TensorFlow 1 in two files, kernels H×W×I×O."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tf_files
from layers import Shapes


def shapes(width: int = 32, blocks: int = 4) -> Shapes:
    """Every variable that the original's network has, kernels O×I×H×W, as PyTorch's are."""
    half, quarter = 2 * width, 4 * width
    layers = {
        "Conv": (3, width, 7),
        "Conv_1": (width, width, 3),
        "Conv_2": (width, half, 3),
        "Conv_3": (half, half, 3),
        "Conv_4": (half, quarter, 3),
        "Conv_5": (quarter, half, 3),
        "Conv_6": (half, half, 3),
        "Conv_7": (half, width, 3),
        "Conv_8": (width, width, 3),
        "Conv_9": (width, 3, 7),
    }
    layers |= {f"block_{block}/conv{conv}": (quarter, quarter, 3) for block in range(blocks) for conv in (1, 2)}
    found: Shapes = {}
    for name, (channels, filters, side) in layers.items():
        found[f"generator/{name}/weights"] = (filters, channels, side, side)
        found[f"generator/{name}/biases"] = (filters,)
    return found


def as_stored(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Kernels H×W×I×O, as in the checkpoint."""
    return {
        key: np.ascontiguousarray(array.transpose(2, 3, 1, 0)) if array.ndim == 4 else array
        for key, array in state.items()
    }


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """Either file of the checkpoint; with the index its data, too."""
    arrays = as_stored(state)
    if role == "data":
        path.write_bytes(b"".join(arrays[name].tobytes() for name in sorted(arrays)))
    else:
        tf_files.save_checkpoint(path, path.with_suffix(".data-00000-of-00001"), arrays)
    return path


_SMALL = {"width": 3, "blocks": 2}

OFFICIAL = {"whitebox": {"data": shapes(), "index": shapes()}}
SMALL = {"whitebox": {"data": shapes(**_SMALL), "index": shapes(**_SMALL)}}
NETWORKS = {"cartoonization:build": shapes(**_SMALL)}
HYPER_PARAMETERS = {"CartoonGenerator": _SMALL}
