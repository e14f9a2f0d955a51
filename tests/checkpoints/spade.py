"""SPADE: a plain state dict in the stream of torch before 1.6, and two texts: options of the training, and classes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import containers
import deterministic
import numpy as np
from layers import Shapes, convolution

from ml4a import segmentation

OPTIONS: dict[str, dict[str, Any]] = {
    "landscapes": {"label_nc": 182, "no_instance": True, "crop_size": 256},
    "landscapes_2020": {"label_nc": 182, "no_instance": True, "crop_size": 256},
    "coco": {"label_nc": 182, "contain_dontcare_label": True, "crop_size": 256},
    "ade20k": {"label_nc": 150, "contain_dontcare_label": True, "no_instance": True, "crop_size": 256},
    "cityscapes": {"label_nc": 35, "crop_size": 512, "aspect_ratio": 2.0, "num_upsampling_layers": "more"},
    "small": {"label_nc": 6, "contain_dontcare_label": True, "crop_size": 128},
}
"""What differs from the defaults of the original's options."""
_DEFAULTS = {
    "aspect_ratio": 1.0,
    "contain_dontcare_label": False,
    "crop_size": 512,
    "gpu_ids": "0",
    "label_nc": 182,
    "load_size": 286,
    "name": "label2coco",
    "no_instance": False,
    "num_upsampling_layers": "normal",
    "use_vae": False,
}
SMALL_CLASSES = ("sky", "grass", "sea", "tree", "boat", "lantern")
"""The last is in no data set."""


def shapes(channels: int = 184, width: int = 64, hidden: int = 128, *, most: bool = False, cells: int = 0) -> Shapes:
    """Every key that the original's network has; `cells` with a style of 16 numbers."""
    deep = 16 * width
    found = (
        {"fc.weight": (cells * deep, 16), "fc.bias": (cells * deep,)} if cells else convolution("fc", channels, deep)
    )
    widths = [deep, deep, deep, deep, 8 * width, 4 * width, 2 * width, width]
    names = ["head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3"]
    if most:
        widths.append(width // 2)
        names.append("up_4")
    for name, (given, made) in zip(names, pairwise(widths), strict=True):
        between = min(given, made)
        found |= spectral(f"{name}.conv_0", given, between) | spectral(f"{name}.conv_1", between, made)
        found |= _norm(f"{name}.norm_0", given, channels, hidden) | _norm(f"{name}.norm_1", between, channels, hidden)
        if given != made:
            found |= spectral(f"{name}.conv_s", given, made, side=1, bias=False)
            found |= _norm(f"{name}.norm_s", given, channels, hidden)
    return found | convolution("conv_img", widths[-1], 3)


def encoder(width: int = 64, latent: int = 256) -> Shapes:
    """Every key of the network that finds a picture's style."""
    widths = [3, width, 2 * width, 4 * width, 8 * width, 8 * width, 8 * width]
    found: Shapes = {}
    for level, (given, made) in enumerate(pairwise(widths), start=1):
        found |= spectral(f"layer{level}.0", given, made, bias=False)
    for name in ("fc_mu", "fc_var"):
        found |= {f"{name}.weight": (latent, 128 * width), f"{name}.bias": (latent,)}
    return found


def spectral(name: str, channels: int, filters: int, side: int = 3, *, bias: bool = True) -> Shapes:
    """A convolution with torch's older spectral norm; the bias comes first."""
    found: Shapes = {f"{name}.bias": (filters,)} if bias else {}
    kernel = (filters, channels, side, side)
    return found | {
        f"{name}.weight_orig": kernel,
        f"{name}.weight_u": (filters,),
        f"{name}.weight_v": (channels * side**2,),
    }


def state_dict(shapes: Shapes) -> dict[str, np.ndarray]:
    """Deterministic weights, with vectors for which the singular value is not nearly 0."""
    return with_vectors(deterministic.state_dict(shapes))


def with_vectors(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One step of the power iteration from `weight_u`, as training keeps it up."""
    found = dict(state)
    for key in state:
        name, _, kind = key.rpartition(".")
        if kind == "weight_orig":
            rows = state[key].reshape(len(state[key]), -1)
            u = state[f"{name}.weight_u"] / np.linalg.norm(state[f"{name}.weight_u"])
            v = rows.T @ u
            found |= {f"{name}.weight_u": u, f"{name}.weight_v": v / np.linalg.norm(v)}
    return found


def options_text(options: Mapping[str, Any]) -> str:
    """As the original's options are written."""
    lines = ["----------------- Options ---------------"]
    for key, value in sorted((_DEFAULTS | dict(options)).items()):
        comment = f"\t[default: {_DEFAULTS[key]}]" if value != _DEFAULTS[key] else ""
        lines.append(f"{key:>25}: {value!s:<30}{comment}")
    return "\n".join([*lines, "----------------- End -------------------", ""])


def classes_text(weights: str) -> str:
    """As ml4a's file of 2021 is written."""
    if weights == "small":
        return repr(dict(enumerate(SMALL_CLASSES)))
    known = {"ade20k": segmentation.ADE20K, "cityscapes": segmentation.CITYSCAPES}.get(weights, segmentation.COCO_STUFF)
    return repr({label.index: label.name for label in known if label.index < OPTIONS[weights]["label_nc"]})


def save(role: str, path: Path, state: Mapping[str, np.ndarray]) -> Path:
    """The network as torch 1.0 wrote it; of a text, the lone key says which weights it belongs to."""
    if role == "network":
        return containers.save_stream(path, containers.tensors(with_vectors(state)))
    (weights,) = state
    text = options_text(OPTIONS[weights]) if role == "options" else classes_text(weights)
    path.write_text(text, encoding="utf-8")
    return path


def _norm(name: str, channels: int, given: int, hidden: int) -> Shapes:
    statistics = {f"{name}.param_free_norm.{kind}": (channels,) for kind in ("running_mean", "running_var")}
    found: Shapes = {**statistics, f"{name}.param_free_norm.num_batches_tracked": ()}
    found |= convolution(f"{name}.mlp_shared.0", given, hidden)
    return (
        found | convolution(f"{name}.mlp_gamma", hidden, channels) | convolution(f"{name}.mlp_beta", hidden, channels)
    )


def _set(weights: str, network: Shapes) -> dict[str, Shapes]:
    return {"network": network, "options": {weights: ()}, "classes": {weights: ()}}


_CHANNELS = {"landscapes": 182, "landscapes_2020": 182, "coco": 184, "ade20k": 151, "cityscapes": 36}
_SMALL = {"channels": 8, "width": 2, "hidden": 5}

OFFICIAL = {weights: _set(weights, shapes(channels)) for weights, channels in _CHANNELS.items()}
SMALL = {
    "landscapes": _set("small", shapes(**_SMALL)),
    "ade20k": _set("ade20k", shapes(**_SMALL | {"channels": 151})),
}
NETWORKS = {
    "spade:build": shapes(**_SMALL, most=True, cells=2),
    "spade:build_encoder": encoder(width=1, latent=16),
}
HYPER_PARAMETERS = {
    "SPADEGenerator": {**_SMALL, "doublings": 7, "latent": 16, "cells": 2},
    "StyleEncoder": {"width": 1, "layers": 6, "latent": 16},
}
