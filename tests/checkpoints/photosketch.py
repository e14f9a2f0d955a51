"""PhotoSketch: a plain state dict in the stream of torch before 1.6, without the counters of batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, batch_norm, convolution, normalised


def shapes(width: int = 64, blocks: int = 9) -> Shapes:
    """Every key that the original's network has."""
    half, quarter = 2 * width, 4 * width
    found = normalised("model.1", "model.2", 3, width, 7)
    found |= normalised("model.4", "model.5", width, half)
    found |= normalised("model.7", "model.8", half, quarter)
    for number in range(10, 10 + blocks):
        name = f"model.{number}.conv_block"
        found |= normalised(f"{name}.1", f"{name}.2", quarter, quarter)
        found |= normalised(f"{name}.6", f"{name}.7", quarter, quarter)
    end = 10 + blocks
    for number, channels, filters in ((end, quarter, half), (end + 3, half, width)):
        found[f"model.{number}.weight"] = (channels, filters, 3, 3)  # transposed
        found |= batch_norm(f"model.{number + 1}", filters)
    return found | convolution(f"model.{end + 7}", width, 1, 7)


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As torch 0.4.0 wrote it."""
    kept = {key: array for key, array in state.items() if not key.endswith("num_batches_tracked")}
    return containers.save_stream(path, containers.tensors(kept))


_SMALL = {"width": 4, "blocks": 2}

OFFICIAL = {"contours": {"network": shapes()}}
SMALL = {"contours": {"network": shapes(**_SMALL)}}
NETWORKS = {"photosketch:build": shapes(**_SMALL)}
HYPER_PARAMETERS = {"PhotoSketch": _SMALL}
