"""Scene parsing: encoder and decoder, each a plain state dict in the stream of torch 0.4, with unused buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, batch_norm, convolution


def encoder(
    stem: Sequence[int] = (64, 64, 128),
    widths: Sequence[int] = (64, 128, 256, 512),
    blocks: Sequence[int] = (3, 4, 6, 3),
    bottleneck: bool = True,
) -> Shapes:
    """Every key that the original's dilated ResNet has."""
    found: Shapes = {}
    channels = 3
    for number, filters in enumerate(stem, start=1):
        found |= _normalised(f"conv{number}", f"bn{number}", channels, filters)
        channels = filters
    for level, (width, number) in enumerate(zip(widths, blocks, strict=True), start=1):
        made = width * (4 if bottleneck else 1)
        layers = ((width, 1), (width, 3), (made, 1)) if bottleneck else ((width, 3), (width, 3))
        for block in range(number):
            name, given = f"layer{level}.{block}", channels
            for position, (filters, side) in enumerate(layers, start=1):
                found |= _normalised(f"{name}.conv{position}", f"{name}.bn{position}", given, filters, side)
                given = filters
            if block == 0 and (level > 1 or channels != made):
                found |= _normalised(f"{name}.downsample.0", f"{name}.downsample.1", channels, made, 1)
            channels = made
    return found


def decoder(
    channels: int = 2048,
    pyramid: Sequence[int] = (512, 512, 512, 512),
    decoded: int = 512,
    labels: int = 150,
    supervised: Sequence[int] = (1024, 512),
) -> Shapes:
    """Every key that the original's decoder with pyramid pooling has; `supervised` is empty for the one without it."""
    found: Shapes = {}
    for level, filters in enumerate(pyramid):
        found |= _normalised(f"ppm.{level}.1", f"ppm.{level}.2", channels, filters, 1)
    found |= _normalised("conv_last.0", "conv_last.1", channels + sum(pyramid), decoded)
    found |= convolution("conv_last.4", decoded, labels, 1)
    if supervised:
        found |= _normalised("cbr_deepsup.0", "cbr_deepsup.1", *supervised)
        found |= convolution("conv_last_deepsup", supervised[1], labels, 1)
    return found


def joined(files: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Both files as one state dict."""
    return {f"{role}.{key}": array for role, state in files.items() for key, array in state.items()}


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As torch 0.4 wrote it."""
    return containers.save_stream(path, containers.tensors(state))


def _normalised(name: str, norm: str, channels: int, filters: int, side: int = 3) -> Shapes:
    found = convolution(name, channels, filters, side, bias=False) | batch_norm(norm, filters)
    found |= {f"{norm}._tmp_running_mean": (filters,), f"{norm}._tmp_running_var": (filters,)}
    return found | {f"{norm}._running_iter": (1,)}


_ENCODER = {"stem": [3, 4, 8], "widths": [2, 3, 4, 5], "blocks": [1, 2, 2, 1], "bottleneck": True}
_DECODER = {"pyramid": [2, 3, 4, 5], "decoded": 6, "labels": 150, "supervised": [16, 3]}
_BASIC = {"stem": [3, 4, 5], "widths": [5, 6, 7, 9], "blocks": [2, 1, 2, 2], "bottleneck": False}
_LABELS = {"pyramid": [2, 4, 3], "decoded": 5, "labels": 7, "supervised": []}
_SMALL = {"encoder": encoder(**_ENCODER), "decoder": decoder(20, **_DECODER)}  # type: ignore[arg-type]

OFFICIAL = {"resnet50": {"encoder": encoder(), "decoder": decoder()}}
SMALL = {"resnet50": _SMALL}
NETWORKS = {
    "semantic_segmentation:build": joined({"encoder": encoder(**_BASIC), "decoder": decoder(9, **_LABELS)}),  # type: ignore[arg-type]
    "semantic_segmentation:build_encoder": _SMALL["encoder"],
    "semantic_segmentation:build_decoder": _SMALL["decoder"],
}
HYPER_PARAMETERS = {
    "SceneParser": _BASIC | _LABELS,
    "DilatedResNet": _ENCODER,
    "PyramidPooling": {"channels": 20, **_DECODER},
}
