"""A small state dict for every way in which a network's keys are written, as `architectures` lists them."""

from __future__ import annotations

from typing import Any

import checkpoints
import deterministic
import numpy as np
import official_keys as keys

from ml4a.networks.ghiasi import StylePredictor, StyleTransformer, Widths

WIDTHS = (4, 5, 6, 7, 8)
RRDBNET = {"channels": 3, "features": 8, "growth": 4, "blocks": 1, "doublings": 2, "unshuffle": 1}
SRVGG = {"channels": 3, "features": 8, "convolutions": 2, "scale": 3}
MULTISTYLE = {"styles": 4, "contract": [5, 6, 8], "residuals": 2, "expand": [7, 3]}
TRANSFORMER = {"contract": [4, 6, 10], "residuals": 2, "expand": [7, 5], "style": 9}
PNET = {"widths": [3, 5, 4]}
RNET = {"widths": [3, 5, 4], "features": 7}
ONET = {"widths": [3, 5, 4, 6], "features": 7}
PREDICTOR = {"stem": 4, "blocks": [[4, 3], [9, 5]], "features": 11, "style": 9}

_SRVGG = keys.srvgg(8, 2, 3)


def _numbered(shapes: keys.Shapes) -> keys.Shapes:
    """As ncnn's files name their layers: in order, and slopes by their own layer."""
    renamed: keys.Shapes = {}
    for number, layer in enumerate(dict.fromkeys(key.rpartition(".")[0] for key in shapes)):
        for kind in ("weight", "bias"):
            if f"{layer}.{kind}" in shapes:
                renamed[f"Conv_{number}.{kind}"] = shapes[f"{layer}.{kind}"]
    return renamed


def _srvgg_ncnn() -> keys.Shapes:
    renamed: keys.Shapes = {}
    for key in sorted(_SRVGG, key=lambda key: int(key.split(".")[1])):
        _, number, kind = key.split(".")
        slope = len(_SRVGG[key]) == 1 and f"body.{number}.bias" not in _SRVGG
        renamed[f"PRelu_{number}.slope" if slope else f"Conv_{number}.{kind}"] = _SRVGG[key]
    return {key: renamed[key] for key in sorted(renamed, key=lambda key: int(key.split("_")[1].split(".")[0]))}


def _tensorpack() -> keys.Shapes:
    shapes = keys.hed_tensorpack(WIDTHS)
    return {key: (*shape[2:], shape[1], shape[0]) if len(shape) == 4 else shape for key, shape in shapes.items()}


def _multistyle() -> keys.Shapes:
    convs = {"contract.0": (5, 3, 9), "contract.1": (6, 5, 3), "contract.2": (8, 6, 3)}
    convs |= {f"res.{block}.{conv}": (8, 8, 3) for block in range(2) for conv in range(2)}
    convs |= {"expand.0": (7, 8, 3), "expand.1": (3, 7, 3), "expand.2": (3, 3, 9)}
    shapes: keys.Shapes = {}
    for name, (filters, given, kernel) in convs.items():
        shapes[f"{name}.w"] = (filters, given, kernel, kernel)
        shapes |= dict.fromkeys((f"{name}.norm.gamma", f"{name}.norm.beta"), (4, filters))
    return shapes


def _shapes_of(network: Any) -> keys.Shapes:
    return {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}


SHAPES: dict[str, keys.Shapes] = {
    "rrdbnet:build": keys.rrdbnet(8, 4, 1),
    "rrdbnet:build_old": keys.rrdbnet_old(features=8, growth=4, blocks=1),
    "rrdbnet:build_numbered": keys.rrdbnet_numbered(8, 4, 1),
    "rrdbnet:build_ncnn": _numbered(keys.rrdbnet(8, 4, 1)),
    "srvgg:build": _SRVGG,
    "srvgg:build_ncnn": _srvgg_ncnn(),
    "ghiasi:build_predictor": _shapes_of(StylePredictor(4, [Widths(4, 3), Widths(9, 5)], 11, 9)),
    "ghiasi:build_transformer": _shapes_of(StyleTransformer((4, 6, 10), 2, (7, 5), 9)),
    "multistyle:build": _multistyle(),
    "hed:build_pytorch": keys.hed(WIDTHS),
    "hed:build_keras": keys.hed_keras(WIDTHS),
    "hed:build_tensorpack": _tensorpack(),
    "mtcnn:build_pnet": keys.mtcnn("pnet", (3, 5, 4)),
    "mtcnn:build_rnet": keys.mtcnn("rnet", (3, 5, 4), 7),
    "mtcnn:build_onet": keys.mtcnn("onet", (3, 5, 4, 6), 7),
}
"""By the builder that `architectures` names."""

HYPER_PARAMETERS: dict[str, dict[str, Any]] = {
    "RRDBNet": RRDBNET,
    "SRVGGNetCompact": SRVGG,
    "StylePredictor": PREDICTOR,
    "StyleTransformer": TRANSFORMER,
    "MultiStyle": MULTISTYLE,
    "HED": {"widths": list(WIDTHS)},
    "VGG16": {"widths": list(WIDTHS)},
    "PNet": PNET,
    "RNet": RNET,
    "ONet": ONET,
}
"""What these sizes are called, by the network's class; there may be others."""

for _model in map(checkpoints.of, checkpoints.MODELS):
    SHAPES |= _model.NETWORKS
    HYPER_PARAMETERS |= _model.HYPER_PARAMETERS


def state_dict(builder: str) -> dict[str, np.ndarray]:
    """The small state dict that this builder understands."""
    return deterministic.state_dict(SHAPES[builder])
