"""Face parsing: a plain state dict in the stream of torch 1.0, with the counters of batch normalisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, batch_norm, convolution, normalised


def shapes(
    widths: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (2, 2, 2, 2),
    context: int = 128,
    fused: int = 256,
    squeezed: int = 64,
    heads: Sequence[int] = (256, 64, 64),
    labels: int = 19,
) -> Shapes:
    """Every key that the author's network has."""
    found = normalised("cp.resnet.conv1", "cp.resnet.bn1", 3, widths[0], 7)
    channels = widths[0]
    for level, (width, number) in enumerate(zip(widths, blocks, strict=True), start=1):
        for block in range(number):
            name = f"cp.resnet.layer{level}.{block}"
            found |= normalised(f"{name}.conv1", f"{name}.bn1", channels, width)
            found |= normalised(f"{name}.conv2", f"{name}.bn2", width, width)
            if block == 0 and (level > 1 or channels != width):
                found |= normalised(f"{name}.downsample.0", f"{name}.downsample.1", channels, width, 1)
            channels = width
    for size, width in (("16", widths[2]), ("32", widths[3])):
        found |= _block(f"cp.arm{size}.conv", width, context)
        found |= convolution(f"cp.arm{size}.conv_atten", context, context, 1, bias=False)
        found |= batch_norm(f"cp.arm{size}.bn_atten", context)
    found |= _block("cp.conv_head32", context, context) | _block("cp.conv_head16", context, context)
    found |= _block("cp.conv_avg", widths[3], context, 1)
    found |= _block("ffm.convblk", widths[1] + context, fused, 1)
    found |= convolution("ffm.conv1", fused, squeezed, 1, bias=False)
    found |= convolution("ffm.conv2", squeezed, fused, 1, bias=False)
    for size, given, filters in zip(("", "16", "32"), (fused, context, context), heads, strict=True):
        found |= _block(f"conv_out{size}.conv", given, filters)
        found |= convolution(f"conv_out{size}.conv_out", filters, labels, 1, bias=False)
    return found


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As torch 1.0 wrote it."""
    return containers.save_stream(path, containers.tensors(state))


def _block(name: str, channels: int, filters: int, side: int = 3) -> Shapes:
    return normalised(f"{name}.conv", f"{name}.bn", channels, filters, side)


_SMALL = {
    "widths": [4, 5, 6, 7],
    "blocks": [1, 2, 1, 1],
    "context": 3,
    "fused": 8,
    "squeezed": 2,
    "heads": [6, 4, 5],
    "labels": 19,
}

OFFICIAL = {"celebamask": {"network": shapes()}}
SMALL = {"celebamask": {"network": shapes(**_SMALL)}}  # type: ignore[arg-type]
NETWORKS = {"bisenet:build": shapes(**_SMALL)}  # type: ignore[arg-type]
HYPER_PARAMETERS = {"BiSeNet": _SMALL}
