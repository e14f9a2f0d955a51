"""Faces: the keys of dlib's networks. Every set of weights but the detector of dlib is on the package index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dlib_files
import numpy as np
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


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """dlib's file of the detector."""
    assert role == "detector"
    return dlib_files.save(path, dlib_files.face_detector(state, normalised=True))


_ENCODER: dict[str, Any] = {"widths": [4, 6, 5], "depths": [2, 1, 2], "length": 9}
_DETECTOR: dict[str, Any] = {"widths": [4, 6, 5, 7, 3, 8]}

OFFICIAL: dict[str, dict[str, Shapes]] = {}  # drawn weights find no face that could be aligned: see test_mmod
SMALL: dict[str, dict[str, Shapes]] = {}
NETWORKS = {"dlib_resnet:build": encoder(**_ENCODER), "dlib_mmod:build": detector(**_DETECTOR)}
HYPER_PARAMETERS = {"DlibResNet": _ENCODER, "DlibDetector": _DETECTOR}
