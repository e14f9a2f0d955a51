"""StyleGAN3: pickles of NVIDIA's modules, with the discriminator of StyleGAN2-ADA beside the generator."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import containers
import numpy as np
from layers import Shapes

from checkpoints import stylegan
from ml4a.networks.stylegan3_filters import Geometry, geometries, lowpass

_LAYER = r"synthesis\.L(\d+)_(\d+)_\d+\."
MAGNITUDE = np.full((), 1.2, np.float32)
"""Of what comes into layers; training finds it."""


def widths(resolution: int, base: int = 32768, most: int = 512, layers: int = 14) -> list[int]:
    """Channels that each layer gives: fewer where the band is wide; of the last those of a picture."""
    cutoffs = [geometry.target.cutoff for geometry in geometries(resolution, layers)]
    return [*(round(min(base / 2 / cutoff, most)) for cutoff in cutoffs[:-1]), 3]


def generator(
    resolution: int,
    widths: Sequence[int],
    mapped: Sequence[int] = (512, 512),
    z_dim: int = 512,
    c_dim: int = 0,
    *,
    rotating: bool = False,
) -> Shapes:
    """Every key of `Generator`, of configuration T or (`rotating`) R."""
    w_dim, first = mapped[-1], widths[0]
    found: Shapes = {"synthesis.input.weight": (first, first), "synthesis.input.transform": (3, 3)}
    found |= {"synthesis.input.freqs": (first, 2), "synthesis.input.phases": (first,)}
    found |= _affine("synthesis.input", w_dim, 4)
    given = first
    for number, (made, geometry) in enumerate(zip(widths, _geometries(resolution, len(widths), rotating), strict=True)):
        name = f"synthesis.L{number}_{geometry.target.size}_{made}"
        found[f"{name}.weight"] = (made, given, geometry.kernel, geometry.kernel)
        found |= {f"{name}.bias": (made,), f"{name}.magnitude_ema": ()}
        if not geometry.rgb:
            found[f"{name}.up_filter"] = (geometry.up_taps,)
            found[f"{name}.down_filter"] = (geometry.down_taps,) * (2 if rotating and not geometry.critical else 1)
        found |= _affine(name, w_dim, given)
        given = made
    found["mapping.w_avg"] = (w_dim,)
    if c_dim:
        found |= {"mapping.embed.weight": (w_dim, c_dim), "mapping.embed.bias": (w_dim,)}
    given = z_dim + (w_dim if c_dim else 0)
    for number, made in enumerate(mapped):
        found |= {f"mapping.fc{number}.weight": (made, given), f"mapping.fc{number}.bias": (made,)}
        given = made
    return found


def filled(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights as a training begins with them: designed filters, styles about 1, pictures that differ."""
    layers = {int(match[1]): int(match[2]) for key in state if (match := re.match(_LAYER, key))}
    rotating = state[next(key for key in state if re.match(r"synthesis\.L0_\d+_\d+\.weight", key))].shape[2] == 1
    designs = _geometries(layers[max(layers)], len(layers), rotating)
    return {key: _filled(key, array, designs) for key, array in state.items()}


def _filled(key: str, array: np.ndarray, designs: Sequence[Geometry]) -> np.ndarray:
    match = re.match(_LAYER, key)
    if match and key.endswith("_filter"):
        design = designs[int(match[1])]
        up = key.endswith("up_filter")
        taps, signal = (design.up_taps, design.source) if up else (design.down_taps, design.target)
        f = lowpass(taps, signal.cutoff, 2 * signal.half_width, design.rate, radial=array.ndim == 2)
        assert f is not None
        return f.numpy()
    if key.endswith("transform"):
        return np.eye(3, dtype=np.float32)
    if key.endswith("magnitude_ema"):
        return MAGNITUDE
    if array.ndim > 1:
        array = array * np.float32(math.sqrt(math.prod(array.shape[1:])))
    if key.endswith("input.affine.bias"):
        array = array + np.float32([1, 0, 0, 0])
    elif key.endswith(".affine.bias"):
        array = array + 1
    return array * 100 if "mapping.fc" in key else array


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """The pickle."""
    networks = {
        name: {key.removeprefix(f"{name}."): array for key, array in state.items() if key.startswith(f"{name}.")}
        for name in ("G_ema", "D")
    }
    modules = {
        "D": containers.persistent(stylegan.filled(networks["D"]), "Discriminator"),
        "G_ema": containers.persistent(filled(networks["G_ema"]), conv_kernel=3, magnitude_ema_beta=0.999),
    }
    return containers.save_stylegan(path, training_set_kwargs=None, augment_pipe=None, **modules)


def _geometries(resolution: int, layers: int, rotating: bool) -> list[Geometry]:
    return geometries(resolution, layers - 1, 1 if rotating else 3)


def _affine(name: str, w_dim: int, made: int) -> Shapes:
    return {f"{name}.affine.weight": (made, w_dim), f"{name}.affine.bias": (made,)}


def _parts(generator: Shapes, discriminator: Shapes) -> dict[str, Shapes]:
    named = {"G_ema": generator, "D": discriminator}
    return {"network": {f"{name}.{key}": shape for name, shapes in named.items() for key, shape in shapes.items()}}


T_256 = widths(256, 16384)
R_256 = widths(256, 32768, 1024)
_JUDGE = (512, 512, 512, 512, 256, 128, 64)
"""Channels of the discriminator of 256 pixels, at 4, at 8, …"""
_SMALL = [9, 9, 8, 7, 6, 5, 3]
_MAPPED = (10, 11)

OFFICIAL = {
    "ffhqu-256-t": _parts(generator(256, T_256), stylegan.discriminator(_JUDGE)),
    "ffhqu-256-r": _parts(generator(256, R_256, rotating=True), stylegan.discriminator(_JUDGE)),
}
SMALL = {
    "landscapes-256-t": _parts(generator(32, _SMALL, _MAPPED, 12), stylegan.discriminator((9, 8, 6, 5), _MAPPED)),
}
NETWORKS = {"stylegan3:build": generator(32, _SMALL, (10, 11), 12, 4, rotating=True)}
HYPER_PARAMETERS = {
    "StyleGAN3": {"resolution": 32, "widths": _SMALL, "z_dim": 12, "c_dim": 4, "hidden": [10, 11], "kernel": 1}
}
