"""A small network to look with: VGG of a few channels, in float32 or float64."""

from __future__ import annotations

import deterministic
import torch
from checkpoints import style_transfer

from ml4a.networks import from_state_dict
from ml4a.networks.vgg import VGG


def small_network(dtype: torch.dtype = torch.float32) -> VGG:
    """Layers relu1_1, relu2_1 … relu2_3, relu3_1, relu3_2 of 4 to 9 channels."""
    return from_state_dict("style_transfer", deterministic.state_dict(style_transfer.NETWORKS["vgg:build"])).to(dtype)


def noise(name: str, height: int = 20, width: int = 24) -> torch.Tensor:
    """1×3×H×W in [0, 1]."""
    return torch.from_numpy(deterministic.uniform(name, (1, 3, height, width)))
