"""LPIPS: torchvision's VGG-16 and the wheel's linear layers in one. No model of its own; others measure with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
import official_keys as keys
from layers import Shapes

from . import style_transfer

DEPTHS = (2, 2, 3, 3, 3)
WIDTHS = (64, 128, 256, 512, 512)
_SMALL = (4, 5, 6, 7, 8)


def linear(widths: Sequence[int] = WIDTHS) -> Shapes:
    """Of the weights of channels."""
    return {f"lin{number}.model.1.weight": (1, width, 1, 1) for number, width in enumerate(widths)}


def trunk(widths: Sequence[int] = WIDTHS) -> Shapes:
    """Of torchvision's VGG-16 without its classifier."""
    return style_transfer.features([[width] * depth for width, depth in zip(widths, DEPTHS, strict=True)])


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """As both official files are."""
    return containers.save_torch(path, containers.tensors(state))


OFFICIAL: dict[str, dict[str, Shapes]] = {}
SMALL: dict[str, dict[str, Shapes]] = {}
NETWORKS = {"lpips:build": trunk(_SMALL) | linear(_SMALL), "lpips:build_hed": keys.hed_keras(_SMALL) | linear(_SMALL)}
HYPER_PARAMETERS = {"LPIPS": {"widths": list(_SMALL)}}
