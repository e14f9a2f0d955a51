"""Weights and inputs that are the same everywhere: each tensor is drawn from its own name.

The figures in `tests/data` were computed by the networks' original programs with these weights and inputs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import numpy as np


def state_dict(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """A weight for every name and shape."""
    return {name: weight(name, shape) for name, shape in shapes.items()}


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Normal noise, scaled so that what runs through many layers neither grows nor vanishes; a lone number is 0."""
    if shape == ():
        counter = name.endswith("num_batches_tracked")  # how many batches a normalisation has seen
        return np.zeros((), np.int64 if counter else np.float32)
    noise = _generator(name).standard_normal(shape, dtype=np.float32)
    if name.endswith("running_var"):
        return 1 + 0.1 * np.abs(noise)
    if name.endswith("running_mean"):
        return 0.1 * noise
    if len(shape) > 1:
        return noise / math.sqrt(max(1, math.prod(shape[1:])))
    if name.endswith(("weight", "weight_orig", "gamma", "scale")):
        return 1 + 0.1 * noise
    return 0.05 * noise


def uniform(name: str, shape: tuple[int, ...], low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Noise between `low` and `high`, as an input."""
    noise = _generator(name).random(shape, dtype=np.float32)
    return (low + (high - low) * noise).astype(np.float32)


def normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of variance 1, as a latent."""
    return _generator(name).standard_normal(shape, dtype=np.float32)


def _generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([zlib.crc32(name.encode()), 0]))
