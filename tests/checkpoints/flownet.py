"""FlowNetS: a state dict and what training noted beside it, in the stream of torch before 1.6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, convolution, normalised

DIV_FLOW = 20
WIDTHS = (64, 128, 256, 512, 512, 1024)
REFINED = (512, 256, 128, 64)


def shapes(widths: Sequence[int] = WIDTHS, refined: Sequence[int] = REFINED, normalised: bool = False) -> Shapes:
    """Every key that the original's network has."""
    found: Shapes = {}
    given = 6
    for level, (width, side) in enumerate(zip(widths, (7, 5, 5, 3, 3, 3), strict=True), start=1):
        found |= _layer(f"conv{level}", given, width, side, normalised)
        if level > 2:
            found |= _layer(f"conv{level}_1", width, width, 3, normalised)
        given = width
    found |= convolution("predict_flow6", given, 2, bias=False)
    for level, width in zip((5, 4, 3, 2), refined, strict=True):
        found[f"deconv{level}.0.weight"] = (given, width, 4, 4)
        found[f"upsampled_flow{level + 1}_to_{level}.weight"] = (2, 2, 4, 4)
        given = widths[level - 1] + width + 2
        found |= convolution(f"predict_flow{level}", given, 2, bias=False)
    return found


def save(role: str, path: Path, state: Mapping[str, np.ndarray], div_flow: float = DIV_FLOW) -> Path:
    """As the original's training wrote it, though its names end in `.tar`."""
    arch = "flownets_bn" if "conv1.1.weight" in state else "flownets"
    tensors = containers.tensors(state)
    return containers.save_stream(
        path, {"epoch": 300, "arch": arch, "state_dict": tensors, "best_EPE": 1.951, "div_flow": div_flow}
    )


def _layer(name: str, channels: int, filters: int, side: int, norm: bool) -> Shapes:
    if norm:
        return normalised(f"{name}.0", f"{name}.1", channels, filters, side)
    return convolution(f"{name}.0", channels, filters, side)


_SMALL = {"widths": [6, 7, 8, 9, 10, 11], "refined": [7, 6, 5, 4]}

OFFICIAL = {
    "flownets": {"network": shapes()},
    "flownets_bn": {"network": shapes(normalised=True)},
    "flownets_caffe": {"network": shapes()},
}
SMALL = {"flownets": {"network": shapes(**_SMALL)}}  # type: ignore[arg-type]
NETWORKS = {"flownet:build": shapes(**_SMALL, normalised=True)}  # type: ignore[arg-type]
HYPER_PARAMETERS = {"FlowNetS": {**_SMALL, "normalised": True}}
