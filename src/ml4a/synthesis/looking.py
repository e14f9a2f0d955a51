"""The networks that look, by the names that people know them by."""

from __future__ import annotations

from ml4a import weights
from ml4a._core import devices
from ml4a._core.errors import UnknownName
from ml4a.networks import FeatureNetwork, feature_network
from ml4a.ops import winograd

NETWORKS = {
    "vgg16_hed": "style_transfer/vgg16_hed",
    "vgg19": "style_transfer/vgg19",
    "vgg19_caffe": "neural_style/vgg19",
    "vgg16_caffe": "neural_style/vgg16",
    "nin": "neural_style/nin",
    "inception_v1": "deepdream/inception5h",
    "inception_v3": "torch_dreams/inception_v3",
    "efficientnet_lite0": "torch_dreams/efficientnet_lite0",
}
"""And the weights that they are made of. `vgg16_hed` and `efficientnet_lite0` come from the package index."""


def network(name: str, *, device: str = "auto", dtype: str = "auto") -> FeatureNetwork:
    """A network whose layers can be looked at, with pretrained weights, which are downloaded if need be.

    Args:
        name: One of `NETWORKS`.
        device: As of models.
        dtype: `"float32"` is exact; `"auto"` and `"fast_float32"` may multiply less on processors.

    Raises:
        UnknownName: there is no network of this name.
        DownloadFailed: no source could deliver the weights.
    """
    if name not in NETWORKS:
        raise UnknownName("network", name, NETWORKS)
    card, _, variant = NETWORKS[name].partition("/")
    path = weights.fetch(NETWORKS[name])["network"]
    file = weights.card(card).variant(variant).files["network"]
    found = feature_network(weights.read(path, file.format).arrays(), card, "vgg16", "efficientnet_lite")
    target = devices.resolve_device(device)
    if winograd.room(found) <= devices.room_for_speed(dtype, target):
        winograd.quicken(found)
    return found.to(target)
