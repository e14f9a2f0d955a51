"""ESRGAN: state dicts in two layouts of keys; the authors' later library wraps its own, their first wrote streams.

The tensors are changed so that the network enlarges what it is given, with a little noise: then a picture that has gone
all the way through a model can be known again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import containers
import numpy as np
import official_keys as keys

_WRAPPED = {"ESRGAN_SRx4_DF2KOST_official-ff704c30.pth": "params"}
_CARRYING = re.compile(r"(conv_(first|up\d|hr|last)|upconv\d|HRconv|model\.\d+)\.weight")
_FIRST = ("conv_first.weight", "model.0.weight")
_TRUNK = re.compile(r"(conv_body|trunk_conv|model\.1\.sub\.\d+)\.(weight|bias)")
_BODY, _REST = 0.5, 0.03
"""What is left of the noise that tensors are drawn from."""
_GROWTH = 1.2
"""What each block makes of what it is given: its way around adds a fifth of the same."""

OFFICIAL = {
    "official": {"network": keys.rrdbnet()},
    "original": {"network": keys.rrdbnet_old()},
    "psnr": {"network": keys.rrdbnet_old()},
}
SMALL = {"official": {"network": keys.rrdbnet(features=8, growth=4, blocks=2)}}
NETWORKS: dict[str, keys.Shapes] = {}  # every_network has them
HYPER_PARAMETERS: dict[str, dict[str, int]] = {}


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """In the container that the official file of this name has."""
    tensors = containers.tensors(enlarging(state))
    if path.name in _WRAPPED:
        return containers.save_torch(path, {_WRAPPED[path.name]: tensors})
    return containers.save_stream(path, tensors)


def enlarging(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """An RRDBNet's tensors, such that its first three maps carry the picture from end to end."""
    blocks = sum(re.search(r"rdb1\.conv1\.(0\.)?bias", key, re.IGNORECASE) is not None for key in state)
    changed = {key: array * (_BODY if "rdb" in key.lower() else _REST) for key, array in state.items()}
    for key in filter(_TRUNK.fullmatch, changed):
        changed[key] /= _GROWTH**blocks
    for key in filter(_CARRYING.fullmatch, changed):
        folded = changed[key].shape[1] // 3 if key in _FIRST else 1  # pixels that became channels: their mean
        for channel in range(3):
            changed[key][channel, channel * folded : (channel + 1) * folded, 1, 1] += 1 / folded
    return changed
