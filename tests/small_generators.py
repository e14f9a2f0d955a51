"""Small StyleGANs with weights as a training begins with them."""

from __future__ import annotations

from typing import Any

import deterministic
import torch
from checkpoints import stylegan

from ml4a.networks import from_state_dict

W_DIM = 32


def small_generator(blocks: int = 3, c_dim: int = 0, **options: Any) -> Any:
    """StyleGAN2 of 2 · 2ⁿ pixels: 16 channels, z and w of 32 numbers."""
    shapes = stylegan.generator((16,) * blocks, (W_DIM, W_DIM), W_DIM, c_dim, **options)
    return from_state_dict("stylegan2", stylegan.filled(deterministic.state_dict(shapes)))


def latent(name: str, count: int = 1) -> torch.Tensor:
    """Normal noise, N×32."""
    return torch.from_numpy(deterministic.normal(name, (count, W_DIM)))
