"""IDInvert: state dicts in the stream of torch before 1.6, and boundaries, each a table in an array of objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import containers
import numpy as np
from layers import Shapes, batch_norm, convolution

WIDTHS = (512, 512, 512, 512, 256, 128, 64)
FUSED = (False, False, False, False, True, True)
ENCODER_WIDTHS = (64, 128, 256, 512, 1024, 1024, 1024)
VGG_WIDTHS = (64, 128, 256, 512, 512)
BOUNDARIES = {
    "age": range(6),
    "expression": range(2, 6),
    "eyeglasses": range(3),
    "gender": range(2, 5),
    "pose": range(3),
}
"""By role, the layers that a boundary of faces changes."""


def generator(
    widths: Sequence[int] = WIDTHS,
    fused: Sequence[bool] = FUSED,
    *,
    z_dim: int = 512,
    w_dim: int = 512,
    hidden: int = 512,
    mapping_layers: int = 8,
    c_dim: int = 0,
    repeated: bool = False,
) -> Shapes:
    """Every key that the original's generator has."""
    layers = 2 * len(widths)
    found: Shapes = {"mapping.label_weight": (c_dim, z_dim)} if c_dim else {}
    given = 2 * z_dim if c_dim else z_dim
    for number in range(mapping_layers):
        made = hidden if number < mapping_layers - 1 else w_dim * (1 if repeated else layers)
        found |= _dense(f"mapping.dense{number}", given, made)
        given = hidden
    found |= {"truncation.w_avg": (w_dim,), "truncation.truncation": (1, layers, 1), "synthesis.lod": ()}
    for level, width in enumerate(widths):
        first, second, side = f"synthesis.layer{2 * level}", f"synthesis.layer{2 * level + 1}", 4 << level
        if level == 0:
            found[f"{first}.const"] = (1, width, side, side)
        elif fused[level - 1]:
            found[f"{first}.weight"] = (3, 3, widths[level - 1], width)
        else:
            found |= convolution(f"{first}.conv", widths[level - 1], width, bias=False)
        if level:
            found[f"{first}.blur.kernel"] = (width, 1, 3, 3)
        found |= _epilogue(first, width, side, w_dim)
        found |= convolution(f"{second}.conv", width, width, bias=False) | _epilogue(second, width, side, w_dim)
        found |= {f"synthesis.output{level}.bias": (3,), f"synthesis.output{level}.conv.weight": (3, width, 1, 1)}
    return found


def encoder(widths: Sequence[int] = ENCODER_WIDTHS, w_dim: int = 512, *, normalised: bool = True) -> Shapes:
    """Every key that the original's encoder has."""
    found = convolution("block0.conv", 3, widths[0], bias=False)
    found |= batch_norm("block0.bn.bn", widths[0])
    for number, (given, made) in enumerate(pairwise(widths), start=1):
        name, between = f"block{number}", min(given, made)
        if given != made:
            found |= convolution(f"{name}.conv", given, made, 1, bias=False) | batch_norm(f"{name}.bn.bn", made)
        found |= convolution(f"{name}.conv1", given, between, bias=False) | {f"{name}.wscale1.bias": (between,)}
        found |= batch_norm(f"{name}.bn1.bn", between)
        found |= convolution(f"{name}.conv2", between, made, bias=False) | {f"{name}.wscale2.bias": (made,)}
        found |= batch_norm(f"{name}.bn2.bn", made)
    last, made = f"block{len(widths)}", 2 * len(widths) * w_dim
    found |= {f"{last}.fc.weight": (made, 16 * widths[-1])} | batch_norm(f"{last}.bn.bn", made)
    return found if normalised else {key: shape for key, shape in found.items() if ".bn." not in key}


def perceptual(widths: Sequence[int] = VGG_WIDTHS) -> Shapes:
    """Every key that the original's VGG-16 has."""
    found: Shapes = {}
    number, given = 0, 3
    for depth, width in zip((2, 2, 3, 3, 3), widths, strict=True):
        for _ in range(depth):
            found |= convolution(f"layer{number}", given, width)
            number, given = number + 2, width
        number += 1
    return found


