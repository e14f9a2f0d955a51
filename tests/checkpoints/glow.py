"""Glow: TensorFlow's variables, frozen into a graph as its authors published it, and the directions of attributes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import deterministic
import glow_graph
import numpy as np
import tf_files
from layers import Shapes

ATTRIBUTES = 40


def shapes(
    levels: int = 6,
    depth: int = 32,
    width: int = 512,
    coupling: str = "additive",
    permutation: str = "mixing",
    channels: int = 3,
    learned_top: bool = True,
    classes: int = 0,
) -> Shapes:
    """Every variable that the original's network has."""
    found: Shapes = {}
    size = 4 * channels
    for level in range(levels):
        for step in range(depth):
            found |= _step(f"model/{level}/{step}", size, width, coupling == "affine", permutation)
        if level < levels - 1:
            found |= _zeros(f"model/pool{level}/conv", size // 2, size)
            size *= 2
    if learned_top:
        found |= _zeros("model/prior/p", 2 * size, 2 * size)
    if classes:
        name = "model/prior/y_emb"
        found |= {f"{name}/W": (classes, 2 * size), f"{name}/b": (1, 2 * size), f"{name}/logs": (1, 2 * size)}
    return found


def variable(name: str, shape: Sequence[int]) -> np.ndarray:
    """A variable's value, drawn by its name, as the figures were made; after dozens of steps it is too wild."""
    shape = tuple(shape)
    noise = deterministic.normal(name, shape)
    if name.endswith("invconv/W"):
        return np.eye(shape[0], dtype=np.float32) + 0.3 * noise / np.float32(math.sqrt(shape[0]))
    if "/shuffle/" in name:
        order = np.argsort(deterministic.normal(name.removesuffix("_inverse"), shape)).astype(np.int32)
        return np.argsort(order).astype(np.int32) if name.endswith("_inverse") else order
    if name.endswith(("/logs", "/b")):
        return 0.1 * noise
    if name.endswith("y_emb/W"):
        return 0.3 * noise
    small = 0.5 if "l_last" in name or "/conv/" in name or "prior/p/" in name else 1.0
    return (small * noise / math.sqrt(math.prod(shape[:-1]))).astype(np.float32)


def tamed(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state dict drawn as any other, so that nothing grows or vanishes in it."""
    found = dict(state)
    for name, array in state.items():
        if name.endswith("invconv/W"):
            found[name] = np.linalg.qr(array)[0]
        elif name.endswith(("/logs", "/b")):
            found[name] = np.float32(0.1) * array
    return found


def calm(name: str, shape: Sequence[int]) -> np.ndarray:
    """The same of a network of any depth, in which nothing grows or vanishes, as in a trained one."""
    value = variable(name, shape)
    if name.endswith("invconv/W"):
        return np.linalg.qr(value)[0]
    if name.endswith(("/logs", "/b")):
        return np.float32(0.1) * value
    return np.float32(0.2) * value if "l_last" in name or "/conv/" in name else value


def state_dict(draw: Callable[[str, Sequence[int]], np.ndarray] = variable, **sizes: Any) -> dict[str, np.ndarray]:
    """All variables of a network of these sizes."""
    return {name: draw(name, shape) for name, shape in shapes(**sizes).items()}


def directions(numbers: int) -> np.ndarray:
    """Where each attribute lies, as far away as latents are from each other."""
    return np.stack([deterministic.normal(f"attribute {row}", (numbers,)) for row in range(ATTRIBUTES)])


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """The graph with constants folded, as the published one seems to be; or the array of directions."""
    if role == "directions":
        np.save(path, directions(state["directions"].shape[1]))
        return path
    return tf_files.save_graph(path, glow_graph.nodes(tamed(state), _SIDE[len(state)], folded=True))


def _step(name: str, size: int, width: int, affine: bool, permutation: str) -> Shapes:
    found = _actnorm(name, size)
    if permutation == "mixing":
        found[f"{name}/invconv/W"] = (size, size)
    if permutation == "shuffle":
        found |= {f"{name}/shuffle/indices": (size,), f"{name}/shuffle/indices_inverse": (size,)}
    found[f"{name}/f1/l_1/W"] = (3, 3, size // 2 + 1, width)
    found |= _actnorm(f"{name}/f1/l_1", width)
    found[f"{name}/f1/l_2/W"] = (1, 1, width, width)
    found |= _actnorm(f"{name}/f1/l_2", width)
    return found | _zeros(f"{name}/f1/l_last", width, size if affine else size // 2)


def _actnorm(name: str, size: int) -> Shapes:
    return {f"{name}/actnorm_center/b": (1, 1, 1, size), f"{name}/actnorm_scale/logs": (1, 1, 1, size)}


def _zeros(name: str, channels: int, filters: int) -> Shapes:
    return {
        f"{name}/W": (3, 3, channels + 1, filters),
        f"{name}/b": (1, 1, 1, filters),
        f"{name}/logs": (1, filters),
    }


_SMALL: dict[str, Any] = {
    "levels": 3,
    "depth": 2,
    "width": 6,
    "coupling": "additive",
    "permutation": "mixing",
    "channels": 3,
    "learned_top": True,
    "classes": 0,
}
_OTHER: dict[str, Any] = _SMALL | {"levels": 2, "depth": 1, "width": 5, "coupling": "affine", "permutation": "reversal"}
_OTHER |= {"classes": 4, "learned_top": False}
_SMALL_SIDE = 32
_SIDE = {len(shapes()): 256, len(shapes(**_SMALL)): _SMALL_SIDE}
"""The side of the pictures that a graph is for, by how many variables it has."""

OFFICIAL = {"celeba_hq": {"network": shapes(), "directions": {"directions": (ATTRIBUTES, 256 * 256 * 3)}}}
SMALL = {"celeba_hq": {"network": shapes(**_SMALL), "directions": {"directions": (ATTRIBUTES, _SMALL_SIDE**2 * 3)}}}
NETWORKS = {"glow:build": shapes(**_OTHER)}
HYPER_PARAMETERS = {"Glow": _OTHER}
