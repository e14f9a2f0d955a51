"""The distance between pictures as they look, made ready for models that search by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from ml4a.networks.lpips import LPIPS

_CARD = "lpips"
_OFFICIAL = "vgg16"


@dataclass(frozen=True, slots=True)
class Perceptual:
    """LPIPS with its weights."""

    network: LPIPS
    """On its device."""
    name: str
    """The set of weights: `"vgg16"`, the official ones, or `"vgg16_hed"`."""


def load(device: torch.device, room_for_speed: float = 0, name: str = "auto") -> Perceptual:
    """The distance with one of its sets of weights, fetched if need be.

    Args:
        device: Where it is to compute.
        room_for_speed: Bytes that its faster form may take (`devices.room_for_speed`).
        name: Which; `"auto"` is the official one if its large trunk is in the cache, and else the card's default.

    Raises:
        UnknownName: there are no weights of this name.
        DownloadFailed: their files cannot be had.
    """
    from ml4a import weights
    from ml4a.networks import from_state_dict
    from ml4a.ops import winograd

    if name == "auto":
        name = "default" if weights.find(f"{_CARD}/{_OFFICIAL}") is None else _OFFICIAL
    files = weights.fetch(f"{_CARD}/{name}")
    variant = weights.card(_CARD).variant(name)
    state = {}
    for role, path in files.items():
        state |= weights.read(path, variant.files[role].format).arrays()
    network = from_state_dict(_CARD, state)
    if winograd.room(network) <= room_for_speed:
        winograd.quicken(network)
    return Perceptual(network.to(device), variant.name)  # type: ignore[arg-type]
