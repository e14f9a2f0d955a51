"""Faces: the keys of dlib's networks and of S3FD. All but the detectors of both are on the package index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import containers
import dlib_files
import numpy as np
from layers import convolution
from official_keys import Shapes


def encoder(
    widths: Sequence[int] = (32, 64, 128, 256), depths: Sequence[int] = (3, 4, 3, 3), length: int = 128
) -> Shapes:
    """Of the network that measures faces."""
    filters = [(widths[0], 3, 7)]
    given = widths[0]
    for width, depth in zip((*widths, widths[-1]), (*depths, 1), strict=True):
        for _ in range(depth):
            filters += [(width, given, 3), (width, width, 3)]
            given = max(given, width)  # the sum has the channels of the wider one
    return _layers(filters, scaled=len(filters)) | {"fc.0.weights": (given, length)}


def detector(widths: Sequence[int] = (16, 32, 32, 45, 45, 45)) -> Shapes:
    """Of the network that finds faces."""
    channels = (3, *widths, 1)
    filters = [(channels[index + 1], channels[index], 5 if index < 6 else 9) for index in range(7)]
    return _layers(filters, scaled=6)


def _layers(filters: Sequence[tuple[int, int, int]], scaled: int) -> Shapes:
    shapes: Shapes = {"input.average": (3,)}
    for index, (width, given, side) in enumerate(filters):
        shapes |= {f"con.{index}.filters": (width, given, side, side), f"con.{index}.biases": (width,)}
        if index < scaled:
            shapes |= {f"affine.{index}.gamma": (width,), f"affine.{index}.beta": (width,)}
    return shapes


def s3fd(
    widths: Sequence[int] = (64, 128, 256, 512, 512),
    middle: int = 1024,
    further: Sequence[int] = (256, 512, 128, 256),
    backgrounds: int = 3,
) -> Shapes:
    """Of S3FD."""
    found: Shapes = {}
    given = 3
    for block, (width, number) in enumerate(zip(widths, (2, 2, 3, 3, 3), strict=True), start=1):
        for place in range(1, number + 1):
            found |= convolution(f"conv{block}_{place}", given, width)
            given = width
    found |= convolution("fc6", given, middle) | convolution("fc7", middle, middle, 1)
    found |= convolution("conv6_1", middle, further[0], 1) | convolution("conv6_2", further[0], further[1])
    found |= convolution("conv7_1", further[1], further[2], 1) | convolution("conv7_2", further[2], further[3])
    seen = {f"conv{block}_3_norm": widths[block - 1] for block in (3, 4, 5)}
    found |= {f"{name}.weight": (width,) for name, width in seen.items()}
    for name, width in {**seen, "fc7": middle, "conv6_2": further[1], "conv7_2": further[3]}.items():
        found |= convolution(f"{name}_mbox_conf", width, backgrounds + 1 if name == "conv3_3_norm" else 2)
        found |= convolution(f"{name}_mbox_loc", width, 4)
    return found


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """dlib's file of its detector; of S3FD, a bare stream of torch before 1.6."""
    if role == "s3fd":
        return containers.save_stream(path, containers.tensors(state))
    assert role == "detector"
    return dlib_files.save(path, dlib_files.face_detector(state, normalised=True))


_ENCODER: dict[str, Any] = {"widths": [4, 6, 5], "depths": [2, 1, 2], "length": 9}
_DETECTOR: dict[str, Any] = {"widths": [4, 6, 5, 7, 3, 8]}

_S3FD: dict[str, Any] = {
    "widths": [3, 4, 5, 6, 7],
    "middle": 9,
    "further": [4, 8, 3, 5],
    "backgrounds": 2,
}

OFFICIAL = {"mmod": {"detector": detector()}, "s3fd": {"s3fd": s3fd()}}
SMALL = {"s3fd": {"s3fd": s3fd(**_S3FD)}}
NETWORKS = {
    "dlib_resnet:build": encoder(**_ENCODER),
    "dlib_mmod:build": detector(**_DETECTOR),
    "s3fd:build": s3fd(**_S3FD),
}
HYPER_PARAMETERS = {"DlibResNet": _ENCODER, "DlibDetector": _DETECTOR, "S3FD": _S3FD}