def boundary(layers: int, w_dim: int, changed: Iterable[int]) -> Shapes:
    """A boundary, and beside it, as an array's shape, the layers that it changes."""
    return {"boundary": (1, layers, w_dim), "layers": tuple(changed)}


def state_dict(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Deterministic weights, as large as training begins with, so that the networks make pictures and not grey."""
    return {key: _scaled(key, array) for key, array in state.items()}


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """A network as torch 1.2 wrote it; a boundary as np.save writes a table."""
    if "boundary" not in state:
        return containers.save_stream(path, containers.tensors(state_dict(state)))
    rows = state["boundary"] / np.linalg.norm(state["boundary"], axis=-1, keepdims=True)
    table = {"boundary": rows, "meta_data": {"manipulate_layers": [int(layer) for layer in state["layers"].shape]}}
    np.save(path, np.array(table, dtype=object), allow_pickle=True)
    return path


def _scaled(key: str, array: np.ndarray) -> np.ndarray:
    if key.endswith("blur.kernel"):
        row = np.array([1, 2, 1], np.float32)
        return np.broadcast_to(np.outer(row, row) / 16, array.shape).copy()
    if key == "truncation.truncation":
        return np.where(np.arange(array.size) < 8, 0.7, 1).astype(np.float32).reshape(array.shape)
    if not key.startswith(("mapping.", "truncation.", "synthesis.")):
        return array * math.sqrt(array.shape[1]) if key.endswith("fc.weight") else array
    factor = 100 if key.startswith("mapping.") else 0.1 if key.endswith("apply_noise.weight") else 1
    return np.asarray(array * np.float32(factor * math.sqrt(math.prod(array.shape[1:]))))


def _dense(name: str, given: int, made: int) -> Shapes:
    return {f"{name}.fc.weight": (made, given), f"{name}.wscale.bias": (made,)}


def _epilogue(layer: str, channels: int, side: int, w_dim: int) -> Shapes:
    name = f"{layer}.epilogue"
    found: Shapes = {f"{name}.bias": (channels,), f"{name}.apply_noise.weight": (channels,)}
    found[f"{name}.apply_noise.noise"] = (1, 1, side, side)
    return found | _dense(f"{name}.style_mod.dense", w_dim, 2 * channels)


def _set(generator: Shapes, encoder: Shapes, perceptual: Shapes) -> dict[str, Shapes]:
    _, layers, _ = generator["truncation.truncation"]
    (w_dim,) = generator["truncation.w_avg"]
    found = {"generator": generator, "encoder": encoder, "perceptual": perceptual}
    for role, changed in BOUNDARIES.items():
        found[role] = boundary(layers, w_dim, changed)
    return found


_SMALL = {"widths": [8, 7, 6, 5], "fused": [False, True, False], "z_dim": 9, "w_dim": 6, "hidden": 11}
_SMALL_ENCODER = {"widths": [4, 6, 6, 7], "w_dim": 6}
_SMALL_VGG = (3, 4, 5, 6, 7)
_ODD = {"mapping_layers": 2, "c_dim": 3, "repeated": True}

OFFICIAL = {"ffhq": _set(generator(), encoder(), perceptual())}
"""The other sets differ in their boundaries alone, and each is most of a gigabyte."""
SMALL = {"ffhq": _set(generator(**_SMALL), encoder(**_SMALL_ENCODER), perceptual(_SMALL_VGG))}  # type: ignore[arg-type]
NETWORKS = {
    "stylegan1:build": generator(**_SMALL, **_ODD),  # type: ignore[arg-type]
    "idinvert_encoder:build": encoder(**_SMALL_ENCODER, normalised=False),  # type: ignore[arg-type]
    "vgg:build_perceptual": perceptual(_SMALL_VGG),
}
HYPER_PARAMETERS = {
    "StyleGAN1": {**_SMALL, **_ODD, "channels": 3},
    "IDInvertEncoder": {**_SMALL_ENCODER, "channels": 3, "normalised": False},
    "PerceptualVGG": {
        "blocks": [[width] * depth for width, depth in zip(_SMALL_VGG, (2, 2, 3, 3, 3), strict=True)],
    },
}
