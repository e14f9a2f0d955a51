"""BASNet: a plain state dict in the stream of torch before 1.6, without the counters of batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, convolution, normalised


def shapes(width: int = 64, stages: Sequence[int] = (3, 4, 6, 3), refined: int = 64) -> Shapes:
    """Every key that the original's network has."""
    widths = [width * 2**level for level in range(4)]
    deep = widths[-1]
    found = normalised("inconv", "inbn", 3, width, bias=True)
    given = width
    for level, (filters, blocks) in enumerate(zip(widths, stages, strict=True), start=1):
        for block in range(blocks):
            found |= _block(f"encoder{level}.{block}", given, filters)
            given = filters
    for level in (5, 6):
        for number in (1, 2, 3):
            found |= _block(f"resb{level}_{number}", deep, deep)
    threes = {"bg": (deep, deep, deep), "6d": (2 * deep, deep, deep), "5d": (2 * deep, deep, deep)}
    for level in (4, 3, 2):
        threes[f"{level}d"] = (2 * widths[level - 1], widths[level - 1], widths[level - 2])
    threes["1d"] = (2 * width, width, width)
    for name, (channels, between, made) in threes.items():
        for part, sizes in (("1", (channels, between)), ("m", (between, between)), ("2", (between, made))):
            found |= normalised(f"conv{name}_{part}", f"bn{name}_{part}", *sizes, bias=True)
    for name, channels in (("b", deep), ("6", deep), ("5", deep), *zip("4321", (*widths[2::-1], width), strict=True)):
        found |= convolution(f"outconv{name}", channels, 1)
    found |= convolution("refunet.conv0", 1, refined)
    for level in (1, 2, 3, 4, 5):
        found |= normalised(f"refunet.conv{level}", f"refunet.bn{level}", refined, refined, bias=True)
    for level in (4, 3, 2, 1):
        found |= normalised(f"refunet.conv_d{level}", f"refunet.bn_d{level}", 2 * refined, refined, bias=True)
    return found | convolution("refunet.conv_d0", refined, 1)


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As torch 0.4.0 wrote it."""
    kept = {key: array for key, array in state.items() if not key.endswith("num_batches_tracked")}
    return containers.save_stream(path, containers.tensors(kept))


def _block(name: str, channels: int, filters: int) -> Shapes:
    found = normalised(f"{name}.conv1", f"{name}.bn1", channels, filters)
    found |= normalised(f"{name}.conv2", f"{name}.bn2", filters, filters)
    if channels != filters:
        found |= normalised(f"{name}.downsample.0", f"{name}.downsample.1", channels, filters, 1)
    return found


_SMALL = {"width": 4, "stages": [1, 2, 1, 1], "refined": 5}

OFFICIAL = {"duts": {"network": shapes()}}
SMALL = {"duts": {"network": shapes(**_SMALL)}}  # type: ignore[arg-type]
NETWORKS = {"basnet:build": shapes(**_SMALL)}  # type: ignore[arg-type]
HYPER_PARAMETERS = {"BASNet": _SMALL}
